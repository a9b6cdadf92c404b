"""An in-memory `Files` port."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class FakeFiles:
    """Files as a dict; `content` is open to tests."""

    def __init__(self) -> None:
        self.content: dict[Path, bytes] = {}

    def read(self, path: Path) -> bytes | None:
        """The content, or None."""
        return self.content.get(path)

    def write(self, path: Path, content: bytes) -> bool:
        """Replace the content; False when it was the same."""
        if self.content.get(path) == content:
            return False
        self.content[path] = content
        return True

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder whose path relative to it matches; `**/` also matches no folder at all."""
        found = []
        for path in self.content:
            if not path.is_relative_to(folder) or ".terraform" in path.parts:
                continue
            relative = path.relative_to(folder).as_posix()
            deep = pattern.startswith("**/")
            if fnmatchcase(relative, pattern.removeprefix("**/")) and (deep or "/" not in relative):
                found.append(path)
        return sorted(found)
