"""How much the build cache holds, and what may go: the results that were used least recently.

Who takes a result notes it, and who publishes one has just written it; who deletes looks at both times. The first two
share a lock of the file system, and who deletes has it alone, so that a result is either taken or gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 4 * 1024**3
"""Bytes of ZIPs that stay when nobody says otherwise."""
IN_USE = 3600.0
"""Seconds. What was used this recently stays: another build may be about to read it."""
NOTED = 600.0
"""Seconds in which a use is noted once: builds in a row cost nothing."""
_KEPT = IN_USE + 2 * NOTED
"""Seconds since a use was noted. Who remembers that it was may do so at the end of the time in which it need not be."""
UV = "uv"
"""uv's caches for packages without a wheel, one for each set of build backends."""
TOOLS, NPM = "tools", "npm"
"""Programs of ours, and npm packages for another platform."""
FETCHED = (UV, TOOLS, NPM)
"""Folders of what comes from registries."""
_FETCHED_KEPT = 30 * 86_400.0
"""Seconds since one of these was used. Most builds need none."""
_ZIPS_OF = ("artifact", "wheel", "installation")
_NOTES_OF = ("changed-modules", "checked", "chosen", "export", "package", "types", "wheels")
"""Kinds of notes of which changes of locks and sources leave ever more, and that can be found out again."""
_NOTES_MAX = 10_000
"""How many of a kind may be there: of the smaller kinds ten changes of the lock of 1,000 services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the cache holds. Sizes in bytes."""

    folder: str
    version: str
    artifacts: int
    parts: int
    size: int
    other: int
    """Bytes of records, tools and what else is not a ZIP."""
    limit: int
    """Bytes of ZIPs that a build leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What went: how many ZIPs and their bytes, and the bytes of those that are left, of how many that may be there."""

    deleted: int
    freed: int
    left: int
    limit: int


@dataclass(frozen=True, slots=True)
class _Use:
    """A record of a ZIP."""

    record: Path
    digest: str


def note_use(folder: Path, record: str, now: float) -> bool:
    """Note that what the record speaks of is needed; False when it has just been deleted.

    A cache that cannot be written notes nothing, and has nothing deleted.
    """
    try:
        if now - os.stat(record).st_mtime < NOTED:  # noqa: PTH116
            return True
        with publishing(folder):
            os.utime(record)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Nothing is deleted meanwhile."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


def room(folder: Path) -> Room:
    """Count what lies in a versioned cache folder, while others may be at work in it."""
    zips = _zips(folder)
    artifacts = {use.digest for use in _uses(folder, ("artifact",))} & zips.keys()
    size, everything = sum(one.st_size for one in zips.values()), 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                everything += os.lstat(os.path.join(above, name)).st_size  # noqa: PTH118 - thousands
    return Room(
        folder=str(folder),
        version=folder.name,
        artifacts=len(artifacts),
        parts=len(zips) - len(artifacts),
        size=size,
        other=max(everything - size, 0),
        limit=LIMIT,
    )


def is_short(folder: Path) -> bool:
    """Whether there is more than the limits allow: a quick look, for every build that makes something."""
    if sum(one.st_size for one in _zips(folder).values()) > LIMIT:
        return True
    return any(len(list((folder / "index" / kind).glob("*.json"))) > _NOTES_MAX for kind in _NOTES_OF)


def make_room(folder: Path, now: float, *, limit: int = LIMIT, notes: int = _NOTES_MAX) -> Freed:
    """Delete the ZIPs used least recently until those left fit into `limit` bytes, and old notes beyond so many.

    The records go first, so that a process that is killed in between leaves a ZIP nobody speaks of, which the next
    call deletes, and never a record without its ZIP. What was used within the last hour stays, whatever the limit.
    """
    _sweep(folder / "tmp", now, 24 * IN_USE)
    for kind in FETCHED:
        _sweep(folder / kind, now, _FETCHED_KEPT)
    zips = _zips(folder)
    uses: dict[str, list[_Use]] = {digest: [] for digest in zips}
    for use in _uses(folder, _ZIPS_OF):
        uses.setdefault(use.digest, []).append(use)
    last = {digest: _last_use(folder, digest, uses[digest]) for digest in zips}
    total = sum(status.st_size for status in zips.values())
    gone = freed = 0
    for digest in sorted(zips, key=lambda one: (bool(uses[one]), last[one])):
        if total <= limit and uses[digest]:
            continue
        with _locked(folder, fcntl.LOCK_EX):
            if now - _last_use(folder, digest, uses[digest]) < _KEPT:
                continue  # also when somebody has taken or published it since we looked
            _delete(folder, digest, uses[digest])
        gone, freed, total = gone + 1, freed + zips[digest].st_size, total - zips[digest].st_size
    _tidy(folder, uses)
    for kind in _NOTES_OF:
        _thin_out(folder / "index" / kind, notes)
    return Freed(deleted=gone, freed=freed, left=total, limit=limit)


def _last_use(folder: Path, digest: str, uses: list[_Use]) -> float:
    """When the ZIP was last published or taken, in seconds since 1970; 0 when it is gone."""
    found = [0.0]
    for path in (folder / "zips" / f"{digest}.zip", *(use.record for use in uses)):
        with contextlib.suppress(OSError):
            found.append(path.stat().st_mtime)
    return max(found)


def _delete(folder: Path, digest: str, uses: list[_Use]) -> None:
    for use in uses:
        use.record.unlink(missing_ok=True)
    for suffix in (".zip", ".cdx.json"):
        (folder / "zips" / f"{digest}{suffix}").unlink(missing_ok=True)


def _tidy(folder: Path, uses: dict[str, list[_Use]]) -> None:
    """Delete records and SBOMs whose ZIP somebody has taken away."""
    alone = [(use.digest, use.record) for found in uses.values() for use in found]
    alone += [(path.name.removesuffix(".cdx.json"), path) for path in (folder / "zips").glob("*.cdx.json")]
    for digest, path in alone:
        archive = folder / "zips" / f"{digest}.zip"
        if not archive.exists():
            with _locked(folder, fcntl.LOCK_EX):
                if not archive.exists():
                    path.unlink(missing_ok=True)


def _thin_out(folder: Path, most: int) -> None:
    """Delete the older half of too many notes, so that there is nothing to do for a while."""
    found = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):
            found.append((path.stat().st_mtime, path))
    if len(found) > most:
        for _, path in sorted(found)[: -(most // 2)]:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold the cache's lock; without one where there can be none, as on a file system that cannot be written."""
    handle = -1
    try:
        with contextlib.suppress(OSError):
            handle = os.open(f"{folder}{os.sep}room.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(handle, how)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _zips(folder: Path) -> dict[str, os.stat_result]:
    found = {}
    for path in (folder / "zips").glob("*.zip"):
        with contextlib.suppress(FileNotFoundError):  # somebody else makes room as well
            found[path.stem] = path.stat()
    return found


def _uses(folder: Path, kinds: tuple[str, ...]) -> list[_Use]:
    found = []
    for kind in kinds:
        for record in (folder / "index" / kind).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(_Use(record, str(json.loads(record.read_bytes())["digest"])))
    return found


def _sweep(folder: Path, now: float, age: float) -> None:
    """Delete what nobody has touched for so many seconds."""
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime <= age:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
