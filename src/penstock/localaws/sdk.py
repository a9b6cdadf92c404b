"""The AWS SDK as Lambda supplies it: there when the function brings none, behind everything the function brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.localaws.settings import Settings

_PYTHON = ("boto3", "botocore", "jmespath", "s3transfer", "dateutil", "urllib3", "six")


def python_folder(settings: Settings) -> Path:
    """A folder that holds boto3 and what it needs, and nothing else of the server's packages."""
    folder = settings.state / "sdk" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _PYTHON:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        _link(folder / source.name, source)
    return folder


def link_node(settings: Settings, code: Path) -> None:
    """Make ``@aws-sdk/*`` resolvable from every function, in CommonJS and in ES modules.

    Both look for ``node_modules`` from the function's folder upwards; one beside all functions' folders is found last.
    """
    code.mkdir(parents=True, exist_ok=True)
    place = code / "node_modules"
    if settings.node_sdk is not None:
        _link(place, settings.node_sdk.absolute() / "node_modules")
    elif place.is_symlink():
        place.unlink()


def _link(place: Path, target: Path) -> None:
    if place.is_symlink() and place.readlink() == target:
        return
    place.unlink(missing_ok=True)
    place.symlink_to(target)
