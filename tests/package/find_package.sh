#!/bin/sh
# examples/embed, as installed, built with find_package(gpen) in C and C++, with the shared and the static library.
. "$SOURCE/tests/package/common.sh"
fresh "$WORK"
"$CMAKE" -S "$embed" -B build -DCMAKE_PREFIX_PATH="$PREFIX" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" >/dev/null
"$CMAKE" --build build >/dev/null
clean "$PREFIX/bin/gpen" restore --aligned -m sharpen -i "$aligned_face" -o expected.png
for program in embed_c embed_cpp embed_static; do
  clean "build/$program" "$aligned_face" "$program.png" sharpen none
  same expected.png "$program.png"
done
ldd build/embed_c | grep -q libgpen || fail "embed_c does not use the shared library"
if ldd build/embed_static | grep libgpen; then fail "embed_static needs the shared library"; fi
# Errors come out in words, with the library's number.
code=0
clean build/embed_c no-such-photo.png x.png sharpen none 2>errors.txt || code=$?
[ "$code" = 4 ] && grep -q "no-such-photo.png" errors.txt || fail "a missing photo gave $code: $(cat errors.txt)"
# Another minor version is not taken.
mkdir newer && printf 'cmake_minimum_required(VERSION 3.16)\nproject(newer C)\nfind_package(gpen 0.99 REQUIRED)\n' >newer/CMakeLists.txt
if "$CMAKE" -S newer -B newer/build -DCMAKE_PREFIX_PATH="$PREFIX" >/dev/null 2>&1; then fail "version 0.99 was found"; fi
