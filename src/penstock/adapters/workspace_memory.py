"""Remembers which sources were found to be sound, so that an unchanged workspace loads without its checks.

Whether a source is sound depends on its texts, its listing and Penstock's own code, and on nothing else. So the memory
is a short file of digests, safe to delete, shared by all environments of a workspace.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import penstock.workspace
from penstock.workspace.load import load

if TYPE_CHECKING:
    from penstock.model.workspace import Workspace
    from penstock.workspace.source import Source

_KEPT = 16


def load_remembered(source: Source, environment: str, memory: Path) -> Workspace:
    """`load`, without its checks where `memory` knows the source. Raises what `load` raises.

    A memory that cannot be read or written is done without.
    """
    digest = hashlib.sha256(f"{source.digest} {_code()}".encode()).hexdigest()
    known = _known(memory)
    if digest in known:
        return load(source, environment, sound=True)
    workspace = load(source, environment)
    _write(memory, [digest, *known][:_KEPT])
    return workspace


def _known(memory: Path) -> list[str]:
    try:
        return memory.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _write(memory: Path, digests: list[str]) -> None:
    """Published by rename, so that a reader never sees half of it."""
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_name(f"{memory.name}.{os.getpid()}")
        part.write_text("\n".join(digests), encoding="ascii")
        part.replace(memory)


def _code() -> str:
    """Size and time of every file of the configuration layer: changed checks make everything unknown again."""
    folder = Path(penstock.workspace.__file__).parent
    seen = [
        (path.name, status.st_size, status.st_mtime_ns) for path in folder.rglob("*.py") for status in [path.stat()]
    ]
    return repr(sorted(seen))
