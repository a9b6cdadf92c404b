"""The AWS SDK for Node as Lambda supplies it, gathered from what the workspace's own packages installed.

Bundles leave `@aws-sdk/*` out, because Lambda has it. The embedded AWS needs a `node_modules` that has it too: a folder
of links to the very packages that the services declare and compile against. A link is made before the package manager
ran, too, and leads somewhere once it has.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUPPLIED = ("@aws-sdk/", "@smithy/", "@aws-crypto/")
"""Scopes of what Lambda's Node runtimes bring.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html#nodejs-sdk-included
"""


def link_node_sdk(root: Path, folder: Path) -> Path:
    """Make `folder/node_modules` lead to every SDK package that the workspace at `root` declares; `folder` itself."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True, exist_ok=True)
    for name, target in _declared(root):
        link = modules / name
        if link.is_symlink() and link.readlink() == target:
            continue
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return folder


def _declared(root: Path) -> Iterator[tuple[str, Path]]:
    """Every SDK package by name, once, and where the package manager puts it."""
    hoisted = not (root / "pnpm-lock.yaml").exists()
    seen: set[str] = set()
    for manifest in _manifests(root):
        document = _json(manifest)
        for section in ("dependencies", "devDependencies", "peerDependencies"):
            for name in sorted(document.get(section) or {}):
                if name.startswith(SUPPLIED) and name not in seen:
                    seen.add(name)
                    yield name, (root if hoisted else manifest.parent) / "node_modules" / name


def _manifests(root: Path) -> Iterator[Path]:
    yield root / "package.json"
    try:
        workspace = tomllib.loads((root / "penstock.toml").read_text())["workspace"]
        patterns = [*workspace.get("services", ["services/*"]), *workspace.get("packages", ["packages/*"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # a broken file is for `validate` to tell
    for pattern in patterns:
        if isinstance(pattern, str) and pattern and ".." not in pattern and not pattern.startswith("/"):
            yield from sorted(root.glob(f"{pattern}/package.json"))


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
