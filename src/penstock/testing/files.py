"""Files in memory."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class FakeFiles:
    """Content by path; `content` is open to tests."""

    def __init__(self, content: Mapping[Path, bytes] | None = None) -> None:
        self.content: dict[Path, bytes] = dict(content or {})

    def read(self, path: Path) -> bytes | None:
        """The content, or None when there is no such file."""
        return self.content.get(path)

    def write(self, path: Path, content: bytes) -> bool:
        """Replace the content; False when it was the same already."""
        same = self.content.get(path) == content
        self.content[path] = content
        return not same

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder that match a glob pattern, sorted; `.terraform` folders are left out."""
        parts = tuple(pattern.split("/"))
        return sorted(
            path
            for path in self.content
            if path.is_relative_to(folder)
            and ".terraform" not in path.parts
            and _matches(path.relative_to(folder).parts, parts)
        )


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path's parts match a glob's; `**` stands for any number of folders."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])
