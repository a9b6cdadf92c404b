"""Remembers which sources have passed all checks, so that an unchanged workspace is not checked at every command.

The checks load pydantic and take most of the time of a command that has nothing to do. The mark holds the source's
digest, and the state of the checking code itself: another Penstock, or an edited one, checks anew.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import penstock.workspace
from penstock import __version__

if TYPE_CHECKING:
    from penstock.workspace.source import Source


class SoundSources:
    """The last source that was found sound, in one file; a file that is missing or unwritable only costs time."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def knows(self, source: Source) -> bool:
        """Whether exactly this source has passed the checks of exactly this Penstock."""
        try:
            return self._memory.read_text() == _mark(source)
        except OSError:
            return False

    def remember(self, source: Source) -> None:
        """This source has passed."""
        with contextlib.suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(_mark(source))


def _mark(source: Source) -> str:
    checks = hashlib.sha256(__version__.encode())
    for path in sorted(Path(penstock.workspace.__path__[0]).rglob("*.py")):
        state = path.stat()
        checks.update(f"{path.name} {state.st_size} {state.st_mtime_ns} ".encode())
    return f"{source.digest} {checks.hexdigest()}\n"
