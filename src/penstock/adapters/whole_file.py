"""Small files, read and written whole with the fewest calls of the system.

`open` asks five things besides (is it a terminal, where does it stand …), and Python hands its lock over at each, which
several threads feel with thousands of files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 16
"""Bytes that are read at once beyond what a file's size said."""


def read(path: str | Path) -> bytes:
    """A file's bytes. Raises OSError, with the path."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(handle).st_size
        content = os.read(handle, size + 1)
        # It grows, or the kernel makes it up and tells no size.
        while len(content) != size and (more := os.read(handle, max(size, _PIECE))):
            content += more
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(handle)
    return content


def write(path: str | Path, content: bytes, *, settled: bool = False) -> None:
    """Write a file anew; `settled` waits for the disk. Raises OSError, with the path."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        if settled:
            os.fsync(handle)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(handle)
