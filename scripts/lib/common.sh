# What the project's bash scripts share: where things are, how they speak, who may be root.
# Sourced, never run. Sets ROOT (the source tree), BUILD and TOOLS; defines small functions only.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BUILD=$ROOT/build
TOOLS=$BUILD/tools

# Tells the person something, on stderr: stdout belongs to data.
say() { printf '%s\n' "$*" >&2; }

# Ends the script with a sentence. Usage: die STATUS SENTENCE…
die() {
  local status=$1
  shift
  say "$(basename "$0"): $*"
  exit "$status"
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command quietly; on failure prints the end of its output. Usage: quietly LOGFILE COMMAND…
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if "$@" >"$log" 2>&1; then return 0; fi
  say "failed: $*"
  tail -n 25 "$log" >&2
  return 1
}

# Makes the tools that setup found or installed known: OMERTA_DENO and OMERTA_GO, also first in PATH.
# Runs setup where it has not run yet.
load_tools() {
  [ -r "$TOOLS/env.sh" ] || "$ROOT/scripts/setup" || exit
  # shellcheck source=/dev/null
  . "$TOOLS/env.sh"
  PATH=$(dirname "$OMERTA_DENO"):$(dirname "$OMERTA_GO"):$PATH
  export PATH OMERTA_DENO OMERTA_GO
}
