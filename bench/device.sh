#!/bin/sh
# One call on a machine that starts bare: installs what is missing when a package manager can be reached, configures,
# builds, tests and benchmarks, and prints a short table last. Everything it writes goes to $OUT (default: bench-out).
#
#   bench/device.sh [threads]
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
out=${OUT:-$root/bench-out}
threads=${1:-$(nproc)}
build="$root/build-device"
mkdir -p "$out"

"$root/scripts/setup" || echo "device: building with what is installed" >&2
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release >"$out/configure.log" 2>&1
cmake --build "$build" --parallel "$(nproc)" >"$out/build.log" 2>&1
(cd "$build" && ctest --output-on-failure --output-log "$out/ctest.log" >/dev/null) || echo "device: tests failed, see ctest.log" >&2

"$build/gpen" devices >"$out/devices.txt"
"$build/bench/bench_conv2d" --threads "$threads" --json "$out/conv2d.json" >"$out/conv2d.txt"
for arch in gpen-bfr-256 gpen-bfr-512 gpen-bfr-1024 retinaface-mobilenet0.25 retinaface-r50 parsenet realesrnet-x2; do
  "$build/gpen" bench -m "$arch" -j "$threads" --reps 10 --json "$out/$arch.json" >"$out/$arch.txt" 2>"$out/$arch.err" ||
    cat "$out/$arch.err" >&2
done

# The same network in bf16, and with every instruction set that this processor has.
for variant in bf16 $(sed -n 's/^isa .*can run: \([^;]*\);.*/\1/p' "$out/devices.txt" | tr -d ,); do
  case $variant in bf16) set -- --precision bf16 ;; *) set -- ;; esac
  GPEN_ISA=$([ "$variant" = bf16 ] || echo "$variant") "$build/gpen" bench -m gpen-bfr-512 -j "$threads" --reps 5 "$@" \
    >"$out/gpen-bfr-512-$variant.txt" 2>"$out/gpen-bfr-512-$variant.err" || cat "$out/gpen-bfr-512-$variant.err" >&2
done

cat "$out/devices.txt" "$out/conv2d.txt"
tail -n 3 "$out/ctest.log"
for file in "$out"/*.txt; do
  case $file in */devices.txt | */conv2d.txt) ;; *) tail -n 1 "$file" ;; esac
done
