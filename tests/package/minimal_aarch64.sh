#!/bin/sh
# The minimal library cross-built for aarch64 (GPEN_MINIMAL=ON), and its answer under emulation compared with this
# machine's. The processor of the emulation is the plainest one.
. "$SOURCE/tests/package/common.sh"
target=aarch64-linux-gnu
command -v $target-g++ >/dev/null && command -v qemu-aarch64 >/dev/null ||
  skip "needs $target-g++ and qemu-aarch64 (scripts/setup --aarch64)"
mkdir -p "$WORK"
cd "$WORK"
"$CMAKE" -S "$SOURCE" -B build -G Ninja --toolchain "$SOURCE/cmake/$target.cmake" -DCMAKE_BUILD_TYPE=Release \
  -DGPEN_MINIMAL=ON -DCMAKE_CXX_COMPILER_LAUNCHER="${LAUNCHER-}" >/dev/null
"$CMAKE" --build build --parallel 2 >build.txt || {
  cat build.txt
  fail "the cross build"
}
rm -rf prefix && "$CMAKE" --install build --prefix "$WORK/prefix" >/dev/null
$target-strip -o minimal.so "$(find prefix -name 'libgpen_minimal.so.*.*')"
check_minimal_size minimal.so "$(find prefix -name libgpen_minimal.a)" $target-size
[ -n "$(find prefix -name gpen.h)" ] && [ ! -e prefix/bin ] || fail "the installation"

clean "$PREFIX/bin/gpen" synth gpen:size=32,cm=1,narrow=0.25,style=32,mlp=2 -o tiny.safetensors >/dev/null
library=$(dirname "$(find prefix -name libgpen_minimal.a)")
compile="-std=c99 -Wall -Werror $SOURCE/tests/package/minimal.c"
# shellcheck disable=SC2086  # words
{
  $CC $compile -I"$PREFIX/include" -o native "$libdir/libgpen_minimal.a" -lstdc++ -lm -pthread
  $target-gcc $compile -Iprefix/include -static -o cross "$library/libgpen_minimal.a" -lstdc++ -lm -pthread
  $target-gcc $compile -Iprefix/include -o cross_shared -L"$library" -lgpen_minimal
}
clean ./native tiny.safetensors native.rgb minimal
clean qemu-aarch64 -cpu cortex-a53 ./cross tiny.safetensors cross.rgb minimal
clean qemu-aarch64 -cpu cortex-a53 -L /usr/$target -E LD_LIBRARY_PATH="$WORK/$library" ./cross_shared \
  tiny.safetensors cross_shared.rgb minimal
same cross.rgb cross_shared.rgb
[ "$(wc -c <native.rgb)" = "$(wc -c <cross.rgb)" ] || fail "the pictures have other sizes"
# Sums are formed in another order there, and the network's output is truncated to 8 bits: one level, rarely.
cmp -l native.rgb cross.rgb | awk -v all="$(wc -c <native.rgb)" '
  function octal(t) { return int(t / 100) * 64 + int(t / 10) % 10 * 8 + t % 10 }
  { d = octal($2) - octal($3); if (d < 0) d = -d; if (d > most) most = d; ++count }
  END { printf "%d of %d bytes differ, by at most %d\n", count, all, most; exit most > 1 || count > all / 20 }' ||
  fail "the answer under emulation is another one"
