"""The workspace's tree on disk to a `Source`. Reads, lists and refuses; decides nothing about content."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import Problem, UsageError
from penstock.workspace.layers import table
from penstock.workspace.source import (
    MAX_FILE_BYTES,
    MAX_SERVICES,
    NODE_FILE,
    PYTHON_FILE,
    REQUIREMENTS_FILE,
    ROOT_FILE,
    SERVICE_FILE,
    Source,
)
from penstock.workspace.text import parse_toml
from penstock.workspace.tree import matches, patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_READ = (PYTHON_FILE, NODE_FILE, REQUIREMENTS_FILE, SERVICE_FILE)
_VERIFY = re.compile(rb"\bverify[\"']?[ \t]*=[ \t]*[\"']([^\"'\n]+)[\"']")
"""Finds the events that a manifest speaks of, before anybody has parsed it."""
_SKIPPED = frozenset(
    (
        *(".git", ".penstock", ".terraform", ".venv", ".pnpm-store", "__pycache__", "dist", "node_modules"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".turbo", "coverage"),
    )
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A source, and the places that it depends on: as long as `stat` says the same of them, so does `look_at`."""

    source: Source
    places: frozenset[str]
    """POSIX paths relative to the root, whether something lies there or not; a folder stands for its entries' names."""


def read_source(root: Path) -> Source:
    """Everything that loading needs. Raises UsageError when the root is no folder that can be read."""
    return look_at(root).source


def look_at(root: Path) -> Looked:
    """`read_source`, with the places that were looked at."""
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", hint="give the workspace's folder with --workspace")
    reader = _Reader(root.resolve())
    reader.read(ROOT_FILE)
    reader.read(NODE_FILE)
    raw = reader.files.get(ROOT_FILE)
    parsed = parse_toml(ROOT_FILE, raw) if raw is not None else None
    if isinstance(parsed, tuple):
        for pattern in sorted({*patterns(parsed[0], "services"), *patterns(parsed[0], "packages")}):
            for folder in reader.folders(pattern):
                reader.walk(folder)
        for environment in table(parsed[0], "environments").values():
            reader.list_files(table(environment, "after").get("smoke") if isinstance(environment, dict) else None)
    source = Source(
        root_name=reader.root.name,
        files=reader.files,
        listing=frozenset(reader.listing),
        problems=tuple(reader.problems),
    )
    return Looked(source, frozenset(reader.places))


class _Reader:
    """Collects texts, listing, problems and places; a file or folder is visited once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str | bytes] = {}
        self.listing: set[str] = set()
        self.problems: list[Problem] = []
        self.places: set[str] = set()
        self._seen: set[str] = set()
        self._within = {"": True}

    def read(self, path: str) -> None:
        """Take a file's bytes; one byte more than allowed is enough for loading to refuse it.

        The folder that it lies in is known to be within the workspace: only a link can lead out.
        """
        full = self._path(path)
        self.places.add(path)
        try:
            # Non-blocking, so that a pipe in a manifest's place is refused and not waited for.
            handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(path, f"cannot be read: {error.strerror}", "make it readable")
            return
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                self._refuse(path, "is not a file", "put a regular file here")
            elif os.path.islink(full) and not self._inside(full):  # noqa: PTH114 - a thousand times
                self._refuse(path, "is a link that leaves the workspace", "put the file itself here")
            else:
                self.files[path] = _content(handle, status.st_size)
                self.listing.add(path)
        finally:
            os.close(handle)

    def folders(self, pattern: str) -> Iterator[str]:
        """Folders below the root that the pattern names, sorted, a bounded number."""
        level = [""]
        for segment in pattern.split("/"):
            level = [
                below
                for above in level
                for below in self._below(above, segment)
                if matches(below.rpartition("/")[2], (segment,))
            ]
        yield from sorted(level)[: MAX_SERVICES + 1]

    def walk(self, folder: str) -> None:
        """List a service's or package's files, and read its manifests."""
        if folder in self._seen:
            return
        self._seen.add(folder)
        if not self._is_within(folder):
            self._refuse(folder, "is a link that leaves the workspace", "put the folder itself here")
            return
        here = self._list(folder)
        for name in _READ:
            if name in here:
                self.read(f"{folder}/{name}")
        manifest = self.files.get(f"{folder}/{SERVICE_FILE}", b"")
        for match in _VERIFY.finditer(manifest if isinstance(manifest, bytes) else manifest.encode()):
            if (event := f"{folder}/{match[1].decode(errors='replace')}") in self.listing:
                self.read(event)

    def _list(self, folder: str) -> set[str]:
        """Take the names of all files below a folder, links to folders not followed; the names in the folder itself."""
        names: set[str] = set()
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            self.places.add(here)
            try:
                with os.scandir(self._path(here)) as entries:
                    found = list(entries)
            except OSError as error:
                if here == folder:  # what it holds may be a service, which must not vanish without a word
                    self._refuse(folder, f"cannot be listed: {error.strerror}", "make it readable")
                continue
            self._note_links(here, found)
            for entry in found:
                if not _is_folder(entry):
                    self.listing.add(f"{here}/{entry.name}")
                elif entry.name not in _SKIPPED and not entry.is_symlink():
                    waiting.append(f"{here}/{entry.name}")
            if here == folder:
                names = {entry.name for entry in found}
        return names

    def list_files(self, paths: object) -> None:
        """List those of the paths that are files of the workspace; loading refuses whatever else stands there."""
        for path in paths if isinstance(paths, list) else ():
            if isinstance(path, str) and "\0" not in path and not path.startswith("/") and ".." not in path.split("/"):
                full = self._path(path)
                self.places.add(path)
                if os.path.isfile(full) and self._inside(full):  # noqa: PTH113
                    self.listing.add(path)

    def _below(self, folder: str, segment: str) -> list[str]:
        top = self.root / folder
        if not any(sign in segment for sign in "*?"):
            path = f"{folder}/{segment}".lstrip("/")
            self.places.add(path)
            return [path] if os.path.isdir(self._path(path)) else []  # noqa: PTH112 - it raises for a name that is too long
        self.places.add(folder)
        try:
            with os.scandir(top) as entries:
                found = list(entries)
            names = [entry.name for entry in found if entry.is_dir() and not entry.name.startswith(".")]
        except OSError as error:
            self._refuse(folder, f"cannot be listed: {error.strerror}", "make it readable")
            return []
        self._note_links(folder, found)
        return [f"{folder}/{name}".lstrip("/") for name in names if name != "node_modules"]

    def _note_links(self, folder: str, entries: Iterable[os.DirEntry[str]]) -> None:
        """What a link leads to may become a folder, or cease to be one, without a trace in the folder it lies in."""
        self.places.update(f"{folder}/{entry.name}".lstrip("/") for entry in entries if entry.is_symlink())

    def _path(self, path: str) -> str:
        """In the file system. Texts, not `Path`: a thousand services' files are looked at for every command."""
        return f"{self.root}/{path}"

    def _is_within(self, folder: str) -> bool:
        """Whether a folder lies within the workspace: neither it nor one above is a link that leads out."""
        if folder not in self._within:
            full = self._path(folder)
            is_link = os.path.islink(full)  # noqa: PTH114 - a thousand times
            self._within[folder] = self._inside(full) if is_link else self._is_within(folder.rpartition("/")[0])
        return self._within[folder]

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == str(self.root) or real.startswith(f"{str(self.root).rstrip('/')}/")

    def _refuse(self, path: str, what: str, hint: str) -> None:
        self.problems.append(Problem(file=path, what=what, hint=hint))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link to one. A link that leads round in circles, or where nobody may look, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _content(handle: int, size: int) -> bytes:
    """A file's bytes, of which there should be `size`; one more than allowed is enough."""
    most = MAX_FILE_BYTES + 1
    content = os.read(handle, min(size + 1, most))
    while len(content) not in {size, most} and (more := os.read(handle, most - len(content))):
        content += more
    return content
