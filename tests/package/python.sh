#!/bin/sh
# The installed Python module: its structs against the C compiler's, then check_python.py. Then the module as pip
# installs it, with the library named by GPEN_LIBRARY.
. "$SOURCE/tests/package/common.sh"
python=/usr/bin/python3
[ -x "$python" ] || skip "needs $python"
"$python" -c 'import numpy' 2>/dev/null || skip "needs NumPy for $python (python3-numpy)"
fresh "$WORK"
export PYTHONDONTWRITEBYTECODE=1
module="$PREFIX/lib/python3/dist-packages"

clean PYTHONPATH="$module" PYTHONDONTWRITEBYTECODE=1 "$python" "$SOURCE/tests/package/check_structs.py" >structs.c
"$CC" -Wall -Werror -I"$PREFIX/include" structs.c -o structs
./structs || fail "the structs of gpen/_c.py are not those of gpen.h"

clean "$PREFIX/bin/gpen" synth gpen:size=32,cm=1,narrow=0.25,style=32,mlp=2 -o tiny.safetensors >/dev/null
clean "$PREFIX/bin/gpen" restore --aligned -m sharpen -i "$aligned_face" -o expected.png
clean "$PREFIX/bin/gpen" restore -m sharpen -i "$aligned_face" --faces "${aligned_face%.jpg}.faces.json" -o pasted.png
clean PYTHONPATH="$module" PYTHONDONTWRITEBYTECODE=1 VERSION="$VERSION" "$python" "$SOURCE/tests/package/check_python.py" \
  "$SOURCE/examples"

# Without any library the import says where it looked.
cp -r "$SOURCE/python" source
if clean PYTHONPATH=source GPEN_LIBRARY=/nowhere/libgpen.so "$python" -c 'import gpen' 2>error.txt; then
  fail "import without a library"
fi
grep -q 'ImportError: .*GPEN_LIBRARY.*/nowhere/libgpen.so' error.txt || fail "$(cat error.txt)"

# Each for itself: Debian's setuptools does not come behind a pip that was imported first.
"$python" -m pip --version >/dev/null 2>&1 && "$python" -c 'import setuptools, wheel' 2>/dev/null || {
  echo "pip install is not tested: needs python3-pip, python3-setuptools and python3-wheel (scripts/setup --tests)"
  exit 0
}
# Of the folder (a bare name would be looked up in an index), without a network.
"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --target pip \
  ./source 2>pip.txt || {
  cat pip.txt
  fail "pip install"
}
[ -f "pip/gpen-$VERSION.dist-info/METADATA" ] || fail "pip does not know the version: $(ls pip)"
clean PYTHONPATH="$PWD/pip" PYTHONDONTWRITEBYTECODE=1 GPEN_LIBRARY="$libdir/libgpen.so.0" VERSION="$VERSION" \
  "$python" "$SOURCE/tests/package/check_python.py" "$SOURCE/examples"
