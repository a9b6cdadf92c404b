"""Where files of services and packages really lie, as far as a symbolic link leads there."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from penstock.build.changes import Reach


class _Part(Protocol):
    """A service or package: its folder in the workspace, and its files by their paths from there."""

    @property
    def folder(self) -> str: ...

    @property
    def files(self) -> Mapping[str, object]: ...


def with_links(reach: Reach, parts: Iterable[_Part], root: Path) -> Reach:
    """The same with what links of these parts lead to, since changes are told of where files lie."""
    files, folders = set(reach.files), dict.fromkeys(reach.folders)
    for part in parts:
        real = _RealPlaces(root, part.folder)
        for path in part.files:
            above, _, name = path.rpartition("/")
            if real.is_linked(above, name):
                files.add(real.place(above, name))
        folders |= dict.fromkeys(sorted(real.folders))
    return replace(reach, files=tuple(sorted(files)), folders=tuple(folders))


class _RealPlaces:
    """Looks each folder up once: services have thousands of files."""

    def __init__(self, root: Path, folder: str) -> None:
        self._root = os.path.realpath(root)
        self._base = f"{root}/{folder}"
        self._real: dict[str, str] = {}
        self._linked: dict[str, bool] = {}
        self.folders: set[str] = set()
        """Those that a link leads to, and those in them."""
        self._expected = os.path.normpath(f"{self._root}/{folder}")
        self._look("")

    def is_linked(self, above: str, name: str) -> bool:
        for end in [at for at, letter in enumerate(above) if letter == "/"]:
            self._look(above[:end])
        return self._look(above) or os.path.islink(f"{self._real[above]}/{name}")  # noqa: PTH114 - thousands

    def place(self, above: str, name: str) -> str:
        return os.path.relpath(os.path.realpath(f"{self._real[above]}/{name}"), self._root)

    def _look(self, folder: str) -> bool:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(f"{self._base}/{folder}")
            expected = os.path.normpath(f"{self._expected}/{folder}")
            self._linked[folder] = self._real[folder] != expected
            if self._linked[folder]:
                self.folders.add(os.path.relpath(self._real[folder], self._root))
        return self._linked[folder]
