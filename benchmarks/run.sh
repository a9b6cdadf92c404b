#!/usr/bin/env bash
# Runs every benchmark and puts what they print, with date and machine, between the marks in docs/benchmarks.md.
#
#   benchmarks/run.sh [ROUNDS]
#
# Run it on a machine that has nothing else to do. The exit code is 1 when a goal is missed; the numbers are written
# all the same.
set -uo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/lib/bootstrap.sh
. "$repo/scripts/lib/bootstrap.sh"

cd -- "$repo" || exit 1
bootstrap
export PATH="$venv/bin:$PATH"
rounds=${1:-5}
page=docs/benchmarks.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# measure TITLE COMMAND…: run it, keep what it printed under a heading.
measure() {
  local title=$1 status=0
  shift
  say "── $title: $*"
  "$@" >"$work/out" || status=$?
  [ "$status" = 0 ] || failed=1
  cat "$work/out" >&2
  {
    printf '\n### %s\n\n`%s`, exit code %s\n\n```text\n' "$title" "${*//$repo\//}" "$status"
    cat "$work/out"
    printf '```\n'
  } >>"$work/numbers"
}

printf 'Measured on %s, at commit %s.\n' "$(date -u '+%Y-%m-%d %H:%M UTC')" "$(git rev-parse --short HEAD)" >"$work/numbers"
measure "Deploys" python benchmarks/deploy.py --rounds "$rounds"
measure "Builds" python benchmarks/build.py --sizes 10 50 200 1000 --rounds 3
measure "Command line" python benchmarks/cli.py
measure "Embedded AWS" python benchmarks/localaws.py
measure "The judge" python benchmarks/judge.py
measure "Loading a workspace" python benchmarks/workspace.py

awk -v numbers="$work/numbers" '
  /^<!-- numbers -->$/ { print; while ((getline line < numbers) > 0) print line; skip = 1; next }
  /^<!-- end of numbers -->$/ { skip = 0 }
  !skip
' "$page" >"$work/page"
cp "$work/page" "$page"
say "written to $page"
exit "$failed"
