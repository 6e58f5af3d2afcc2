# What the tests of the packages share. They run with the environment that tests/package/CMakeLists.txt sets:
#   SOURCE, BUILD   of gpen        PREFIX   where it is installed        WORK   a folder for this run
#   CMAKE, CC, CXX, VERSION
set -eu
skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "failed: $*" >&2
  exit 1
}
fresh() { # FOLDER: empty, and the current one
  rm -rf "$1"
  mkdir -p "$1"
  cd "$1"
}
# clean COMMAND...: without anything of this environment, no installed models either.
clean() { env -i PATH=/usr/bin:/bin HOME="$PWD/no-home" "$@"; }
# check_minimal_size SHARED STATIC SIZE: what they weigh; of an archive what a program gets from it: the file also holds
# what the linker needs to put it together.
check_minimal_size() {
  limit=1500000
  bytes=$(wc -c <"$1")
  loaded=$($3 -t "$2" | awk '/TOTALS/ { print $1 + $2 + $3 }')
  echo "shared, stripped: $bytes bytes; static: $loaded bytes of code and data in a file of $(wc -c <"$2")"
  [ "$bytes" -le $limit ] && [ "$loaded" -le $limit ] || fail "the minimal library has more than $limit bytes"
}
same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }

aligned_face="$SOURCE/examples/astronaut_enlarged.jpg"
embed="$PREFIX/share/doc/libgpen-dev/examples/embed"
libdir=$(dirname "$(find "$PREFIX/lib" -name libgpen_minimal.a 2>/dev/null | head -1)")
