"""Code of functions on disk: unpacked once, shared by all processes, with the bytecode of what did not change.

A release changes a few files of many. Writing the others again, and compiling them, would take most of the first
invocation's time, so they are linked from the release before with their bytecode. Bytecode is valid for a source of the
same time and size, so a file's time stands for its content here: it is made from its CRC, and bytecode of another
content is never run, however it came there. That a file is the same is told by its name, its CRC and both its sizes in
the ZIP. Files are read-only, as all of a function's folder is on Lambda.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import zipfile
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_EARLIEST = 315532800  # 1980-01-01, where ZIP's calendar begins
_TIMES = 1_400_000_000
"""How many seconds a file's time is chosen from, all of them past and borne by every file system."""
_NEIGHBOURS = 6
_KEPT = 40
_DIGITS = 32
_ENOUGH = 0.9
"""Share of the files; what is more is not worth a look into one more neighbour."""


def unpacked(code: Path, code_zip: bytes) -> Path:
    """The folder with a ZIP's content; it appears whole or not at all."""
    folder = code / hashlib.sha256(code_zip).hexdigest()[:_DIGITS]
    if folder.is_dir():
        # Young is what was used last: old code that is live again must survive `tidy`, on a full disk above all.
        with suppress(OSError):
            os.utime(code / f"{folder.name}.json")
        return folder
    fresh = code / f".{folder.name}.{secrets.token_hex(4)}"
    fresh.mkdir(parents=True)
    try:
        index = _unpack(code, code_zip, fresh)
        (code / f"{folder.name}.json").write_text(json.dumps(index))
    except BaseException:  # a full disk above all, which would be the fuller with every call
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    try:
        fresh.rename(folder)
    except OSError:  # another invocation was quicker
        shutil.rmtree(fresh)
    return folder


def _unpack(code: Path, code_zip: bytes, fresh: Path) -> dict[str, list[int]]:
    """Fill the fresh folder; each file's CRC, size and compressed size."""
    with zipfile.ZipFile(BytesIO(code_zip)) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        index = {entry.filename: [entry.CRC, entry.file_size, entry.compress_size] for entry in files}
        linked = _link_what_is_the_same(code, fresh, index)
        for entry in archive.infolist():
            if entry.filename not in linked:
                _extract(archive, entry, fresh)
    return index


def tidy(code: Path) -> None:
    """At the start: remove what a killed server left half unpacked, and all but the youngest folders."""
    if not code.is_dir():
        return
    for left in code.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
    drop_old(code)


def drop_old(code: Path, wanted: Iterable[str] = ()) -> None:
    """Remove all but the youngest folders and those of code that functions still have.

    Args:
        code: the folder of folders.
        wanted: `CodeSha256` of code that a function, a version or a process has.
    """
    names = {folder_of(digest) for digest in wanted}
    for old in _youngest_first(code)[_KEPT:]:
        if old not in names:
            # The list first: what is not in it is linked from nowhere.
            (code / f"{old}.json").unlink(missing_ok=True)
            shutil.rmtree(code / old, ignore_errors=True)


def folder_of(digest: str) -> str:
    """The folder's name of code with that `CodeSha256`."""
    return base64.b64decode(digest).hex()[:_DIGITS]


def _youngest_first(code: Path) -> list[str]:
    ages = {}
    for path in code.glob("*.json"):
        with suppress(FileNotFoundError):  # dropped meanwhile, after another deploy
            ages[path.stem] = path.stat().st_mtime
    return sorted(ages, key=ages.__getitem__, reverse=True)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    place = archive.extract(entry, folder)
    if not entry.is_dir():
        mode = entry.external_attr >> 16 & 0o555
        os.chmod(place, mode or 0o444)  # noqa: PTH101 - extract gives a string
        told = _EARLIEST + entry.CRC % _TIMES
        os.utime(place, (told, told))


def _link_what_is_the_same(code: Path, fresh: Path, index: Mapping[str, list[int]]) -> set[str]:
    """Link files of the same name and content from the youngest other folders, and their bytecode; which ones."""
    linked: set[str] = set()
    compiled: set[str] = set()
    for name in _youngest_first(code)[:_NEIGHBOURS]:
        try:
            there = json.loads((code / f"{name}.json").read_text())
        except (OSError, ValueError):
            continue
        same = {file for file, value in index.items() if there.get(file) == value}
        for file in same - linked:
            if _link(code / name / file, fresh / file):
                linked.add(file)
        _link_bytecode(code / name, fresh, same, compiled)
        if compiled and len(linked) >= _ENOUGH * len(index):
            break
    return linked


def _link_bytecode(other: Path, fresh: Path, same: set[str], done: set[str]) -> None:
    """Link the bytecode of these sources; `done` names what has been linked before, and grows."""
    for folder in {file.rpartition("/")[0] for file in same if file.endswith(".py")}:
        cache = f"{folder}/__pycache__" if folder else "__pycache__"
        try:
            found = os.listdir(other / cache)  # noqa: PTH208 - hundreds of names, of which only a string is needed
        except OSError:  # nothing in it was imported
            continue
        for name in found:
            source = f"{name.partition('.')[0]}.py"
            bytecode = f"{cache}/{name}"
            wanted = (f"{folder}/{source}" if folder else source) in same and bytecode not in done
            if wanted and _link(other / bytecode, fresh / bytecode):
                done.add(bytecode)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            os.link(source, target)
            return True
        return False
    except OSError:
        return False
    return True
