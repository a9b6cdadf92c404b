# shellcheck shell=bash
# Brings up what Penstock needs inside the repository's own .tools/ and .venv/. Sourced, with $repo set.
#
# Needed on the machine: Python ≥ 3.11, Node ≥ 20 with npm, Terraform or OpenTofu ≥ 1.11. Everything else is fetched
# once, in versions that are pinned: uv and all of Python in uv.lock, pnpm here. The user's global state is left alone. When uv.lock is the
# one of the last run, nothing is checked and nothing is started.

PNPM_PINNED=10.34.9

tools=$repo/.tools
venv=$repo/.venv

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $1"
  [ -z "${2:-}" ] || say "  → $2"
  exit 1
}

# bootstrap: everything there, or a message that says what to install. Prints on standard error only.
bootstrap() {
  export PATH="$tools/pnpm/node_modules/.bin:$PATH"
  if [ -x "$venv/bin/penstock" ] && cmp -s "$repo/uv.lock" "$venv/penstock-installed.lock" &&
    [ -x "$tools/pnpm/node_modules/.bin/pnpm" ]; then
    return 0
  fi
  find_python
  need_node
  need_terraform
  mkdir -p "$tools"
  bring_up_uv
  bring_up_environment
  bring_up_pnpm
  cp "$repo/uv.lock" "$venv/penstock-installed.lock"
  say "penstock is in .venv/bin; to have it on your path:"
  say "  export PATH=\"$venv/bin:\$PATH\"        (or: uv run penstock …)"
}

# A shim on the path may exist and fail: only one that runs counts.
find_python() {
  local candidate
  for candidate in "${PENSTOCK_PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      python=$("$candidate" -c 'import sys; print(sys.executable)')
      return 0
    fi
  done
  die "no Python ≥ 3.11 on the path" \
    "install one (https://www.python.org/downloads/, apt install python3, brew install python), or name it in PENSTOCK_PYTHON"
}

need_node() {
  local hint="install Node ≥ 20 with npm: https://nodejs.org/en/download (or apt install nodejs npm, brew install node)"
  command -v node >/dev/null 2>&1 || die "node is not on the path" "$hint"
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' ||
    die "node is $(node --version), older than 20" "$hint"
  command -v npm >/dev/null 2>&1 || die "npm is not on the path" "$hint"
}

need_terraform() {
  local hint="install Terraform ≥ 1.11 (https://developer.hashicorp.com/terraform/install) or OpenTofu ≥ 1.11"
  hint="$hint (https://opentofu.org/docs/intro/install), or name one in PENSTOCK_TERRAFORM"
  local candidate version found=""
  local candidates=(terraform tofu)
  [ -z "${PENSTOCK_TERRAFORM:-}" ] || candidates=("$PENSTOCK_TERRAFORM")
  for candidate in "${candidates[@]}"; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    # One that cannot run (no such architecture, a shim) is none: its status must not end this script.
    version=$("$candidate" version -json 2>/dev/null | sed -n 's/.*"terraform_version": *"\([0-9.]*\).*/\1/p') || version=""
    case $version in
      1.[0-9] | 1.[0-9].* | 1.10 | 1.10.* | 0.* | "") found="$found $candidate ${version:-does not run}," ;;
      *) return 0 ;;
    esac
  done
  die "no Terraform or OpenTofu ≥ 1.11 on the path${found:+ (found:${found%,})}" "$hint"
}

bring_up_uv() {
  local pinned
  pinned=$(sed -n '/^name = "uv"$/{n;s/version = "\(.*\)"/\1/p;}' "$repo/uv.lock")
  uv=$tools/uv-$pinned/bin/uv
  [ ! -x "$uv" ] || return 0
  if uv=$(command -v uv) && "$uv" --version >/dev/null 2>&1; then
    return 0
  fi
  uv=$tools/uv-$pinned/bin/uv
  say "installing uv $pinned into .tools/ …"
  local fresh="$tools/uv.$$"
  "$python" -m venv "$fresh" >&2 ||
    die "$python cannot make a virtual environment" "apt install python3-venv, or install uv: https://docs.astral.sh/uv/"
  "$fresh/bin/python" -m pip install -qq --disable-pip-version-check --cache-dir "$tools/pip-cache" \
    "uv==$pinned" >&2 || die "uv $pinned cannot be installed" "is the network, or your package index, to be reached?"
  # Published by rename: two first runs at once do not see each other's half.
  mv "$fresh" "$tools/uv-$pinned" 2>/dev/null || rm -rf "$fresh"
}

bring_up_environment() {
  say "installing the locked environment into .venv …"
  # One whose making was cut short is of no use, and uv would not touch it.
  [ ! -e "$venv" ] || "$venv/bin/python" -c 'import sys; sys.exit(sys.prefix != sys.argv[1])' "$venv" >/dev/null 2>&1 ||
    rm -rf "$venv"
  UV_CACHE_DIR=${UV_CACHE_DIR:-$tools/uv-cache} UV_PYTHON_DOWNLOADS=never UV_PYTHON_PREFERENCE=only-system \
    "$uv" sync --quiet --frozen --project "$repo" --python "$python" >&2 ||
    die "the environment of uv.lock cannot be installed" "is the network, or your package index, to be reached?"
}

bring_up_pnpm() {
  [ ! -x "$tools/pnpm/node_modules/.bin/pnpm" ] || return 0
  say "installing pnpm $PNPM_PINNED into .tools/ …"
  npm install --silent --no-fund --no-audit --no-package-lock --cache "$tools/npm-cache" --prefix "$tools/pnpm.$$" \
    "pnpm@$PNPM_PINNED" >&2 || die "pnpm $PNPM_PINNED cannot be installed" "is the network, or your npm registry, to be reached?"
  mv "$tools/pnpm.$$" "$tools/pnpm" 2>/dev/null || rm -rf "$tools/pnpm.$$"
}
