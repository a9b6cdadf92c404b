"""An installation of locked packages: its files, each opened as seldom as may be, and packed by all processors."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from penstock.adapters import whole_file
from penstock.adapters.builder_files import is_executable
from penstock.build import python
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from penstock.build.archive import Member

_PARTS = 4
"""Lists of files for each processor: a list is handed over once, and not each of hundreds of files."""


class Pack(Protocol):
    """Compresses a file."""

    def __call__(self, name: str, content: bytes, *, executable: bool) -> Member:
        """The content as a member under its name."""


class Installed:
    """What lies in a folder into which packages were installed."""

    def __init__(self, site: Path) -> None:
        """Raises BuildFailed for a link out of there, or for what is no file."""
        self.files = {name: place for name, place in sorted(_listed(site)) if python.ships(name)}
        """The place of each file that may be shipped, by its name in there."""
        self._contents: dict[str, bytes] = {}
        self._statuses: dict[str, os.stat_result] = {}

    def read(self, name: str) -> bytes:
        """A file's content, kept until it is taken."""
        if name not in self._contents:
            self._contents[name] = self.take(name)
        return self._contents[name]

    def take(self, name: str) -> bytes:
        """A file's content, not kept any more: there may be hundreds of megabytes of them."""
        known = self._contents.pop(name, None)
        if known is not None:
            return known
        return whole_file.read(self.files[name])

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """In bytes, by name."""
        return {name: self._status(name).st_size for name in names}

    def packed(self, names: Iterable[str], pack: Pack) -> tuple[Member, ...]:
        """These files, compressed, those first that take longest."""
        names = sorted(names, key=lambda name: self._status(name).st_size, reverse=True)
        workers = os.cpu_count() or 1
        parts = [names[at :: workers * _PARTS] for at in range(workers * _PARTS)]
        with ThreadPoolExecutor(workers, thread_name_prefix="pack") as pool:
            return tuple(chain.from_iterable(pool.map(lambda part: [self._packed(one, pack) for one in part], parts)))

    def _packed(self, name: str, pack: Pack) -> Member:
        return pack(name, self.take(name), executable=is_executable(self._status(name)))

    def _status(self, name: str) -> os.stat_result:
        if name not in self._statuses:
            self._statuses[name] = os.stat(self.files[name])  # noqa: PTH116 - hundreds
        return self._statuses[name]


def _listed(site: Path) -> Iterator[tuple[str, str]]:
    """Name and place of each file."""
    real = f"{site.resolve()}{os.sep}"
    folders = [("", str(site))]
    while folders:
        above, place = folders.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = f"{above}{entry.name}"
                if entry.is_symlink() and not os.path.realpath(entry.path).startswith(real):
                    what = f"a locked package holds a symbolic link out of itself, {name}"
                    raise BuildFailed(what, hint="do not use it")
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{name}/", entry.path))
                elif entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path):  # noqa: PTH113 - hundreds
                    yield name, entry.path
                elif not os.path.isdir(entry.path):  # noqa: PTH112
                    raise BuildFailed(f"a locked package holds {name}, which is no file", hint="do not use it")
