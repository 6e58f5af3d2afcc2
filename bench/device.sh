#!/bin/sh
# One call on a machine that starts bare, with or without a CUDA device: configures, builds, tests and benchmarks, and
# prints a short table last. Every step has a time limit; a step that fails does not stop those that follow.
#
#   bench/device.sh [threads]
#
#   OUT              folder for what comes out (default bench-out): table.txt, *.json, tune-plans-*.txt, logs.tar.gz
#   DEVICE_SECONDS   for everything together (default 480 with a device, unlimited without)
#   GPEN_SHARED      the shared data (default: shared/ in the checkout, else ../shared); without it there is no golden
#                    data, no PyTorch and no photo
#   DEVICE_STEPS     a pattern as of expr: only steps whose names begin with it, besides configure and build
#
# What the build needs beside compilers and CMake (GoogleTest, nlohmann-json, CLI11, Eigen, stb) is installed with
# scripts/setup where a package manager can be reached. For a machine that reaches nothing, unpack it into .deps on any
# Debian or Ubuntu before and take that folder along (20 MB; .deps stays out of git with a line in .git/info/exclude):
#
#   mkdir -p .deps && cd .deps && apt-get download googletest nlohmann-json3-dev libcli11-dev libeigen3-dev libstb-dev &&
#     for package in *.deb; do dpkg -x "$package" . && rm "$package"; done
set -u
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
out=${OUT:-$root/bench-out}
threads=${1:-$(nproc)}
build=$root/build-device
work=$build/out
rm -rf "$work"
mkdir -p "$out" "$work"
cd "$root" || exit 1

# What this machine has.
gpu=
capability=
if nvidia-smi -L >"$work/nvidia-smi.log" 2>&1 && grep -q GPU "$work/nvidia-smi.log"; then
  gpu=yes
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -dc 0-9)
fi
PATH=$PATH:/usr/local/cuda/bin:/usr/local/nvidia/bin
shared=${GPEN_SHARED:-}
for folder in "$root/shared" "$root/../shared"; do
  [ -n "$shared" ] || { [ -d "$folder/golden" ] && shared=$(CDPATH= cd -- "$folder" && pwd); }
done
[ -z "$shared" ] || export GPEN_SHARED="$shared"
if [ -n "$gpu" ]; then seconds=${DEVICE_SECONDS:-480}; else seconds=${DEVICE_SECONDS:-100000}; fi
deadline=$(($(date +%s) + seconds))

# After every step what there is goes to $out, in case that the time ends: few files, the logs in one.
pack() {
  cp "$work"/*.json "$work"/tune-plans-*.txt "$out" 2>/dev/null
  cat "$work"/*.result >"$out/table.txt" 2>/dev/null
  tar -czf "$out/logs.tar.gz" -C "$work" . 2>/dev/null
}

number=100
# note NAME TEXT: a line of the table for a step that did not run.
note() {
  number=$((number + 1))
  printf '%-38s %s\n' "$1" "$2" | tee "$work/$number-$1.result"
}
# step NAME LIMIT COMMAND...: runs it for at most LIMIT seconds, output to NAME.log. Several at once: step ... & wait,
# with `number` counted up before.
step() {
  name=$1 limit=$2
  shift 2
  case $name in
    configure* | build) ;;
    *) [ -z "${DEVICE_STEPS:-}" ] || expr "$name" : "$DEVICE_STEPS" >/dev/null || return 0 ;;
  esac
  begin=$(date +%s)
  left=$((deadline - begin - 5))
  result=$work/$number-$name.result
  if [ "$left" -lt 10 ]; then
    printf '%-38s %s\n' "$name" "skipped: no time left" | tee "$result"
    return 1
  fi
  [ "$limit" -le "$left" ] || limit=$left
  timeout -k 5 "$limit" "$@" >"$work/$name.log" 2>&1
  code=$?
  took=$(($(date +%s) - begin))
  case $name:$code in
    *:0) word=ok ;;
    *:124 | *:137) word="TIMED OUT" ;;
    torch*:3) word="not there" ;;
    *) word="FAILED ($code)" ;;
  esac
  printf '%-38s %-12s %4d s\n' "$name" "$word" "$took" | tee "$result"
  return "$code"
}
run() {
  number=$((number + 1))
  step "$@"
  code=$?
  pack
  return "$code"
}

# Configure: the tests need GoogleTest; without it, once more without them.
set -- -DCMAKE_BUILD_TYPE=Release
[ -z "$(command -v ninja)" ] || set -- "$@" -G Ninja
if [ -d "$root/.deps" ]; then
  set -- "$@" "-DCMAKE_PREFIX_PATH=$root/.deps/usr" "-DGPEN_GOOGLETEST_SOURCES=$root/.deps/usr/src/googletest"
elif [ -n "$(command -v apt-get)" ]; then
  run setup 60 scripts/setup
fi
if [ -n "$gpu" ] && [ -n "$(command -v nvcc)" ]; then
  set -- "$@" -DGPEN_CUDA=ON "-DGPEN_CUDA_ARCHITECTURES=${capability:-native}"
fi
# PyTorch's wheels bring cuBLAS and cuDNN along, for where the toolkit does not have them.
peers=$(python3 - 2>/dev/null <<'PYTHON'
import glob, importlib.util
spec = importlib.util.find_spec("nvidia")
places = list(spec.submodule_search_locations) if spec else []
print(";".join(f for place in places for f in sorted(glob.glob(place + "/*")) if glob.glob(f + "/lib/*.so*")))
PYTHON
)
[ -z "$peers" ] || set -- "$@" "-DGPEN_CUDA_PEERS=$peers"
tests=yes
if ! run configure 120 cmake -S "$root" -B "$build" "$@"; then
  tail -n 15 "$work/configure.log"
  tests=
  if ! run configure-without-tests 120 cmake -S "$root" -B "$build" "$@" -DGPEN_TESTS=OFF; then
    tail -n 15 "$work/configure-without-tests.log"
    note packages "MISSING: the build needs nlohmann-json, CLI11, Eigen, stb (and GoogleTest); see .deps in bench/device.sh"
    pack
    exit 1
  fi
fi

# Build: with a device, what is for it and the quick tests of the kernels first of all.
cuda=
[ -x "$(command -v nvcc)" ] && grep -q '^CMAKE_CUDA_COMPILER:' "$build/CMakeCache.txt" && cuda=yes
targets=all
if [ -n "$gpu" ] && [ -n "$cuda" ]; then
  targets="gpen bench_gpu_conv2d bench_gpu_fusions bench_gpu_network bench_conv2d"
  [ -z "$tests" ] || targets="$targets tests_gpu tests_kernels"
  ! cmake --build "$build" --target help 2>/dev/null | grep -q bench_cudnn || targets="$targets bench_cudnn"
elif [ -n "$gpu" ]; then
  note cuda "MISSING: there is a device, but no nvcc: the product is built without CUDA"
fi
# shellcheck disable=SC2086  # the list is meant to be split
run build 300 cmake --build "$build" --parallel "$(nproc)" --target $targets -- -k $([ -n "$(command -v ninja)" ] && echo 0) ||
  grep -n "error" "$work/build.log" | head -n 20
run devices 30 "$build/gpen" devices
[ -n "$shared" ] || note shared "absent: no golden data, PyTorch or photo"

if [ -n "$gpu" ] && [ -n "$cuda" ]; then
  # The tests on the device: one process each, side by side (a context of the driver takes a second).
  if [ -n "$tests" ]; then
    for test in "$build"/tests/test_gpu_*; do
      case $test in *_emulation*) continue ;; esac
      [ -f "$test" ] && [ -x "$test" ] || continue
      number=$((number + 1))
      step "$(basename "$test")" 120 "$test" --gtest_filter='*/cuda' --gtest_color=no &
    done
    wait
    pack
  fi
  conv2d=$build/bench/bench_gpu_conv2d network=$build/bench/bench_gpu_network all=fp32,tf32,bf16,fp16,fp16-fast
  run network 100 "$network" --precision $all --batch 1,8 --reps 15 --json "$work/network.json"
  run conv2d-512 60 "$conv2d" --precision $all --json "$work/conv2d.json"
  run fusions-512 40 "$build/bench/bench_gpu_fusions" --precision fp32,tf32,bf16,fp16 --json "$work/fusions.json"
  [ ! -x "$build/bench/bench_cudnn" ] ||
    run cudnn-512 60 "$build/bench/bench_cudnn" --precision fp16,bf16,tf32 --json "$work/cudnn.json"
  if [ -n "$tests" ] && [ -n "$(command -v compute-sanitizer)" ]; then
    # Little work for each: a sanitized kernel is a hundred times as slow.
    for tool in memcheck racecheck; do
      for pair in test_gpu_conv2d:ExactOnSmallIntegers test_gpu_conv2d:InPlace test_gpu_conv_blur:ExactOnSmallIntegers \
        test_gpu_conv_rgb:SchedulesAndBatches test_gpu_networks:RecordedWork \
        test_gpu_kernels: test_gpu_kernels_dense:; do
        number=$((number + 1))
        step "$tool-${pair%%:*}-${pair#*:}" 60 compute-sanitizer --tool $tool --error-exitcode 9 \
          "$build/tests/${pair%%:*}" --gtest_filter="*${pair#*:}*/cuda" --gtest_color=no &
      done
      wait
    done
    pack
  fi
  run plans-512 80 "$conv2d" --precision fp16,bf16,tf32 --plans --reps 7 --json "$work/plans.json"
  # Measured in the network; with the file the network runs once more. The text of tune-*.txt is a row of conv_plans.inc.
  for precision in fp16 bf16 tf32; do
    run "tune-$precision" 40 "$build/gpen" tune --precision $precision -o "$work/tune-plans-$precision.txt"
    [ ! -f "$work/tune-plans-$precision.txt" ] ||
      run "tuned-$precision" 30 env GPEN_PLANS="$work/tune-plans-$precision.txt" "$build/gpen" bench -m gpen-bfr-512 \
        --device cuda --precision $precision --reps 15
  done
  if [ -n "$shared" ]; then
    run torch-512 120 python3 bench/compare_torch.py --shared "$shared" --bench "$network" --size 512 --rounds 3 \
      --budget 60 --json "$work/torch.json"
    run synth 30 "$build/gpen" synth gpen-bfr-512 -o "$work/gpen-512.weights"
    for precision in fp32 fp16; do
      run "photo-$precision" 40 "$build/gpen" restore -i "$shared/images/Solvay_conference_1927.png" \
        -o "$work/photo.jpg" -m "$work/gpen-512.weights" --detector "$shared/weights/retinaface_mobilenet0.25_zip.pth" \
        --parser none --sr none --device cuda --precision $precision --timings
    done
    rm -f "$work/gpen-512.weights" "$work/photo.jpg"
  fi
  [ -z "$tests" ] || run ctest-kernels 60 ctest --test-dir "$build" -L kernels -j "$(nproc)"
  run cpu-conv2d 40 "$build/bench/bench_conv2d" --threads "$threads" --reps 3 --json "$work/cpu-conv2d.json"
else
  # The processor: every test, every network, bf16 and every instruction set that it has.
  [ -z "$tests" ] || run ctest 3000 ctest --test-dir "$build" --output-on-failure -j "$(nproc)"
  run cpu-conv2d 900 "$build/bench/bench_conv2d" --threads "$threads" --json "$work/cpu-conv2d.json"
  for arch in gpen-bfr-256 gpen-bfr-512 gpen-bfr-1024 retinaface-mobilenet0.25 retinaface-r50 parsenet realesrnet-x2; do
    run "$arch" 300 "$build/gpen" bench -m "$arch" -j "$threads" --reps 10
  done
  run gpen-bfr-512-bf16 300 "$build/gpen" bench -m gpen-bfr-512 -j "$threads" --reps 5 --precision bf16
  for isa in $(sed -n 's/^isa .*can run: \([^;]*\);.*/\1/p' "$work/devices.log" | tr -d ,); do
    run "gpen-bfr-512-$isa" 300 env GPEN_ISA="$isa" "$build/gpen" bench -m gpen-bfr-512 -j "$threads" --reps 5
  done
fi

# The table: what every step came to, then the figures.
show() { [ ! -f "$work/$1.log" ] || tail -n "$2" "$work/$1.log"; }
{
  echo "== figures"
  show devices 20
  for log in "$work"/ctest*.log; do [ ! -f "$log" ] || sed -n '/tests passed/,$p' "$log" | head -n 30; done
  for log in "$work"/test_gpu_*.log; do
    [ ! -f "$log" ] || echo "$(basename "$log" .log): $(grep -hE '^\[  (PASSED|FAILED|SKIPPED) ' "$log" | tr -s ' \n' ' ' | cut -c1-300)"
  done
  show cpu-conv2d 3
  for log in "$work"/gpen-bfr*.log "$work"/retinaface*.log "$work"/parsenet.log "$work"/realesrnet*.log; do
    [ ! -f "$log" ] || tail -n 1 "$log"
  done
  for log in "$work"/memcheck-*.log "$work"/racecheck-*.log; do
    [ ! -f "$log" ] || echo "$(basename "$log" .log): $(grep -hE 'ERROR SUMMARY|RACECHECK SUMMARY|Device not supported' "$log" | tail -n 1)"
  done
  show photo-fp32 12
  show photo-fp16 12
  for log in "$work"/tune-*.log; do [ ! -f "$log" ] || grep -E '^(network|[0-9]+ (layers|plans))|WRONG|nothing is kept' "$log"; done
  for log in "$work"/tuned-*.log; do show "$(basename "$log" .log)" 1; done
  [ ! -f "$work/plans-512.log" ] || grep -E 'sum of medians' "$work/plans-512.log"
  [ ! -f "$work/conv2d-512.log" ] || grep -E '^(layer|conv[12]@(64|128|256|512) .* fp16 )|sum of medians' "$work/conv2d-512.log"
  [ ! -f "$work/cudnn-512.log" ] || grep -E 'fp16 |sum of medians' "$work/cudnn-512.log"
  show fusions-512 40
  show torch-512 12
  show network 40
} >"$work/figures.txt" 2>&1
pack
cat "$work/figures.txt" >>"$out/table.txt"
cat "$work/figures.txt"
echo "== steps"
cat "$work"/*.result
! grep -qE 'FAILED|TIMED OUT|MISSING' "$work"/*.result
