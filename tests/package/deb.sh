#!/bin/sh
# The Debian packages: made, looked into, unpacked into an empty folder (which is what can be done without root; maintainer
# scripts there are none), and run from there without anything of this environment.
. "$SOURCE/tests/package/common.sh"
for tool in dpkg-deb dpkg-shlibdeps; do
  command -v $tool >/dev/null || skip "needs $tool (dpkg-dev)"
done
fresh "$WORK"
cpack=$(dirname "$CMAKE")/cpack
"$cpack" --config "$BUILD/CPackConfig.cmake" -G DEB -B "$WORK/made" >cpack.txt 2>&1 || {
  cat cpack.txt
  fail "cpack"
}
arch=$(dpkg --print-architecture)
for package in "gpen_${VERSION}_$arch" "libgpen0_${VERSION}_$arch" \
  "libgpen-minimal0_${VERSION}_$arch" "libgpen-dev_${VERSION}_$arch" "python3-gpen_${VERSION}_all"; do
  [ -f "made/$package.deb" ] || fail "$package.deb was not made: $(ls made)"
  echo "$package.deb: $(wc -c <"made/$package.deb") bytes"
  dpkg-deb -x "made/$package.deb" unpacked
done
field() { dpkg-deb -f made/"$1"_*.deb "$2"; }
field gpen Depends | grep -q 'libc6 (>=' || fail "gpen does not depend on libc6: $(field gpen Depends)"
field gpen Depends | grep -q 'libstdc++6 (>=' || fail "gpen does not depend on libstdc++6"
field libgpen-dev Depends | grep -qF "libgpen0 (= $VERSION)" || fail "libgpen-dev: $(field libgpen-dev Depends)"
field python3-gpen Depends | grep -q 'python3-numpy' || fail "python3-gpen: $(field python3-gpen Depends)"
if dpkg-deb -c made/gpen_*.deb | grep -v 'root/root'; then fail "files in the package that are not root's"; fi
if dpkg-deb -c made/gpen_*.deb | grep -qE 'usr/(lib|include)/'; then fail "the program's package holds libraries"; fi

program="$WORK/unpacked/usr/bin/gpen"
ldd "$program" | grep -v '^[[:space:]]*\(/lib\|linux-vdso\|lib[a-z+_]*\.so\.[0-9]* => /\(usr/\)\?lib\)' && fail "needs more than the system's libraries"
[ "$(clean "$program" --version)" = "gpen $VERSION" ] || fail "gpen --version"
clean "$program" restore --compare -o example.png # finds the example in the package
[ -s example.png ] && [ -s example_compare.png ] || fail "the bundled example was not restored"
clean "$PREFIX/bin/gpen" restore -o expected.png
same expected.png example.png

python=/usr/bin/python3
if "$python" -c 'import numpy' 2>/dev/null; then
  [ "$(clean PYTHONPATH=unpacked/usr/lib/python3/dist-packages "$python" -B -c 'import gpen; print(gpen.__version__)')" = "$VERSION" ] ||
    fail "the Python module of the package"
fi
