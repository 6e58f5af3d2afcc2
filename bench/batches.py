#!/usr/bin/env python3
"""Many photos with small faces: `gpen restore` of a folder beside the same photos one by one, taking turns.

    python3 bench/batches.py --gpen build/gpen --library build/capi/libgpen.so.0 --picture group.png --detector FILE

The photos are cut from the picture, --cut pixels around each of its faces. Every round runs
    batch      `gpen restore -i FOLDER`, the whole process
    processes  `gpen restore -i PHOTO` for each photo
    loop       the C API on one opened model: load, restore, save (opening it is not counted)
    other      the batch of the program given with --other, e.g. an earlier version
the one that begins changing from round to round. Prints the medians and how many times faster the batch is (the median
of the rounds' ratios). Needs numpy. Exit codes: 0 done, 1 a program failed, 2 usage.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def run(command, environment=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"batches: {' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def timed(command):
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--gpen", type=pathlib.Path, default="build/gpen", help="the program")
    a.add_argument("--library", type=pathlib.Path, default="build/capi/libgpen.so.0", help="the shared library")
    a.add_argument("--other", type=pathlib.Path, help="another gpen")
    a.add_argument("--picture", type=pathlib.Path, required=True, help="a picture with faces")
    a.add_argument("--cut", default="140x130", help="WIDTHxHEIGHT of a photo")
    a.add_argument("--copies", type=int, default=2, help="photos for each face, a few pixels apart")
    a.add_argument("--model", default="sharpen", help="GPEN (default sharpen, at --size)")
    a.add_argument("--size", type=int, default=256)
    a.add_argument("--detector", required=True)
    a.add_argument("--format", default="png", choices=["png", "jpg"], help="of the results")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--loop", nargs=2, help=argparse.SUPPRESS)  # this program as the loop over a folder
    return a.parse_args()


def cut_photos(gpen, options, folder):
    """Returns how many."""
    picture = gpen.load(options.picture)
    faces = json.loads(run([options.gpen, "detect", options.picture, "--detector", options.detector]))["faces"]
    width, height = map(int, options.cut.split("x"))
    count = 0
    for copy in range(options.copies):
        for face in faces:
            x0, y0, x1, y1 = face["box"]
            left = int(min(max((x0 + x1 - width) / 2 + 3 * copy, 0), picture.shape[1] - width))
            top = int(min(max((y0 + y1 - height) / 2 - 4 * copy, 0), picture.shape[0] - height))
            gpen.save(folder / f"{count:04}.png", picture[top : top + height, left : left + width].copy())
            count += 1
    return count


def loop(gpen, options):
    folder, output = map(pathlib.Path, options.loop)
    model = {"size": options.size, "detector": options.detector, "device": "cpu", "threads": options.threads}
    with gpen.Model(options.model, **model) as restorer:
        start = time.perf_counter()
        for photo in sorted(folder.iterdir()):
            gpen.save(output / f"{photo.stem}.{options.format}", restorer.restore(gpen.load(photo)))
        print(time.perf_counter() - start)


def main():
    options = arguments()
    os.environ["GPEN_LIBRARY"] = str(options.library.resolve())
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
    import gpen

    if options.loop:
        return loop(gpen, options)
    with tempfile.TemporaryDirectory() as work:
        photos, output = pathlib.Path(work) / "photos", pathlib.Path(work) / "output"
        photos.mkdir()
        output.mkdir()
        count = cut_photos(gpen, options, photos)
        how = ["-m", options.model, "--size", options.size, "--detector", options.detector, "-j", options.threads]
        how += ["--device", "cpu"]
        names = sorted(photos.iterdir())

        def batch(program):
            return timed([program, "restore", "-i", photos, "-o", output, "-f", options.format, *how])

        kinds = {
            "batch": lambda: batch(options.gpen),
            "processes": lambda: sum(
                timed([options.gpen, "restore", "-i", name, "-o", output / f"{name.stem}.{options.format}", *how])
                for name in names
            ),
            "loop": lambda: float(run([sys.executable, __file__, *sys.argv[1:], "--loop", photos, output])),
        }
        if options.other:
            kinds["other"] = lambda: batch(options.other)
        times = {kind: [] for kind in kinds}
        for turn in range(options.rounds):
            for kind in list(kinds)[:: 1 if turn % 2 == 0 else -1]:
                times[kind].append(kinds[kind]())
        print(f"{count} photos of {options.cut}, {options.model}, {options.threads} threads, {options.rounds} rounds")
        for kind, seconds in times.items():
            ratio = statistics.median(one / all_ for one, all_ in zip(seconds, times["batch"]))
            print(f"{kind:10} {statistics.median(seconds):8.3f} s   batch is {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
