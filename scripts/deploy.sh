#!/usr/bin/env bash
# Deploys the example workspace (examples/shop), or the one named by --workspace, from a fresh clone.
#
#   ./scripts/deploy.sh --environment dev [--plan-only] [--auto-approve] [any option of `penstock deploy`]
#
# Standard output carries the URL and nothing else. The second run starts nothing but Penstock itself.
set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/lib/bootstrap.sh
. "$repo/scripts/lib/bootstrap.sh"

bootstrap
exec "$venv/bin/penstock" deploy --workspace "$repo/examples/shop" "$@"
