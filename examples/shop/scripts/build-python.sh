#!/bin/sh
# Builds the wheel of every Python member of a folder (packages or services) with its ordinary build.
# `pnpm build` calls it, so that one command builds both languages.
set -eu

folder=${1:?usage: build-python.sh packages|services}
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null 2>&1; then
  echo "Python members of $folder/ are skipped: uv is not on the path (https://docs.astral.sh/uv/)." >&2
  exit 0
fi
for project in "$folder"/*/pyproject.toml; do
  member=$(dirname "$project")
  uv build --quiet --wheel --out-dir "$member/dist" "$member"
  echo "$member: $(basename "$(ls -t "$member"/dist/*.whl | head -n 1)")"
done
