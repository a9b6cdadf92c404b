"""How much the build cache holds, and what may go: the results that were used least recently."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 4 * 1024**3
"""Bytes of ZIPs that stay when nobody says otherwise."""
IN_USE = 3600.0
"""Seconds. What was used this recently stays: another build may be about to read it."""
_ZIPS_OF = ("artifact", "wheel", "installation")


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


@dataclass(frozen=True, slots=True)
class _Use:
    """A record and when it was last used, as seconds since 1970."""

    record: Path
    digest: str
    at: float


def room(folder: Path) -> Room:
    """Count what lies in a versioned cache folder."""
    zips = {path.stem: path.stat().st_size for path in (folder / "zips").glob("*.zip")}
    artifacts = {use.digest for use in _uses(folder, ("artifact",))} & zips.keys()
    everything = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return Room(
        folder=str(folder),
        version=folder.name,
        artifacts=len(artifacts),
        parts=len(zips) - len(artifacts),
        size=sum(zips.values()),
        other=everything - sum(zips.values()),
    )


def is_short(folder: Path) -> bool:
    """Whether there is more than the limit allows: a quick look, for every build that makes something."""
    return sum(path.stat().st_size for path in (folder / "zips").glob("*.zip")) > LIMIT


def make_room(folder: Path, now: float, *, limit: int = LIMIT) -> tuple[int, int]:
    """Delete the ZIPs used least recently until those left fit into `limit` bytes; how many went, and their bytes.

    The records go first, so that a process that is killed in between leaves a ZIP nobody speaks of, which the next
    call deletes, and never a record without its ZIP.
    """
    _sweep(folder / "tmp", now)
    zips = {path.stem: path.stat() for path in (folder / "zips").glob("*.zip")}
    uses: dict[str, list[_Use]] = {digest: [] for digest in zips}
    for use in _uses(folder, _ZIPS_OF):
        uses.setdefault(use.digest, []).append(use)
    last = {
        digest: max((use.at for use in uses[digest]), default=0.0)
        or (status.st_mtime if now - status.st_mtime < IN_USE else 0.0)
        for digest, status in zips.items()
    }
    total = sum(status.st_size for status in zips.values())
    gone = freed = 0
    for digest in sorted(zips, key=lambda one: last[one]):
        if now - last[digest] < IN_USE or (total <= limit and uses[digest]):
            continue
        for use in uses[digest]:
            use.record.unlink(missing_ok=True)
        for suffix in (".zip", ".cdx.json"):
            (folder / "zips" / f"{digest}{suffix}").unlink(missing_ok=True)
        gone, freed, total = gone + 1, freed + zips[digest].st_size, total - zips[digest].st_size
    return gone, freed


def _uses(folder: Path, kinds: tuple[str, ...]) -> list[_Use]:
    found = []
    for kind in kinds:
        for record in (folder / "index" / kind).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(_Use(record, str(json.loads(record.read_bytes())["digest"]), record.stat().st_mtime))
    return found


def _sweep(folder: Path, now: float) -> None:
    """Delete what builds that were killed have left behind."""
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > 24 * IN_USE:
                shutil.rmtree(path, ignore_errors=True)
