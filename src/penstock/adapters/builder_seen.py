"""What `stat` says of files and folders, as plain JSON values that can be compared later: equal means unchanged.

As with git's index, a file counts as seen only when its last change is older than its file system's clock can blur:
one that was written a moment before may be written again without a trace in its times.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from penstock.build.ignore import skips_file, skips_folder

if TYPE_CHECKING:
    from pathlib import Path

ABSENT, FOLDER, ODD = "", "folder", "?"
"""States of a path that is no file; nothing is ever equal to an odd one, not even itself."""
_BLUR = 0.1
"""Seconds. Linux stamps files with the time of its last tick, 1 to 10 ms ago."""
_COARSE_BLUR = 2.1
"""Seconds, for whole seconds in `ctime`: FAT counts two at a time, HFS+, ext3 and many servers one."""
_SECOND = 1_000_000_000

State = str | list[int]
"""Of one path. A file: size, mtime and ctime in ns, inode, mode."""
Listing = dict[str, Any]
"""Of a folder: states by name, listings for inner folders; what does not count is left out."""


@dataclass(slots=True)
class Seen:
    """Everything that somebody looked at. Paths are relative to the workspace where they lie in it."""

    folders: dict[tuple[str, bool], Listing | None] = field(default_factory=dict)
    """By folder and whether `dist` and `build` count in it; None when nothing is sure."""
    paths: dict[str, State] = field(default_factory=dict)


def place(top: str, path: str) -> str:
    """Where a path below `top`, which ends with a separator, lies; an absolute one is itself.

    `join` says the same, and asks more than thousands of files bear.
    """
    return path if path.startswith(os.sep) else top + path


def state(path: str) -> State:
    """What lies at the path, links followed."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a thousand times
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except OSError:
        return ODD
    if stat.S_ISREG(found.st_mode):
        return _of_file(found)
    return FOLDER if stat.S_ISDIR(found.st_mode) else ODD


def listing(folder: str, *, outputs: bool, prefix: str = "") -> Listing | None:
    """All that counts below a folder; None for one that cannot be told from its `stat` alone, as with links."""
    found: Listing = {}
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                name = entry.name
                is_folder = entry.is_dir()
                if _skips(prefix + name, is_folder, outputs):
                    continue
                if entry.is_symlink():
                    return None
                if is_folder:
                    inner = listing(entry.path, outputs=outputs, prefix=f"{prefix}{name}/")
                    if inner is None:
                        return None
                    found[name] = inner
                else:
                    status = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        return None
                    found[name] = _of_file(status)
    except OSError:
        return None
    return found


def mark(found: State | Listing | None) -> str | None:
    """A short text instead: of two that are equal, what they stand for is. None of what nobody can be sure of."""
    if found is None or found == ODD:
        return None
    return hashlib.blake2b(repr(found).encode(), digest_size=12).hexdigest()


def is_settled(mtime: int, ctime: int, now: float) -> bool:
    """Whether a file with these times (ns) would bear later ones if it were changed after `now` (s since 1970)."""
    return now - max(mtime, ctime) / _SECOND > (_BLUR if ctime % _SECOND else _COARSE_BLUR)


def is_sure(seen: Seen, now: float) -> bool:
    """Whether what was seen up to `now` could not have changed since without a trace."""
    return all(_sure_state(one, now) for one in seen.paths.values()) and all(
        one is not None and _sure_listing(one, now) for one in seen.folders.values()
    )


def is_as_seen(root: Path | str, seen: Seen) -> bool:
    """Whether `stat` still says the same of everything."""
    top = f"{root}{os.sep}"
    return all(state(place(top, path)) == found for path, found in seen.paths.items()) and all(
        listing(place(top, folder), outputs=outputs) == found for (folder, outputs), found in seen.folders.items()
    )


def beside_folders(seen: Seen) -> dict[str, State]:
    """The paths of which the listings do not speak already."""
    return {path: found for path, found in seen.paths.items() if not _speaks_of(seen, path, found)}


@cache
def boot() -> str | None:
    """What tells this start of the system from the one before; None where nothing does."""
    try:
        handle = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(handle, 64).decode("ascii").strip()
    finally:
        os.close(handle)


@cache
def _skips(relative: str, is_folder: bool, outputs: bool) -> bool:  # noqa: FBT001 - a key of the cache
    return skips_folder(relative, outputs=outputs) if is_folder else skips_file(relative)


def _of_file(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode]


def _sure_state(found: State, now: float) -> bool:
    return found != ODD if isinstance(found, str) else is_settled(found[1], found[2], now)


def _sure_listing(found: Listing, now: float) -> bool:
    return all(
        _sure_listing(one, now) if isinstance(one, dict) else is_settled(one[1], one[2], now) for one in found.values()
    )


def _speaks_of(seen: Seen, path: str, found: State) -> bool:
    for (folder, outputs), listed in seen.folders.items():
        if listed is None or not path.startswith(f"{folder}/"):
            continue
        relative = path[len(folder) + 1 :]
        *above, name = relative.split("/")
        inner: Any = listed
        for part in above:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            continue
        if name in inner:
            return bool(inner[name] == found)
        # A name that is skipped is not in the listing, whatever lies there.
        return found == ABSENT and not _skips(relative, False, outputs) and not _skips(relative, True, outputs)  # noqa: FBT003
    return False
