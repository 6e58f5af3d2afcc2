#!/bin/sh
# The minimal library: small, exports gpen.h alone, restores an aligned face exactly as the whole library does.
. "$SOURCE/tests/package/common.sh"
fresh "$WORK"
strip -o minimal.so "$libdir/libgpen_minimal.so.$VERSION"
check_minimal_size minimal.so "$libdir/libgpen_minimal.a" size
nm -D --defined-only minimal.so | sed 's/.* //; s/@.*//' | sort >exported.txt
grep -v '^gpen_\|^GPEN_0$' exported.txt && fail "the shared library exports more than gpen.h"
sed -n 's/^GPEN_API.*[ *]\(gpen_[a-z_]*\)(.*/\1/p' "$PREFIX/include/gpen/gpen.h" | sort >declared.txt
grep -v '^GPEN_0$' exported.txt | diff declared.txt - || fail "not every function of gpen.h is there, or more than those"
nm "$libdir/libgpen_minimal.a" | sed -n 's/.* [TDBRVWu] //p' | grep -v '^gpen_' && fail "the static library defines more"
readelf -d minimal.so | grep NEEDED | grep -vE 'lib(stdc\+\+|m|gcc_s|c|pthread)\.so|ld-linux' &&
  fail "the library needs more than the system's libraries"

clean "$PREFIX/bin/gpen" synth gpen:size=32,cm=1,narrow=0.25,style=32,mlp=2 -o tiny.safetensors >/dev/null
compile="$CC -std=c99 -Wall -Wextra -Werror $SOURCE/tests/package/minimal.c -I$PREFIX/include"
# shellcheck disable=SC2086  # words
{
  $compile -o shared -L"$libdir" -lgpen_minimal
  $compile -static -o alone "$libdir/libgpen_minimal.a" -lstdc++ -lm -pthread
  $compile -o whole -L"$libdir" -lgpen
}
clean LD_LIBRARY_PATH="$libdir" ./shared tiny.safetensors shared.rgb minimal
clean ./alone tiny.safetensors alone.rgb minimal
clean LD_LIBRARY_PATH="$libdir" ./whole tiny.safetensors whole.rgb whole
same shared.rgb whole.rgb
same alone.rgb whole.rgb
