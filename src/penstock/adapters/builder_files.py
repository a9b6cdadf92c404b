"""Digests of files, remembered by what `stat` says of them, so that looking at an unchanged workspace is quick."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import penstock
from penstock.adapters import builder_seen, whole_file
from penstock.adapters.builder_seen import Seen, State, boot
from penstock.adapters.publish import remember, sealed, unsealed
from penstock.build.ignore import INSTEAD, skips_file, skips_folder
from penstock.build.proof import secret_file
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from penstock.ports import Clock

_FORMAT = 5
_AT_ONCE = 1 << 20
"""Bytes of files that are read whole."""
_KNOWN_MAX = 400_000
"""Digests and facts that are kept; a workspace of 1,000 services has some 50,000. Beyond it all are found out anew."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the workspace: where it lies, its SHA-256 (hex), whether its owner may execute it."""

    place: str
    digest: str
    executable: bool

    @property
    def path(self) -> Path:
        """Where it lies; made on demand, because most of a thousand services' files are never opened."""
        return Path(self.place)

    @property
    def value(self) -> str:
        """What a recipe holds of it."""
        return f"{self.digest}+x" if self.executable else self.digest

    def read(self) -> bytes:
        """The content that the digest is of. Raises BuildFailed when somebody has changed it since."""
        content = whole_file.read(self.place)
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise changed_meanwhile(self.path)
        return content


def is_executable(status: os.stat_result) -> bool:
    """Whether the mode lets the owner execute a file; `os.access` also asks whether the file system runs anything."""
    return bool(status.st_mode & stat.S_IXUSR)


class ChangedMeanwhileError(BuildFailed):
    """Files changed under a build: its result would be kept under the wrong recipe."""


def changed_meanwhile(path: Path | str) -> ChangedMeanwhileError:
    """What to say of it when it does not end."""
    return ChangedMeanwhileError("it changed while it was being built", where=str(path), hint="build again")


class SourceFiles:
    """Reads a workspace's files. What it learnt lies in `memory`, a JSON file that may be lost at any time."""

    def __init__(self, root: Path, memory: Path, clock: Clock) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._prefix = f"{root}{os.sep}"
        self._memory_file = memory
        self._guard = threading.Lock()
        self._clock = clock
        self._loaded: tuple[dict[str, list[Any]], dict[str, Any]] | None = None
        self._changed = False
        self._watching = threading.local()
        self._noted: Seen | None = None
        self._there: dict[str, bool] | None = None
        self._texts: dict[str, str | None] | None = None
        self._walked: dict[tuple[str, bool], Mapping[str, SourceFile]] | None = None

    def digest(self, path: Path) -> str:
        """SHA-256 of the content, hex; read only when `stat` says something new. Raises OSError."""
        place = str(path)
        self._note(place)
        return self._digest(place, os.stat(place))  # noqa: PTH116 - a thousand times

    def walk(self, folder: str, *, outputs: bool = False) -> Mapping[str, SourceFile]:
        """All files below the folder that count, by their POSIX paths relative to it, sorted.

        `outputs` says that folders such as `dist` hold sources. Symbolic links are followed within the workspace.
        Raises BuildFailed for one that leaves it, or leads nowhere.
        """
        key = (folder, outputs)
        self._note_folder(folder, outputs=outputs)
        if self._walked is not None and key in self._walked:
            found = self._walked[key]
        else:
            place = builder_seen.place(self._prefix, folder)
            found = dict(sorted(self._walk(place, "", frozenset(), outputs=outputs)))
            if self._walked is not None:
                self._walked[key] = found
        if self._watched is not None and self._watched.folders[key] is None:
            for path in found:  # links lie there, but nobody is to write a file unseen
                self._note(f"{folder}/{path}")
        return found

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """Within it a folder is walked once, however many reach it: all see the same moment."""
        self._walked, self._there, self._texts, self._noted = {}, {}, {}, Seen()
        try:
            yield
        finally:
            self._walked, self._there, self._texts, self._noted = None, None, None, None

    @contextlib.contextmanager
    def watching(self) -> Iterator[Seen]:
        """Note everything that this thread looks at meanwhile, as it was just before."""
        self._watching.seen = Seen()
        try:
            yield self._watching.seen
        finally:
            self._watching.seen = None

    def leads_out(self, path: str) -> bool:
        """Whether a path, relative to the workspace, leads out of it by a symbolic link."""
        return not Path(os.path.realpath(self.root / path)).is_relative_to(self._real_root)

    def has(self, path: str) -> bool:
        """Whether there is a file at that path, relative to the workspace."""
        self._note(path)
        if self._there is not None and path in self._there:
            return self._there[path]
        found = os.path.isfile(builder_seen.place(self._prefix, path))  # noqa: PTH113 - a thousand times
        if self._there is not None:
            self._there[path] = found
        return found

    def file(self, path: str) -> SourceFile | None:
        """One file, relative to the workspace, whether it counts or not; None when a link leads there, or nothing."""
        self._note(path)
        place = builder_seen.place(self._prefix, path)
        if not os.path.isfile(place) or os.path.realpath(place) != str(self._real_root / path):  # noqa: PTH113
            return None
        status = Path(place).stat()
        return SourceFile(place, self._digest(place, status), is_executable(status))

    def stamp(self, path: str) -> State:
        """What `stat` says of a program, which nobody changes without a trace, and which is noted as looked at."""
        self._note(path)
        return builder_seen.state(path)

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder at that path, relative to the workspace."""
        self._note(path)
        return os.path.isdir(builder_seen.place(self._prefix, path))  # noqa: PTH112 - a thousand times

    def setting(self, path: str) -> str | None:
        """The text of a small file that many read, relative to the workspace; None when it is not there.

        Within `one_look` it is read once. Raises BuildFailed when it is not UTF-8.
        """
        if self._texts is not None and path in self._texts:
            self._note(path)
            return self._texts[path]
        found = self.text(self.root / path)
        if self._texts is not None:
            self._texts[path] = found
        return found

    def text(self, path: Path) -> str | None:
        """The file's text, or None when it is not there. Raises BuildFailed when it is not UTF-8."""
        self._note(str(path))
        try:
            return _decoded(whole_file.read(path), path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def fact(self, kind: str, path: Path, compute: Callable[[], Any]) -> Any:
        """What `compute` says of a file's content as JSON, remembered by the content's digest."""
        return self._learnt(f"{kind} {self.digest(path)}", compute)

    def known(self, kind: str, file: SourceFile, compute: Callable[[], Any]) -> Any:
        """The same of a file whose digest is known; `compute` must read it by `file.read`."""
        return self._learnt(f"{kind} {file.digest}", compute)

    def knows(self, kind: str, file: SourceFile) -> bool:
        """Whether `known` would compute nothing."""
        return f"{kind} {file.digest}" in self._facts

    def text_fact(self, kind: str, path: Path, compute: Callable[[str], Any]) -> Any:
        """The same of a file's text. Raises BuildFailed when it is not UTF-8, OSError when it is not there."""
        key = f"{kind} {self.digest(path)}"
        if key not in self._facts:
            content = whole_file.read(path)
            # The digest of what is computed from, should somebody write at this moment.
            key = f"{kind} {hashlib.sha256(content).hexdigest()}"
            self._facts[key] = compute(_decoded(content, path))
            self._changed = True
        return self._facts[key]

    def fact_of(self, kind: str, text: str, compute: Callable[[], Any]) -> Any:
        """The same of a text that somebody has read."""
        return self._learnt(f"{kind} {hashlib.sha256(text.encode()).hexdigest()}", compute)

    def _learnt(self, key: str, compute: Callable[[], Any]) -> Any:
        if key not in self._facts:
            self._facts[key] = compute()
            self._changed = True
        return self._facts[key]

    def recall(self, key: str) -> Any:
        """What `remember` was last told under the key, or None."""
        return self._facts.get(f"memory {key}")

    def remember(self, key: str, value: Any) -> None:
        """Keep a small JSON value that may be lost at any time."""
        if self._facts.get(f"memory {key}") != value:
            self._facts[f"memory {key}"] = value
            self._changed = True

    @property
    def _digests(self) -> dict[str, list[Any]]:
        return self._memory()[0]

    @property
    def _facts(self) -> dict[str, Any]:
        return self._memory()[1]

    def _memory(self) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """Read when it is first needed: a build with nothing to do is told by less."""
        with self._guard:
            if self._loaded is None:
                self._loaded = _load(self._memory_file)
            return self._loaded

    def save(self) -> None:
        """Keep what was learnt; a cache that cannot be written only costs time."""
        if not self._changed:
            return
        digests, facts = dict(self._digests), dict(self._facts)
        if len(digests) + len(facts) > _KNOWN_MAX:  # of files and contents that have long gone
            digests, facts = {}, _told(facts)
        by = penstock.__version__
        known = {"format": _FORMAT, "penstock": by, "boot": boot(), "digests": digests, "facts": facts}
        # Not `dump`, which leaves the encoding to Python code and takes several times as long.
        remember(self._memory_file, sealed(json.dumps(known).encode()))
        self._changed = False

    @property
    def _watched(self) -> Seen | None:
        return getattr(self._watching, "seen", None)

    def _note(self, path: str) -> None:
        """Note what lies there, for whom it may concern; within one look as it was the first time."""
        watched = self._watched
        if watched is None:
            return
        path = path.removeprefix(self._prefix)
        noted = (self._noted or watched).paths
        if path not in noted:
            noted[path] = builder_seen.state(builder_seen.place(self._prefix, path))
        watched.paths[path] = noted[path]

    def _note_folder(self, folder: str, *, outputs: bool) -> None:
        watched = self._watched
        if watched is None:
            return
        key = (folder, outputs)
        noted = (self._noted or watched).folders
        if key not in noted:
            noted[key] = builder_seen.listing(builder_seen.place(self._prefix, folder), outputs=outputs)
        watched.folders[key] = noted[key]

    def _walk(
        self, folder: str, prefix: str, above: frozenset[str], *, outputs: bool
    ) -> Iterator[tuple[str, SourceFile]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                relative = prefix + entry.name
                status = self._status(entry, relative, outputs=outputs)
                if status is None:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                    if real in above:
                        raise BuildFailed("a symbolic link that leads to a folder above itself", where=entry.path)
                    yield from self._walk(entry.path, f"{relative}/", above | {real}, outputs=outputs)
                elif stat.S_ISREG(status.st_mode):
                    yield relative, SourceFile(entry.path, self._digest(entry.path, status), is_executable(status))
                else:
                    raise BuildFailed("neither a file nor a folder", where=entry.path)

    def _status(self, entry: os.DirEntry[str], relative: str, *, outputs: bool) -> os.stat_result | None:
        """What the entry is, links followed; None when it does not count."""
        if skips_folder(relative, outputs=outputs) if entry.is_dir() else skips_file(relative):
            return None
        if entry.is_symlink():
            target = Path(os.path.realpath(entry.path))
            if not target.is_relative_to(self._real_root):
                raise BuildFailed(f"a symbolic link out of the workspace, to {target}", where=entry.path)
            if not target.exists():
                raise BuildFailed(f"a symbolic link to nothing ({target})", where=entry.path)
            if secret_file(target.name):
                what = f"a symbolic link to {target.name}, a file for one machine or person"
                raise BuildFailed(what, where=entry.path, hint=INSTEAD)
            return target.stat()
        return entry.stat(follow_symlinks=False)

    def _digest(self, path: str, status: os.stat_result) -> str:
        seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._digests.get(path)
        if known is not None and known[:4] == seen:
            return str(known[4])
        now = self._clock.now()
        if status.st_size < _AT_ONCE:
            digest = hashlib.sha256(whole_file.read(path)).hexdigest()
        else:
            with Path(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        if builder_seen.is_settled(status.st_mtime_ns, status.st_ctime_ns, now):
            self._digests[path] = [*seen, digest]
            self._changed = True
        return digest


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BuildFailed("not UTF-8", where=str(path)) from error


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those that `remember` was told, and nothing that was found out from contents."""
    return {key: fact for key, fact in facts.items() if key.startswith("memory ")}


def _load(memory: Path) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    try:
        content = json.loads(unsealed(memory.read_bytes()))
        if content["format"] == _FORMAT:
            facts = content["facts"]
            if content["penstock"] != penstock.__version__:  # another one may find other facts in the same contents
                facts = _told(facts)
            # A power cut may have taken what files held, and left their times and sizes.
            return dict(content["digests"]) if content["boot"] == boot() else {}, dict(facts)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}, {}
