#!/usr/bin/env bash
# Runs benchmarks and puts what they print, with date, commit and machine, into their sections of docs/benchmarks.md.
#
#   benchmarks/run.sh [--rounds N] [SECTION…]
#
# Sections: deploys builds builds-large builds-beside builds-serverless cli localaws judge rollout calibration soak
# workspace; without any, all of them but calibration and soak, which take long, and builds-beside and builds-serverless,
# which want SAM=PROGRAM and SERVERLESS=PROGRAM as well.
# WORKLOADS=FOLDER keeps what builds are measured on.
# RESULTS=FILE collects the calibration's ROLLOUTS (30) over several runs, of ABREAST shops at a time; SOAK=FOLDER the
# soak's rounds, in parts of MINUTES each.
# Run it on a machine that has nothing else to do. The exit code is 1 when a goal is missed; the numbers are written
# all the same.
set -uo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/lib/bootstrap.sh
. "$repo/scripts/lib/bootstrap.sh"

cd -- "$repo" || exit 1
bootstrap
export PATH="$venv/bin:$PATH"
rounds=5
if [ "${1:-}" = --rounds ]; then
  rounds=$2
  shift 2
fi
page=docs/benchmarks.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
keep=()
[ -z "${WORKLOADS:-}" ] || keep=(--keep "$WORKLOADS")

# shown COMMAND…: the command for the page, which tells no folders of this machine.
shown() {
  local word words=()
  for word in "$@"; do
    case $word in
      "$repo"/*) word=${word#"$repo"/} ;;
      /*) word=${word##*/} ;;
    esac
    words+=("$word")
  done
  printf '%s' "${words[*]}"
}

# measure SECTION COMMAND…: run it, and write what it printed between the section's marks.
measure() {
  local section=$1 status=0
  shift
  say "── $section: $*"
  "$@" >"$work/out" || status=$?
  [ "$status" = 0 ] || failed=1
  cat "$work/out" >&2
  {
    printf '`%s`, exit code %s, on %s, at commit %s\n\n```text\n' \
      "$(shown "$@")" "$status" "$(date -u '+%Y-%m-%d %H:%M UTC')" "$(git rev-parse --short HEAD)"
    cat "$work/out"
    printf '```\n'
  } >"$work/numbers"
  awk -v numbers="$work/numbers" -v begin="<!-- $section -->" -v end="<!-- end of $section -->" '
    $0 == begin { print; while ((getline line < numbers) > 0) print line; skip = 1; next }
    $0 == end { skip = 0 }
    !skip
  ' "$page" >"$work/page"
  cp "$work/page" "$page"
  say "written to $page"
}

[ $# -gt 0 ] || set -- deploys builds builds-large cli localaws judge rollout workspace
for section in "$@"; do
  case $section in
    deploys) measure "$section" python benchmarks/deploy.py --rounds "$rounds" ;;
    builds) measure "$section" python benchmarks/build.py --sizes 10 50 200 --rounds "$rounds" "${keep[@]}" ;;
    builds-large) measure "$section" python benchmarks/build.py --sizes 50 1000 --rounds 1 "${keep[@]}" ;;
    builds-serverless)
      [ -n "${SERVERLESS:-}" ] || die "SERVERLESS is not set" "SERVERLESS=PROGRAM benchmarks/run.sh $section"
      measure "$section" python benchmarks/build.py --sizes --rounds 1 "${keep[@]}" --serverless "$SERVERLESS"
      ;;
    builds-beside)
      [ -n "${SAM:-}" ] || die "SAM is not set" "SAM=PROGRAM [SAM_SIZE=50] benchmarks/run.sh $section"
      others=("${keep[@]}" --sam "$SAM" --sam-size "${SAM_SIZE:-50}")
      measure "$section" python benchmarks/build.py --sizes --rounds 1 "${others[@]}"
      ;;
    cli) measure "$section" python benchmarks/cli.py ;;
    localaws) measure "$section" python benchmarks/localaws.py ;;
    judge) measure "$section" python benchmarks/judge.py ;;
    rollout) measure "$section" python benchmarks/rollout.py --rollouts 4 --requests 100000 ;;
    calibration) measure "$section" python benchmarks/calibration.py --rollouts "${ROLLOUTS:-30}" ${ABREAST:+--abreast "$ABREAST"} \
      ${RESULTS:+--results "$RESULTS"} ;;
    soak) measure "$section" python benchmarks/soak.py ${SOAK:+--keep "$SOAK" --minutes "${MINUTES:-60}"} ;;
    workspace) measure "$section" python benchmarks/workspace.py ;;
    *) die "there is no section $section" "sections: deploys builds builds-large builds-beside builds-serverless cli localaws judge rollout calibration soak workspace" ;;
  esac
done
exit "$failed"
