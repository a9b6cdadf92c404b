#!/usr/bin/env bash
# Everything that CI runs, in a fresh clone or in yours. Every part runs, also after one that failed; the exit code is
# 0 only when all passed. The last line is pytest's own.
#
#   ./scripts/test.sh            everything
#   ./scripts/test.sh lint       what needs no running system: linters, types, layers, formats
#   ./scripts/test.sh -k words   everything, with these arguments for pytest
set -uo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/lib/bootstrap.sh
. "$repo/scripts/lib/bootstrap.sh"

cd -- "$repo" || exit 1
exec </dev/null
bootstrap
need_terraform
export PATH="$venv/bin:$PATH"
# Tests and builds must not depend on what the user's shell points at.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL VIRTUAL_ENV

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names=()
verdicts=()
failed=0

# part NAME COMMAND…: run it, remember how it ended.
part() {
  local name=$1 begun=$SECONDS status=0
  shift
  printf '\n── %s\n' "$name"
  "$@" || status=$?
  names+=("$name")
  if [ "$status" = 0 ]; then
    verdicts+=("passed in $((SECONDS - begun)) s")
  else
    verdicts+=("FAILED with status $status after $((SECONDS - begun)) s")
    failed=1
  fi
}

shell_scripts() {
  if ! command -v shellcheck >/dev/null 2>&1; then
    echo "shellcheck is not on the path: bash -n instead"
    local file
    for file in scripts/*.sh scripts/lib/*.sh .ci/run examples/shop/scripts/*.sh; do
      bash -n "$file" || return 1
    done
    return 0
  fi
  shellcheck -x scripts/*.sh scripts/lib/*.sh .ci/run examples/shop/scripts/*.sh
}

terraform_format() {
  local folders=(src/penstock/terraform)
  [ ! -d examples/shop/infra ] || folders+=(examples/shop/infra)
  local folder
  for folder in "${folders[@]}"; do
    "${PENSTOCK_TERRAFORM:-$(command -v terraform || command -v tofu)}" fmt -check -diff -recursive "$folder" || return 1
  done
}

example_python() (
  cd examples/shop || return 1
  export UV_CACHE_DIR=${UV_CACHE_DIR:-$tools/uv-cache}
  uv run --frozen ruff check && uv run --frozen mypy && uv run --frozen pytest -q
)

example_node() (
  cd examples/shop || return 1
  pnpm install --frozen-lockfile && pnpm run typecheck && pnpm run test
)

python_tests() {
  local status=0
  # Penstock gives Terraform's collector room; so do the tests that start Terraform by hand.
  export GOGC=${GOGC:-800}
  # Hundreds of commands are started: where bytecode is not to be written, each would compile itself anew.
  unset PYTHONDONTWRITEBYTECODE
  # Three workers on two processors: a command, the embedded AWS and Terraform's provider wait most of the time.
  pytest --numprocesses "${PENSTOCK_TEST_WORKERS:-3}" --dist worksteal "$@" 2>&1 | tee "$work/pytest" || status=${PIPESTATUS[0]}
  return "$status"
}

part "ruff check" ruff check
part "ruff format" ruff format --check
part "mypy" mypy
part "import-linter" lint-imports
part "shell scripts" shell_scripts
part "terraform fmt" terraform_format
part "penstock validate" penstock validate --workspace examples/shop
part "penstock render --check" penstock render --check --workspace examples/shop
if [ "${1:-}" != lint ]; then
  part "example: Python" example_python
  part "example: TypeScript" example_node
  part "pytest" python_tests "$@"
fi

printf '\n'
for index in "${!names[@]}"; do
  printf '%-26s %s\n' "${names[$index]}" "${verdicts[$index]}"
done
[ ! -f "$work/pytest" ] || tail -n 1 "$work/pytest"
exit "$failed"
