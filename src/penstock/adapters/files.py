"""The `Files` port on the real file system."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from penstock.adapters.publish import EVERYBODYS, publish
from penstock.model.errors import PenstockError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RealFiles:
    """Writes are published by rename, so that a killed process leaves the old content or the new, never half."""

    def read(self, path: Path) -> bytes | None:
        """The content, or None when there is no such file."""
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, path: Path, content: bytes) -> bool:
        """Replace the content unless it is the same."""
        if self.read(path) == content:
            return False
        try:
            publish(path, content, mode=EVERYBODYS, settled=True)
        except OSError as error:
            raise PenstockError(
                f"cannot write: {error.strerror}", where=str(path), hint="make room, or make the folder writable"
            ) from error
        return True

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder that match, without Terraform's own working folders."""
        return sorted(path for path in folder.glob(pattern) if path.is_file() and ".terraform" not in path.parts)


def keep_out_of_git(folder: Path) -> None:
    """Make a folder of ours that nobody is to commit, as virtual environments do; done when it is there."""
    rule = folder / ".gitignore"
    if not rule.exists():
        with contextlib.suppress(OSError):  # who cannot write there commits nothing of it
            publish(rule, b"*\n", mode=EVERYBODYS, settled=True)
