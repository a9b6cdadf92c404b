"""What of the locked packages a function never needs: tests, type stubs, documentation, caches of tools.

Licences, METADATA, entry points and package data stay. A folder of tests goes only when nothing outside of it speaks
of it, and a stub stays when a module reads stubs at run time (https://scientific-python.org/specs/spec-0001/).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_TESTS = frozenset({"tests", "test"})
_CACHES = frozenset({".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".git", ".github"})
_DOCUMENTS_AT_TOP = re.compile(
    r"(README|CHANGELOG|CHANGES|HISTORY|CONTRIBUTING|AUTHORS)(\.(md|rst|txt))?$", re.IGNORECASE
)
_DOCUMENTS = ("share/doc/", "share/man/", "share/info/")
_SPEAKS_OF_TESTS = re.compile(rb"[.\w]*\.tests?\b|\bimport tests?\b|\bfrom tests?\b|\bimport [^\n]*\btests?\b")
_READS_STUBS = b"attach_stub"


def pruned(paths: Collection[str], read: Callable[[str], bytes]) -> frozenset[str]:
    """Those of an installation's paths that stay; `read` gives the content of one."""
    kept = {path for path in paths if not _is_clutter(path)}
    folders = {folder for path in kept if (folder := _folder_of_tests(path)) is not None}
    if folders:
        wanted = _spoken_of(folders, kept, read)
        folders = {
            folder for folder in folders if not any(one == folder or one.startswith(f"{folder}/") for one in wanted)
        }
    readers = _readers_of_stubs(kept, read)
    return frozenset(
        path
        for path in kept
        if _folder_of_tests(path) not in folders
        and not (path.endswith(".pyi") and path.partition("/")[0] not in readers)
    )


def _is_clutter(path: str) -> bool:
    parts = path.split("/")
    if parts[0].endswith((".dist-info", ".egg-info")):
        return False
    if parts[0].endswith("-stubs") or not _CACHES.isdisjoint(parts[:-1]):
        return True
    if len(parts) == 1:
        return _DOCUMENTS_AT_TOP.match(path) is not None
    name = parts[-1]
    return path.startswith(_DOCUMENTS) or name in {".env", ".DS_Store", "Thumbs.db"} or name.startswith(".env.")


def _folder_of_tests(path: str) -> str | None:
    """The outermost folder of tests that the file lies in."""
    parts = path.split("/")[:-1]
    position = next((index for index, part in enumerate(parts) if part in _TESTS), None)
    return None if position is None else "/".join(parts[: position + 1])


def _spoken_of(folders: Collection[str], paths: Collection[str], read: Callable[[str], bytes]) -> set[str]:
    """Folders of tests that some module outside of all tests may import."""
    found = set()
    for path in paths:
        if not path.endswith(".py") or _folder_of_tests(path) is not None:
            continue
        here = posixpath.dirname(path)
        # Few lines hold the word, and the pattern takes its time with all others.
        lines = b"\n".join(_lines_with(b"test", read(path))).replace(b"\r", b"\n")
        words = {match.decode(errors="replace") for match in _SPEAKS_OF_TESTS.findall(lines)}
        for word in words:
            found |= {folder for folder in folders if _means(word, here, folder)}
    return found


def _lines_with(word: bytes, content: bytes) -> Iterator[bytes]:
    """The lines that hold a word: to cut all others out of thousands of files takes longer than everything else."""
    at = content.find(word)
    while at >= 0:
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        yield content[content.rfind(b"\n", 0, at) + 1 : end]
        at = content.find(word, end)


def _means(word: str, here: str, folder: str) -> bool:
    dotted = folder.replace("/", ".")
    if word.startswith("."):  # relative: from .tests, from ..tests
        level = len(word) - len(word.lstrip("."))
        base = here.split("/")[: len(here.split("/")) - level + 1] if here else []
        return ".".join([*base, *word.lstrip(".").split(".")]) in {dotted, f"{dotted}"}
    if word.startswith(("import ", "from ")):  # import tests; from . import a, tests
        return dotted in _TESTS or folder.partition("/")[0] == here.partition("/")[0]
    return word == dotted or word.startswith(f"{dotted}.") or dotted.endswith(f".{word}")


def _readers_of_stubs(paths: Collection[str], read: Callable[[str], bytes]) -> set[str]:
    """Top-level packages with a module that reads its own stub when it runs."""
    initials = [path for path in paths if path.endswith("__init__.py") and f"{path}i" in paths]
    return {path.partition("/")[0] for path in initials if _READS_STUBS in read(path)}
