#!/bin/sh
# Installs gpen, and moves the installed tree: what the other tests use lies elsewhere than where it was installed.
. "$SOURCE/tests/package/common.sh"
fresh "$WORK"
"$CMAKE" --install "$BUILD" --prefix "$WORK/first" >/dev/null
rm -rf "$PREFIX"
mv "$WORK/first" "$PREFIX"

for file in bin/gpen include/gpen/gpen.h include/gpen/gpen.hpp share/man/man1/gpen.1.gz share/doc/gpen/copyright \
  share/gpen/examples/astronaut.jpg lib/python3/dist-packages/gpen/__init__.py; do
  [ -f "$PREFIX/$file" ] || fail "$file is not installed"
done
# Not a word of where it was built or installed.
if grep -rlF -e "$BUILD" -e "$WORK" "$PREFIX"; then fail "these files know the build folder"; fi
if grep -rlF -e "$SOURCE/" "$PREFIX"; then fail "these files know the source folder"; fi
find "$PREFIX" -type f \( -name '*.so.*' -o -name gpen -path '*/bin/*' \) | while read -r file; do
  if readelf -d "$file" | grep -E 'RPATH|RUNPATH'; then fail "$file has a run path"; fi
done
[ "$("$PREFIX/bin/gpen" --version)" = "gpen $VERSION" ] || fail "gpen --version"
cd "$WORK"
clean "$PREFIX/bin/gpen" restore -o example.png # the bundled example, as installed
[ -s example.png ] || fail "no picture"
# The manual page names every command.
for command in $("$PREFIX/bin/gpen" --help | sed -n '/^Subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  zcat "$PREFIX/share/man/man1/gpen.1.gz" | grep -q "^.B $command\$" || fail "gpen.1 does not name $command"
done
