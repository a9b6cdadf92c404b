"""Code of functions on disk: unpacked once, shared by all processes, with the bytecode of what did not change.

A release changes a few files of many. Compiling the others again would take most of the first invocation's time, so
their bytecode is linked from the release before: source files get one fixed time, and bytecode is valid for a source of
the same time and size; same content is checked by the ZIP's CRC.
"""

from __future__ import annotations

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
    from collections.abc import Mapping
    from pathlib import Path

_FIXED_TIME = 315532800  # 1980-01-01, where ZIP's calendar begins
_NEIGHBOURS = 6
_KEPT = 40


def unpacked(code: Path, code_zip: bytes) -> Path:
    """The folder with a ZIP's content; it appears whole or not at all."""
    folder = code / hashlib.sha256(code_zip).hexdigest()[:32]
    if folder.is_dir():
        # Young is what was used last: old code that is live again must survive `tidy`, on a full disk above all.
        with suppress(OSError):
            os.utime(code / f"{folder.name}.json")
        return folder
    fresh = code / f".{folder.name}.{secrets.token_hex(4)}"
    fresh.mkdir(parents=True)
    with zipfile.ZipFile(BytesIO(code_zip)) as archive:
        index = {entry.filename: [entry.CRC, entry.file_size] for entry in archive.infolist() if not entry.is_dir()}
        for entry in archive.infolist():
            place = archive.extract(entry, fresh)
            if not entry.is_dir():
                mode = entry.external_attr >> 16 & 0o777
                if mode:
                    os.chmod(place, mode)  # noqa: PTH101 - extract gives a string
                os.utime(place, (_FIXED_TIME, _FIXED_TIME))
    _link_bytecode(code, fresh, index)
    (code / f"{folder.name}.json").write_text(json.dumps(index))
    try:
        fresh.rename(folder)
    except OSError:  # another invocation was quicker
        shutil.rmtree(fresh)
    return folder


def tidy(code: Path) -> None:
    """Remove what a killed server left half unpacked, and all but the youngest folders."""
    if not code.is_dir():
        return
    for left in code.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
    for old in _youngest_first(code)[_KEPT:]:
        shutil.rmtree(code / old, ignore_errors=True)
        (code / f"{old}.json").unlink(missing_ok=True)


def _youngest_first(code: Path) -> list[str]:
    return [path.stem for path in sorted(code.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)]


def _link_bytecode(code: Path, fresh: Path, index: Mapping[str, list[int]]) -> None:
    """Link bytecode of files with the same name and content from the youngest other folders."""
    for name in _youngest_first(code)[:_NEIGHBOURS]:
        other = code / name
        try:
            same = {
                key for key, value in json.loads((code / f"{name}.json").read_text()).items() if index.get(key) == value
            }
        except (OSError, ValueError):
            continue
        for compiled in other.rglob("__pycache__/*.pyc"):
            source = compiled.parent.parent.relative_to(other) / f"{compiled.name.partition('.')[0]}.py"
            target = fresh / compiled.relative_to(other)
            if source.as_posix() in same and not target.exists():
                target.parent.mkdir(exist_ok=True)
                os.link(compiled, target)
