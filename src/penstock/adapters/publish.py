"""Files that appear whole or not at all: written beside their place, and renamed into it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OURS, EVERYBODYS = 0o600, 0o644
"""Modes: of what only this user reads, and of what lies in a workspace."""


def publish(path: Path, content: bytes, *, mode: int = OURS, settled: bool = False) -> None:
    """Put a file into its folder, which is made when it is not there. Raises OSError, and leaves no draft behind.

    Args:
        path: its place; a file that lies there goes on being read by whoever has it open.
        content: all of it.
        mode: its permissions.
        settled: whether to wait until the disk has it, for what cannot be made again after a power cut.
    """
    import tempfile  # noqa: PLC0415 - slow, and most commands write nothing

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if mode != OURS:
                os.fchmod(file.fileno(), mode)
            if settled:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)  # noqa: PTH105 - quickly
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)  # noqa: PTH108
        raise


def remember(path: Path, content: bytes) -> None:
    """The same for what only saves time: where nobody may write, or nothing fits, nothing happens."""
    with contextlib.suppress(OSError):
        publish(path, content)


def sealed(content: bytes) -> bytes:
    """The content behind its digest, for what is believed without another look."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def unsealed(found: bytes) -> bytes:
    """What was sealed. Raises ValueError where it is not what it was."""
    _, _, content = found.partition(b"\n")
    if found != sealed(content):
        raise ValueError("the seal is broken")
    return content
