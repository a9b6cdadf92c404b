#!/usr/bin/env bash
# Deploys this workspace:  ./scripts/deploy.sh --environment dev [--plan-only] [--auto-approve]
#
# Uses the `penstock` of the clone that this folder lies in; elsewhere the one on the path, or uv's.
# Standard output carries the URL and nothing else.
set -euo pipefail

workspace=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
clone=$workspace/../..

if [ -f "$clone/src/penstock/__init__.py" ] && [ -x "$clone/scripts/deploy.sh" ]; then
  exec "$clone/scripts/deploy.sh" --workspace "$workspace" "$@"
elif command -v penstock >/dev/null 2>&1; then
  exec penstock deploy --workspace "$workspace" "$@"
elif command -v uvx >/dev/null 2>&1; then
  exec uvx --from 'penstock[local]' penstock deploy --workspace "$workspace" "$@"
fi
printf '%s\n' "error: penstock is not on the path" \
  "  → pip install 'penstock[local]', or install uv: https://docs.astral.sh/uv/" >&2
exit 1
