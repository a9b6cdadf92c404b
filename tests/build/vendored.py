"""Packages that a test writes and npm installs: archives of the workspace, with their hashes in the lock."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from build.sites import Site


def lock(site: Site) -> None:
    """Let npm write the lock of what the manifests name."""
    npm = site.commands.find("npm")
    argv = (str(npm), "install", "--package-lock-only", "--no-audit")
    result = site.commands.run(Command(argv=argv, cwd=site.root, timeout=120))
    assert result.status == 0, result.stderr


def vendor(site: Site, packages: Mapping[str, Mapping[str, str]]) -> None:
    """Add packages, by their names, to what the workspace's root depends on; each is its files' texts."""
    manifest = json.loads((site.root / "package.json").read_text())
    known = manifest.setdefault("dependencies", {})
    for name, files in packages.items():
        place = f"vendor/{name.replace('/', '-')}.tgz"
        archive(site.root / place, {"package.json": json.dumps({"name": name, "version": "1.0.0"}), **files})
        known[name] = f"file:{place}"
    site.write({"package.json": json.dumps(manifest)})
    lock(site)


def archive(path: Path, files: Mapping[str, str]) -> None:
    """A package as npm packs it."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as file:
        for name, text in files.items():
            about = tarfile.TarInfo(f"package/{name}")
            about.size = len(text)
            file.addfile(about, io.BytesIO(text.encode()))
