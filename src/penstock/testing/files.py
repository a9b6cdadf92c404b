"""Files in memory."""

from __future__ import annotations

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
        return sorted(
            path
            for path in self.content
            if path.is_relative_to(folder) and ".terraform" not in path.parts and path.match(pattern)
        )
