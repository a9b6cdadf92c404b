"""Folders of a workspace, as POSIX paths from its root."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath


@lru_cache(maxsize=10_000)
def upwards(folder: str) -> tuple[str, ...]:
    """The folder and those above it up to the workspace's root, which is the empty text."""
    parts = PurePosixPath(folder).parts
    return tuple("/".join(parts[:count]) for count in range(len(parts), -1, -1))
