"""The code of the controller function: this very installation's modules, without what needs more than the runtime has.

Lambda's Python supplies boto3; everything else that the controller imports is here and in the standard library
(import-linter holds that for `release` and `rollout`, a test for the rest). The bytes depend on the modules' content
alone, so that the function's code is changed by another version of Penstock and by nothing else.
"""

from __future__ import annotations

import io
from importlib.resources import files
from typing import TYPE_CHECKING

from penstock.build.archive import pack, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

PARTS = (
    "__init__.py",
    "adapters",
    "build",
    "controller",
    "infra",
    "model",
    "operations",
    "policy",
    "ports",
    "release",
    "rollout",
)


def controller_code() -> bytes:
    """A ZIP with equal bytes for equal modules."""
    root = files("penstock")
    members = [pack(name, content) for part in PARTS for name, content in _modules(root / part, f"penstock/{part}")]
    found = io.BytesIO()
    write(members, found)
    return found.getvalue()


def _modules(entry: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    if entry.is_dir():
        for child in entry.iterdir():
            yield from _modules(child, f"{name}/{child.name}")
    elif name.endswith(".py"):
        yield name, entry.read_bytes()
