# Proves the compiled binary on its own. Run by scripts/test: sealed.sh plain|noexec PLACE HIDE
#
# PLACE holds copies of the binary, Deno to run tests with, the demo and the end-to-end tests. In a mount
# namespace of its own, HIDE (the source tree) is covered by an empty directory; with `noexec`, /tmp is a
# file system from which nothing may be run, and the state directories lie there.
set -uo pipefail
how=$1
place=$2
hide=$3

if [ -n "$hide" ]; then
  mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs "$hide" || exit 1
fi
lab=$place/lab
if [ "$how" = noexec ]; then
  mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp || exit 1
  lab=/tmp
fi
cd "$place/empty" || exit 1

# Runs Deno with our own choice of environment, from the empty directory.
alone() {
  env -i PATH="$PATH" HOME="$place/home" LANG=C.UTF-8 NO_COLOR=1 DENO_DIR="$place/home/deno" \
    OMERTA="$place/omerta" OMERTA_LAB_DIR="$lab" OMERTA_E2E=binary "$place/deno" "$@"
}

bad=0
alone run -A --no-config --no-check --no-lock "$place/scripts/demo.ts" || bad=1
if [ "$how" = plain ]; then
  alone test -A --no-config --no-check --no-lock --preload "$place/tests/limits.ts" "$place/tests/e2e" || bad=1
fi
exit $bad
