#!/bin/sh
# scripts/setup --tests on a system that lacks some of what only tests need: it warns, names the tests that are skipped,
# and goes on. The system is played by stand-ins for its programs; nothing is installed.
. "$SOURCE/tests/package/common.sh"
fresh "$WORK"
mkdir bin
# Ubuntu's chromium asks for a snap, and its driver is no package.
cat >bin/apt-cache <<'END'
#!/bin/sh
for last; do :; done
case "$1 $last" in
  "policy chromium-driver") printf 'chromium-driver:\n  Candidate: (none)\n' ;;
  policy*) printf '%s:\n  Candidate: 1\n' "$last" ;;
  "show chromium") printf 'Package: chromium\nPre-Depends: debconf, snapd\n' ;;
  *) printf 'Package: %s\nDepends: libc6\n' "$last" ;;
esac
END
cat >bin/dpkg-query <<'END'
#!/bin/sh
for last; do :; done
case " $MISSING " in *" $last "*) exit 1 ;; esac
printf installed
END
cat >bin/apt-get <<'END'
#!/bin/sh
echo "apt-get $*" >>"$CALLS"
for last; do :; done
case " $BROKEN " in *" $last "*) exit 100 ;; esac
END
printf '#!/bin/sh\nexec "$@"\n' >bin/sudo
chmod +x bin/*
setup() { # MISSING BROKEN OPTIONS...
  missing=$1 broken=$2
  shift 2
  rm -f calls.txt
  env MISSING="$missing" BROKEN="$broken" CALLS="$PWD/calls.txt" PATH="$PWD/bin:$PATH" sh "$SOURCE/scripts/setup" "$@" \
    2>said.txt
}
said() { grep -qF -e "$1" said.txt || fail "not said: $1; but: $(cat said.txt)"; }
called() { grep -q -e "$1" calls.txt || fail "not called: $1; but: $(cat calls.txt)"; }

setup "chromium chromium-driver ffmpeg python3-pip" python3-pip --tests || fail "a missing optional package: $(cat said.txt)"
said "warning: there is no package chromium here; skipped: those of the web page in a browser (Page, PageAccess)"
said "warning: there is no package chromium-driver here"
said "warning: python3-pip cannot be installed; skipped: pip's part of Package.python"
called "install.* ffmpeg$"
if grep -q 'install.*chromium' calls.txt; then fail "the snap was asked for"; fi
# Nothing is missing: nothing is called. Without --tests nothing optional is looked for.
setup "" "" --tests || fail "a whole system"
said "everything is installed"
[ ! -e calls.txt ] || fail "$(cat calls.txt)"
setup "ffmpeg chromium" "" || fail "a system without what tests need"
said "everything is installed"
# What the build needs is no option.
setup "ninja-build ffmpeg" "ninja-build" --tests && fail "went on without what the build needs"
setup "ninja-build" "" --tests || fail "an ordinary installation"
called "install.* ninja-build$"
