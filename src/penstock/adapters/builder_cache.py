"""The content-addressed cache of ZIPs: published by rename, never half-written, checked when taken out.

    <cache>/v1/index/<kind>/<key>.json     what a key was made into: the ZIP's digest and sizes, and the key itself; or
                                           a note of what was found out, under its seal
    <cache>/v1/zips/<sha256>.zip           the ZIPs
    <cache>/v1/zips/<sha256>.cdx.json      the SBOMs of those that are artifacts, which their serial numbers seal
    <cache>/v1/tools/<name>-<version>/     programs of ours that were fetched
    <cache>/v1/npm/<name>-<version>.tgz    npm packages that were fetched for another platform
    <cache>/v1/tmp/                        what is being written

The version changes with the format, so that old and new Penstocks share a folder in peace. Two builds that make the
same thing at once both rename the same bytes into place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from penstock.adapters import whole_file
from penstock.adapters.builder_drafts import Drafts, made_in
from penstock.adapters.builder_room import UV, note_use, publishing
from penstock.adapters.builder_seen import boot
from penstock.build import archive, sbom
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from penstock.adapters.builder_files import SourceFiles
    from penstock.build.archive import Member


_MAPPED_MAX = 32
_PATIENCE = 5
"""How often a folder may disappear while something is put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A ZIP of the cache, and where it lies. Sizes in bytes."""

    place: str
    digest: str
    size: int
    unzipped: int

    @property
    def path(self) -> Path:
        """The place; made on demand, because nobody opens most of a thousand."""
        return Path(self.place)


class ZipCache:
    """ZIPs by the key of what they were made from."""

    def __init__(self, folder: Path, files: SourceFiles) -> None:
        self.folder = folder / "v1"
        self._zips = f"{self.folder}{os.sep}zips{os.sep}"
        self._index = f"{self.folder}{os.sep}index{os.sep}"
        self._files = files
        self._guard = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._members: dict[str, tuple[Member, ...]] = {}
        self._drafts = Drafts(self.folder / "tmp")

    def get(self, kind: str, key: str) -> Entry | None:
        """The ZIP of that key, or None when there is none, its bytes are not what they were, or it is another key's."""
        record = _json(self._record(kind, key)) or {}
        if (record.get("kind"), record.get("key")) != (kind, key):
            return None
        try:
            digest, size, unzipped = str(record["digest"]), int(record["size"]), int(record["unzipped"])
        except (KeyError, TypeError, ValueError):
            return None
        place = self.place(digest)
        try:
            sound = os.stat(place).st_size == size and self._files.digest(Path(place)) == digest  # noqa: PTH116
        except OSError:
            return None
        if not sound or not self.use(kind, key):
            return None
        return Entry(place=place, digest=digest, size=size, unzipped=unzipped)

    def use(self, kind: str, key: str) -> bool:
        """Note that somebody needs the ZIP of that key, so that nobody deletes it soon; False when it has just gone."""
        return note_use(self.folder, self._record(kind, key), time.time())

    def put(self, kind: str, key: str, members: Iterable[Member], sbom: Callable[[str], str] | None = None) -> Entry:
        """Write a ZIP, and only when it lies there whole, the record of its key.

        `sbom` gives, for the ZIP's digest, what is kept beside it.
        """
        members = tuple(members)
        with _told(), self._drafts.draft() as draft:
            with made_in(os.path.dirname(draft), lambda: open(draft, "wb")) as file:  # noqa: PTH120, PTH123
                os.fchmod(file.fileno(), 0o644)
                sink = _Hashing(file)
                size = archive.write(members, sink)
                file.flush()
                if _must_settle():
                    os.fsync(file.fileno())
            digest = sink.hash.hexdigest()
            place = self.place(digest)
            about = sbom(digest) if sbom is not None else None
            unzipped = sum(member.size for member in members)
            entry = Entry(place=place, digest=digest, size=size, unzipped=unzipped)
            with publishing(self.folder):
                _move(draft, place)
                if about is not None:
                    _publish(draft, self.place(digest, ".cdx.json"), about)
                self._publish_record(draft, kind, key, entry)
        return entry

    def adopt(self, kind: str, key: str, draft: Path, sbom: Path, digest: str) -> Entry:
        """Take in a ZIP that was made elsewhere, with its SBOM; both lie in a `scratch` folder, with that digest.

        Raises ArchiveError when it is not an archive of ours.
        """
        unzipped = sum(member.size for member in archive.read(draft.read_bytes()))
        with _told():
            size, place = draft.stat().st_size, self.place(digest)
            draft.chmod(0o644)
            entry = Entry(place=place, digest=digest, size=size, unzipped=unzipped)
            with publishing(self.folder):
                _move(str(draft), place)
                sbom.replace(self.place(digest, ".cdx.json"))
                self._publish_record(str(draft.with_name("record.json")), kind, key, entry)
        return entry

    def has_sbom(self, digest: str) -> bool:
        """Whether the SBOM of an artifact lies there as it was written."""
        try:
            return sbom.is_whole(whole_file.read(self.place(digest, ".cdx.json")).decode())
        except (OSError, UnicodeDecodeError):
            return False

    def get_or_make(self, kind: str, key: str, make: Callable[[], Iterable[Member]]) -> Entry:
        """The ZIP of that key; threads that want the same one wait for the first instead of making it as well."""
        with self._guard:
            lock = self._making.setdefault(f"{kind} {key}", threading.Lock())
        with lock:
            return self.get(kind, key) or self.put(kind, key, make())

    def members(self, entry: Entry) -> tuple[Member, ...]:
        """The members of a ZIP, mapped into memory rather than read; what many ask for is looked at once."""
        known = self._members.get(entry.digest)
        if known is None:
            with entry.path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if len(self._members) >= _MAPPED_MAX:
                self._members.clear()
            known = self._members[entry.digest] = archive.read(memoryview(mapped))
        return known

    def note(self, kind: str, key: str) -> dict[str, Any] | None:
        """A small JSON value that was kept under the key; None where there is none, or another than was kept."""
        found = _json(self._record(kind, key)) or {}
        value = found.get("value")
        return value if isinstance(value, dict) and found.get("seal") == _seal(kind, key, value) else None

    def keep_note(self, kind: str, key: str, value: dict[str, Any], *, most: int | None = None) -> None:
        """Keep a small JSON value; of its kind only so many, the latest."""
        with _told():
            if most is not None:
                notes = Path(self._index, kind).glob("*.json")
                for old in sorted(notes, key=lambda one: one.stat().st_mtime)[: 1 - most or None]:
                    old.unlink(missing_ok=True)
            sealed = {"kind": kind, "key": key, "seal": _seal(kind, key, value), "value": value}
            with self._drafts.draft() as draft:
                _publish(draft, self._record(kind, key), json.dumps(sealed, sort_keys=True))

    def drop_note(self, kind: str, key: str) -> None:
        """Forget one that nobody will ask for any more."""
        with contextlib.suppress(OSError):
            os.unlink(self._record(kind, key))  # noqa: PTH108

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for one step's files, on the cache's file system, gone afterwards."""
        with contextlib.ExitStack() as stack:
            with _told():
                path = stack.enter_context(self._drafts.folder())
            yield path

    def many_steps(self) -> AbstractContextManager[None]:
        """Meanwhile what steps leave costs those that follow as little as may be."""
        return self._drafts.many_steps()

    def uv_of(self, key: str) -> Path:
        """A cache of uv's own for what is built under that key; one that nobody uses for a while goes."""
        folder = self.folder / UV / key
        with _told():
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
        return folder

    def fetched(self, kind: str, name: str) -> Path:
        """Where something that was fetched lies, or is to lie; what nobody asks for for a while goes.

        `kind` is one of `FETCHED`.
        """
        path = self.folder / kind / name
        with contextlib.suppress(OSError):  # it is not there yet, or nothing may be noted
            os.utime(path)
        return path

    def forget(self) -> None:
        """Forget everything, for a build from nothing.

        ZIPs without a record stay until somebody makes room: another process may be reading them. Records go aside
        before they are deleted, so that nobody who writes one meanwhile is in the way.
        """
        # What package managers made is not ours, what was built is history; and of sources that scripts write in the
        # workspace nobody could tell without the notes that they do.
        kept = {"node-modules", "recipe", "lock", "generated"}
        with self.scratch() as scratch, _told():
            for path in (self.folder / "index").glob("*"):
                if path.name not in kept:
                    with contextlib.suppress(FileNotFoundError):  # somebody else forgets as well
                        path.rename(scratch / path.name)

    def _publish_record(self, draft: str, kind: str, key: str, entry: Entry) -> None:
        """It names its key, so that one that comes to lie in another's place counts for nothing."""
        about = {"kind": kind, "key": key, "digest": entry.digest, "size": entry.size, "unzipped": entry.unzipped}
        _publish(draft, self._record(kind, key), json.dumps(about, sort_keys=True))

    def _record(self, kind: str, key: str) -> str:
        """Where that lies; as a text, like most places here: to make a `Path` of each takes longer than to ask."""
        return f"{self._index}{kind}{os.sep}{key}.json"

    def place(self, digest: str, suffix: str = ".zip") -> str:
        """Where the ZIP with that digest lies, or its SBOM (`.cdx.json`), or would."""
        return f"{self._zips}{digest}{suffix}"


class _Hashing:
    """Writes to a file and knows the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> None:
        self._file.write(data)
        self.hash.update(data)


def _publish(draft: str, path: str, text: str) -> None:
    content = text.encode()
    made_in(os.path.dirname(draft), lambda: whole_file.write(draft, content, settled=_must_settle()))  # noqa: PTH120
    _move(draft, path)


def _move(draft: str, path: str) -> None:
    """Put a finished file into its place, whose folder need not be there yet."""
    for patience in range(_PATIENCE, -1, -1):
        try:
            os.replace(draft, path)  # noqa: PTH105
        except FileNotFoundError:  # or a build from nothing has just put the folder aside
            if not patience:
                raise
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        else:
            return


def _must_settle() -> bool:
    """Whether to wait for the disk: where a power cut could not be noticed; else all digests are checked after one."""
    return boot() is None


def _seal(kind: str, key: str, value: dict[str, Any]) -> str:
    """What a note is known by: nobody takes one that was changed, or that was another's."""
    return hashlib.sha256(json.dumps([kind, key, value], sort_keys=True).encode()).hexdigest()


def _json(path: str) -> dict[str, Any] | None:
    try:
        content = json.loads(whole_file.read(path))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn a full disk or a read-only folder into words."""
    try:
        yield
    except OSError as error:
        raise BuildFailed(
            f"cannot write to the build cache: {error.strerror}",
            where=str(error.filename or ""),
            hint="make room, or make the folder writable",
        ) from error
