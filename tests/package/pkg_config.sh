#!/bin/sh
# examples/embed built by hand with pkg-config: with the shared library, and without any (cc -static).
. "$SOURCE/tests/package/common.sh"
command -v pkg-config >/dev/null || skip "needs pkg-config"
fresh "$WORK"
export PKG_CONFIG_PATH="$libdir/pkgconfig"
[ "$(pkg-config --modversion gpen)" = "$VERSION" ] || fail "pkg-config --modversion gpen"
[ "$(readlink -f "$(pkg-config --variable=includedir gpen)")" = "$(readlink -f "$PREFIX/include")" ] ||
  fail "pkg-config does not follow the moved tree"

# shellcheck disable=SC2046  # flags are words
"$CC" "$embed/main.c" -o shared $(pkg-config --cflags --libs gpen)
"$CXX" -std=c++11 "$embed/main.cpp" -o shared_cpp $(pkg-config --cflags --libs gpen)
"$CC" -static "$embed/main.c" -o alone $(pkg-config --static --cflags --libs gpen) 2>link.txt || {
  cat link.txt
  fail "the static link"
}
if ldd alone 2>/dev/null | grep so; then fail "cc -static left something to load"; fi
clean LD_LIBRARY_PATH="$libdir" ./shared "$aligned_face" shared.png sharpen none
clean LD_LIBRARY_PATH="$libdir" ./shared_cpp "$aligned_face" shared_cpp.png sharpen none
clean ./alone "$aligned_face" alone.png sharpen none
same shared.png alone.png
same shared.png shared_cpp.png
