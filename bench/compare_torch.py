#!/usr/bin/env python3
"""GPEN on a CUDA device beside PyTorch on the same device and the same weights, taking turns.

    python3 bench/compare_torch.py --shared ../shared --bench build/bench/bench_gpu_network --size 512 --rounds 5

PyTorch runs the network of the shared data's peer/gpen_torch.py (blur kernels kept on the device), formula weights on
both sides. First every answer is compared with the golden one: a wrong one of ours ends the comparison, a wrong one of
PyTorch's leaves that variant out. Then every round runs bench_gpu_network, a process of its own, once per precision, and
each variant of PyTorch in this process; the side that begins changes from round to round. Times are the device's:
events around a replay on our side, around a call with the stream kept busy before it on PyTorch's, so that the time in
which the host puts work on the stream counts only where it is longer than the work.

Variants: HOW-PRECISION with HOW eager, compile (torch.compile), graph (a CUDA graph of eager), compilegraph (of
compiled), PRECISION fp32, tf32, bf16, fp16; bf16 and fp16 are channels-last. --form activations writes the modulation as
scaled activations around a convolution with shared weights, as ours does, instead of modulated weights, as published;
larger batches need it to be fair. Needs torch, numpy and a CUDA device. Exit codes: 0 done, 1 an answer of ours is
wrong or a program failed, 2 usage, 3 PyTorch or a CUDA device is not available.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

TOLERANCE = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1, "fp16": 5e-2}  # of PyTorch: relative L2
DEFAULT = "eager-fp32,graph-tf32,eager-fp16,graph-fp16,graph-bf16,compilegraph-fp16"


def fail(message, code=1):
    print(f"compare_torch: {message}", file=sys.stderr)
    sys.exit(code)


def note(message):
    print(f"compare_torch: {message}", file=sys.stderr, flush=True)


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--shared", type=pathlib.Path, default=os.environ.get("GPEN_SHARED", "../shared"),
                   help="folder of the shared data (golden/, peer/)")
    a.add_argument("--bench", type=pathlib.Path, default="build/bench/bench_gpu_network", help="our program")
    a.add_argument("--size", type=int, choices=(256, 512, 1024), default=512)
    a.add_argument("--batch", type=int, default=1)
    a.add_argument("--form", choices=("weights", "activations"), default="weights")
    a.add_argument("--variants", default=DEFAULT, help=f"of PyTorch, with commas; default {DEFAULT}")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--reps", type=int, default=20, help="timed runs in a round")
    a.add_argument("--budget", type=float, default=600, help="seconds after which no further variant is prepared")
    a.add_argument("--json", help="write all figures to this file; -: to stdout, and the table to stderr")
    a = a.parse_args()
    if a.rounds < 1 or a.reps < 1 or a.batch < 1:
        fail("--rounds, --reps and --batch are at least 1", 2)
    a.variants = [v for v in a.variants.split(",") if v]
    for v in a.variants:
        how, _, precision = v.partition("-")
        if how not in ("eager", "compile", "graph", "compilegraph") or precision not in TOLERANCE:
            fail(f"--variants {v}: HOW-PRECISION is expected", 2)
    for path in (a.bench, a.shared / "peer" / "gpen_torch.py", a.shared / "golden" / f"gpen_bfr_{a.size}.safetensors"):
        if not path.is_file():
            fail(f"{path}: no such file", 2)
    return a


def import_torch():
    try:
        import numpy  # noqa: F401  (formula.py needs it)
        import torch
    except ImportError as e:
        fail(f"not available: {e}", 3)
    if not torch.cuda.is_available():
        fail("not available: PyTorch finds no CUDA device", 3)
    return torch


class Peer:
    """The network of gpen_torch.py on the device."""

    def __init__(self, torch, a):
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(a.shared / "peer"))
        import formula
        import gpen_torch
        import safetensors
        self.torch, self.net, self.form = torch, gpen_torch, a.form
        cm, narrow = (1, 0.5) if a.size == 256 else (2, 1.0)
        self.state = gpen_torch.formula_state(a.size, cm, narrow)
        picture = torch.from_numpy(formula.tensor(f"gpen_bfr_{a.size}.input", (1, 3, a.size, a.size)))
        self.picture = picture.repeat(a.batch, 1, 1, 1)
        golden = safetensors.load(a.shared / "golden" / f"gpen_bfr_{a.size}.safetensors")[0]["output"]
        self.golden = torch.from_numpy(golden.copy()).double()
        self.kernels = {}
        gpen_torch.fir = self.fir  # the original makes its kernel on the processor in every call
        if a.form == "activations":
            gpen_torch.modconv = self.modconv

    def fir(self, x, up=1, gain=1.0, pad=(0, 0), stride=1):
        """upfirdn2d with [1,3,3,1]: gpen_torch.fir with its kernel kept on the device."""
        functional = self.torch.nn.functional
        c, key = int(x.shape[1]), (int(x.shape[1]), x.dtype, gain)
        if key not in self.kernels:
            k = self.torch.tensor([1.0, 3.0, 3.0, 1.0])
            k = (k[:, None] * k[None] / 64 * gain).to(device=x.device, dtype=x.dtype)
            self.kernels[key] = k.expand(c, 1, 4, 4).contiguous()
        if up > 1:
            b, _, h, w = x.shape
            x = functional.pad(x.reshape(b, c, h, 1, w, 1), [0, up - 1, 0, 0, 0, up - 1]).reshape(b, c, h * up, w * up)
        return functional.conv2d(functional.pad(x, [pad[0], pad[1]] * 2), self.kernels[key], groups=c, stride=stride)

    def modconv(self, sd, p, x, style, up=False, demod=True):
        """Input times style, one convolution for all images, output times demodulation."""
        torch, functional = self.torch, self.torch.nn.functional
        w = sd[p + ".weight"][0]
        co, ci, k, _ = w.shape
        s = self.net.lin(sd, p + ".modulation", style)
        w = w * (ci * k * k) ** -0.5
        x = x * s[:, :, None, None]
        y = self.fir(functional.conv_transpose2d(x, w.transpose(0, 1), stride=2), gain=4.0, pad=(1, 1)) if up \
            else functional.conv2d(x, w, padding=k // 2)
        if demod:
            d = torch.rsqrt(s.float().pow(2) @ w.float().pow(2).sum([2, 3]).t() + 1e-8)
            y = y * d.to(y.dtype)[:, :, None, None]
        return y

    def variant(self, name):
        """A function without arguments that puts one forward() on the stream and returns its output tensor."""
        torch = self.torch
        how, _, precision = name.partition("-")
        tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        state = {k: v.to("cuda", dtype) for k, v in self.state.items()}
        x = self.picture.to("cuda", dtype)
        if dtype != torch.float32:
            x = x.to(memory_format=torch.channels_last)
            state = {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()}

        def call(picture):
            return self.net.forward(state, picture)

        call(x)  # makes the kernels of fir(), outside of compilation and capture
        run = torch.compile(call) if how.startswith("compile") else call
        run(x)  # compilation, choice of algorithms
        if not how.endswith("graph"):
            return lambda: run(x)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run(x)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = run(x)

        def replay():
            graph.replay()
            return out
        return replay

    def error(self, run):
        """Relative L2 of the first image; larger golden outputs keep every 4th row and column."""
        got = run()[:1].double().cpu()
        step = got.shape[-1] // self.golden.shape[-1]
        got = got[..., ::step, ::step]
        return float((got - self.golden).norm() / self.golden.norm())

    def times(self, run, name, reps):
        """Milliseconds on the device, one by one."""
        torch = self.torch
        tf32 = name.endswith("tf32")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        busy = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
        ms = []
        for _ in range(reps + 1):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            for _ in range(5):
                busy.zero_()
            begin.record()
            run()
            end.record()
            torch.cuda.synchronize()
            ms.append(begin.elapsed_time(end))
        return ms[1:]


class Ours:
    def __init__(self, a, precisions):
        self.a, self.precisions = a, precisions

    def round(self, reps):
        """precision -> result of bench_gpu_network, which checks every answer itself."""
        command = [str(self.a.bench.resolve()), "--arch", f"gpen-bfr-{self.a.size}", "--batch", str(self.a.batch),
                   "--precision", ",".join(self.precisions), "--shared", str(self.a.shared), "--reps", str(reps),
                   "--json", "-"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
        results = json.loads(done.stdout)["results"]
        return {r["precision"]: r for r in results}


def prepare(peer, a):
    """The variants that can be run and are right: name -> (function, error); and name -> reason of the others."""
    start, ready, left_out = time.monotonic(), {}, {}
    for name in a.variants:
        if time.monotonic() - start > a.budget:
            left_out[name] = f"not prepared within {a.budget:.0f} s"
            continue
        begin = time.monotonic()
        try:
            with peer.torch.no_grad():
                run = peer.variant(name)
                error = peer.error(run)
        except Exception as e:  # whatever PyTorch's compilers raise
            left_out[name] = f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else ''}"
            continue
        note(f"{name}: prepared in {time.monotonic() - begin:.1f} s, relative L2 error {error:.1e}")
        if error <= TOLERANCE[name.partition("-")[2]]:
            ready[name] = (run, error)
        else:
            left_out[name] = f"its relative L2 error is {error:.1e}"
    for name, reason in left_out.items():
        note(f"{name} is left out: {reason}")
    return ready, left_out


def main():
    a = arguments()
    torch = import_torch()
    peer = Peer(torch, a)
    ready, left_out = prepare(peer, a)
    precisions = ["fp32", "tf32", "bf16", "fp16"]
    ours = Ours(a, precisions)
    our_rounds, their_rounds = [], []
    for i in range(a.rounds):
        for mine in ((True, False) if i % 2 == 0 else (False, True)):
            if mine:
                our_rounds.append(ours.round(a.reps))
                continue
            with torch.no_grad():
                their_rounds.append({n: statistics.median(peer.times(run, n, a.reps)) for n, (run, _) in ready.items()})
    mine = {p: statistics.median(r[p]["device_median_ms"] for r in our_rounds) for p in precisions}
    spread = {p: [min(r[p]["device_median_ms"] for r in our_rounds), max(r[p]["device_median_ms"] for r in our_rounds)]
              for p in precisions}
    rows = []
    for name, (_, error) in ready.items():
        precision = name.partition("-")[2]
        pairs = [t[name] / o[precision]["device_median_ms"] for o, t in zip(our_rounds, their_rounds)]
        theirs = statistics.median(t[name] for t in their_rounds)
        rows.append({"variant": name, "precision": precision, "median_ms": theirs, "relative_l2": error,
                     "ours_ms": mine[precision], "ratio_of_medians": theirs / mine[precision], "pair_ratios": pairs})
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "size": a.size, "batch": a.batch,
              "form": a.form, "rounds": a.rounds, "reps": a.reps, "ours_ms": mine, "ours_spread_ms": spread,
              "ours_relative_l2": {p: our_rounds[0][p]["relative_l2"] for p in precisions},
              "variants": rows, "left_out": left_out, "rounds_ours": our_rounds, "rounds_torch": their_rounds}
    out = sys.stderr if a.json == "-" else sys.stdout
    print(f"GPEN-{a.size}, batch {a.batch}, {result['device']}, PyTorch {torch.__version__} ({a.form} form), "
          f"{a.rounds} rounds of {a.reps}", file=out)
    print("ours: " + ", ".join(f"{p} {mine[p]:.3f} ms ({spread[p][0]:.3f} to {spread[p][1]:.3f})" for p in precisions),
          file=out)
    for r in rows:
        print(f"{r['variant']:<18} {r['median_ms']:9.3f} ms, ours {r['ours_ms']:9.3f} ms, ratio of medians "
              f"{r['ratio_of_medians']:6.2f} ({min(r['pair_ratios']):.2f} to {max(r['pair_ratios']):.2f}), "
              f"L2 {r['relative_l2']:.1e}", file=out)
    for name, reason in left_out.items():
        print(f"{name:<18} left out: {reason}", file=out)
    if a.json == "-":
        json.dump(result, sys.stdout, indent=1)
        print()
    elif a.json:
        try:
            with open(a.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
                file.write("\n")
        except OSError as e:
            fail(f"{a.json}: {e.strerror}")


if __name__ == "__main__":
    main()
