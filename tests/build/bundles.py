"""What is in a ZIP of a Node.js service, and what it does."""

from __future__ import annotations

import json
import subprocess
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def contents(path: str) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def run_from(path: str, folder: Path, code: str) -> object:
    """What Node.js prints that sees the ZIP's files and an SDK beside them, as on Lambda."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    sdk = folder / "node_modules/@aws-sdk/client-s3"
    sdk.mkdir(parents=True)
    (sdk / "package.json").write_text('{"name": "@aws-sdk/client-s3", "main": "index.js"}')
    (sdk / "index.js").write_text("exports.S3Client = class S3Client {};\n")
    script = f"({code})().then(x => console.log(JSON.stringify(x)))"
    done = subprocess.run(["node", "-e", script], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
