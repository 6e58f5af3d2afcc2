#!/usr/bin/env python3
"""GPEN beside ONNX Runtime on the same weights, taking turns.

    python3 bench/compare_ort.py --shared ../shared --gpen build/gpen --onnx gpen512.onnx --size 512 --threads 2 --rounds 5

The ONNX file is made by gpen_torch.py of the shared data's peer/ folder; formula weights on both sides. First both
answers are compared with the golden one; then every round runs `gpen bench` and peer/ort_bench.py, each a process of
its own, the one that begins changing from round to round. Prints one line and, with --json, all figures. Needs
onnxruntime and numpy. Exit codes: 0 done, 1 an answer is wrong or a program failed, 2 usage.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

TOLERANCE = 2e-5  # of the largest value of the golden answer; --precision other than fp32: 5e-2


def fail(message, code=1):
    print(f"compare_ort: {message}", file=sys.stderr)
    sys.exit(code)


def run(command, environment=None):
    """stdout of a program; ends with its stderr when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--shared", type=pathlib.Path, default=os.environ.get("GPEN_SHARED", "../shared"),
                   help="folder of the shared data (golden/, peer/)")
    a.add_argument("--gpen", type=pathlib.Path, default="build/gpen", help="the program")
    a.add_argument("--onnx", type=pathlib.Path, required=True, help="the network for ONNX Runtime")
    a.add_argument("--size", type=int, choices=(256, 512, 1024), default=512)
    a.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--reps", type=int, default=3, help="timed runs of each program in a round")
    a.add_argument("--precision", help="passed on to gpen")
    a.add_argument("--isa", help="instruction set of gpen (GPEN_ISA)")
    a.add_argument("--json", help="write all figures to this file; -: to stdout, and the line to stderr")
    a = a.parse_args()
    if a.threads < 1 or a.rounds < 1 or a.reps < 1:
        fail("--threads, --rounds and --reps are at least 1", 2)
    for path in (a.gpen, a.onnx, a.shared / "peer" / "ort_bench.py"):
        if not path.is_file():
            fail(f"{path}: no such file", 2)
    return a


def cpu_name():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


class Ours:
    """The gpen command with formula weights written once."""

    def __init__(self, a, folder):
        self.program, self.folder = [str(a.gpen.resolve())], folder
        self.options = ["-j", str(a.threads)] + (["--precision", a.precision] if a.precision else [])
        self.reps = a.reps
        self.environment = dict(os.environ, **({"GPEN_ISA": a.isa} if a.isa else {}))
        self.weights = str(folder / "weights.safetensors")
        self.version = run(self.program + ["--version"]).strip()
        run(self.program + ["synth", f"gpen-bfr-{a.size}", "-o", self.weights])

    def bench(self):
        out = run(self.program + ["bench", "-m", self.weights, "--reps", str(self.reps), "--json", "-"] + self.options,
                  self.environment)
        return json.loads(out)["results"][0]

    def error(self, size, formula, safetensors, golden):
        """Largest difference from the golden output, relative to its largest value."""
        import numpy as np
        picture, answer = self.folder / "input.safetensors", self.folder / "answer.safetensors"
        safetensors.save(picture, {"input": formula.tensor(f"gpen_bfr_{size}.input", (1, 3, size, size))})
        run(self.program + ["infer", "-m", self.weights, "-i", str(picture), "-o", str(answer)] + self.options,
            self.environment)
        got, want = safetensors.load(answer)[0]["output"], safetensors.load(golden)[0]["output"]
        step = got.shape[-1] // want.shape[-1]  # of the largest pictures every 4th row and column is kept
        return float(np.abs(got[..., ::step, ::step].astype(np.float64) - want).max() / np.abs(want).max())


class Ort:
    def __init__(self, a):
        # The script imports its neighbours from its own folder; nothing is written there.
        self.command = [sys.executable, "-B", str((a.shared / "peer" / "ort_bench.py").resolve()),
                        str(a.onnx.resolve()), str(a.size), "--threads", str(a.threads)]
        self.reps = a.reps

    def bench(self, golden=None):
        reps = 1 if golden else self.reps
        return json.loads(run(self.command + ["--reps", str(reps)] + (["--golden", str(golden)] if golden else [])))


def check(a, ours, ort):
    """Both answers against the golden one, before anything is timed."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(a.shared / "peer"))
    import formula
    import safetensors
    golden = (a.shared / "golden" / f"gpen_bfr_{a.size}.safetensors").resolve()
    if not golden.is_file():
        fail(f"{golden}: no such file", 2)
    errors = {"gpen": ours.error(a.size, formula, safetensors, golden), "ort": ort.bench(golden)["relative_error"]}
    limits = {"gpen": TOLERANCE if a.precision in (None, "fp32") else 5e-2, "ort": TOLERANCE}
    if errors["ort"] is None:  # ort_bench.py does not compare with a thinned-out answer
        print("compare_ort: warning: onnxruntime's answer is not compared", file=sys.stderr)
    for name, error in errors.items():
        if error is not None and not error <= limits[name]:
            fail(f"{name}: error {error} of the largest value, at most {limits[name]} is expected")
    return errors


def summary(rounds):
    """Median over the rounds of each round's median, and the other figures at their medians and extremes."""
    return {"median_ms": statistics.median(r["median_ms"] for r in rounds),
            "min_ms": min(r["min_ms"] for r in rounds),
            "load_ms": statistics.median(r["load_ms"] for r in rounds),
            "peak_rss_mb": max(r["peak_rss_mb"] for r in rounds)}


def main():
    a = arguments()
    load = os.getloadavg()[0]
    if load > 1:
        print(f"compare_ort: warning: the load of the machine is {load:.1f}: others compute on it", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="gpen-compare-") as folder:
        ours, ort = Ours(a, pathlib.Path(folder)), Ort(a)
        errors = check(a, ours, ort)
        our_rounds, ort_rounds = [], []
        for i in range(a.rounds):
            for mine in ((True, False) if i % 2 == 0 else (False, True)):
                (our_rounds if mine else ort_rounds).append((ours if mine else ort).bench())
    mine, peer = summary(our_rounds), summary(ort_rounds)
    pairs = [o["median_ms"] / g["median_ms"] for g, o in zip(our_rounds, ort_rounds)]
    result = {"cpu": cpu_name(), "load_before": load, "load_after": os.getloadavg()[0], "size": a.size,
              "threads": a.threads, "rounds": a.rounds, "reps": a.reps, "isa": a.isa or os.environ.get("GPEN_ISA", ""),
              "precision": a.precision or "fp32",
              "gpen": dict(version=ours.version, relative_error=errors["gpen"], **mine),
              "ort": dict(version=ort_rounds[0]["peer"], relative_error=errors["ort"], **peer),
              "ratio_of_medians": peer["median_ms"] / mine["median_ms"],
              "median_pair_ratio": statistics.median(pairs),
              "ratio_of_minima": peer["min_ms"] / mine["min_ms"],
              "pair_ratios": pairs,
              "rounds_gpen": our_rounds, "rounds_ort": ort_rounds}
    line = (f"{result['cpu']}, load {load:.1f}: GPEN-{a.size} {result['precision']}, {a.threads} threads, "
            f"{a.rounds} rounds of {a.reps}: "
            f"{ours.version} {mine['median_ms']:.1f} ms (min {mine['min_ms']:.1f}, load {mine['load_ms']:.0f}, "
            f"{mine['peak_rss_mb']:.0f} MB) | {result['ort']['version']} {peer['median_ms']:.1f} ms "
            f"(min {peer['min_ms']:.1f}, load {peer['load_ms']:.0f}, {peer['peak_rss_mb']:.0f} MB) | "
            f"ratio of medians {result['ratio_of_medians']:.2f}, of pairs {result['median_pair_ratio']:.2f} "
            f"({min(pairs):.2f} to {max(pairs):.2f}), of minima {result['ratio_of_minima']:.2f}")
    print(line, file=sys.stderr if a.json == "-" else sys.stdout)
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
