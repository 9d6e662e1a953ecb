# Shared by the scripts of this folder: where things are, and how they speak. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
VENV=$ROOT/.venv
DEPS=$ROOT/build/deps # downloaded test data and models; safe to delete
MARU_DATA=${MARU_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/maru}

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# stamp_matches NAME FILES...: true if the step NAME was done with exactly these files.
stamp_value() { cat "$@" | sha256sum | cut -d' ' -f1; }
stamp_matches() {
  local name=$1
  shift
  [ "$(cat "$DEPS/$name.stamp" 2>/dev/null)" = "$(stamp_value "$@")" ]
}
stamp_write() {
  local name=$1
  shift
  mkdir -p "$DEPS"
  stamp_value "$@" >"$DEPS/$name.stamp"
}

# Node of the version in script/node.txt, in the virtual environment; and the packages of web/ in
# exactly the versions of its lock file. Both only when something has changed.
web_packages() {
  [ -x "$VENV/bin/pip" ] || python3 -m venv "$VENV"
  export PATH=$VENV/bin:$PATH
  if ! stamp_matches node script/node.txt || [ ! -x "$VENV/bin/node" ]; then
    say "installing Node (from PyPI)"
    "$VENV/bin/pip" install -q -r script/node.txt
    stamp_write node script/node.txt
  fi
  if ! stamp_matches web-npm web/package.json web/package-lock.json || [ ! -d web/node_modules ]; then
    say "installing the web app's packages (npm)"
    (cd web && npm ci --silent --ignore-scripts --no-audit --no-fund)
    stamp_write web-npm web/package.json web/package-lock.json
  fi
}
