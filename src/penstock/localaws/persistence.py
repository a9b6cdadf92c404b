"""State that survives ``kill -9``: one SQLite transaction for all services.

`Keeper` looks every `_INTERVAL` s whether anything happened and commits what changed in one transaction, so at most one
second is lost and services never disagree with each other. On a full disk `Keeper.room_for`, asked before a request
that changes something is let in, refuses it. S3 objects are not here but in `objects`: they are on disk before they are
acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from penstock.localaws.objects import StorageError
from penstock.localaws.unlocked import settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_INTERVAL = 0.4
_ACTIVE_FOR = 3.0  # seconds after the last activity in which delayed effects (pollers, state changes) still land
_IDLE_INTERVAL = 5.0  # seconds between looks while nobody asks anything; timers may still change something
_PATIENCE = 10.0  # seconds that the event loop may take to gather
_RESERVE = 8 * 1024 * 1024  # bytes kept free so that the state itself can still be saved
_SHARE = 10.0  # a service whose gathering took 50 ms is gathered again after 500 ms at the earliest

COPIED = frozenset({"acm", "documentdb", "dsql", "ec2", "ecs", "eks", "elasticache", "mwaa", "rds"})
"""Modules of services that change the copy of their state before it is encoded."""

_DEEPCOPY = copy.deepcopy

log = logging.getLogger("penstock.localaws")


class Keeper:
    """Saves what changed, in one transaction; restores it at start."""

    def __init__(self, ministack: Ministack, settings: Settings) -> None:
        self._ministack = ministack
        self._settings = settings
        self._saved: dict[str, str] = {}
        self._touched = time.monotonic()
        self._generation = 0
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._database: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="penstock-keeper", daemon=True)
        self.problem: str | None = None

    def touch(self) -> None:
        """Something may have changed."""
        self._touched = time.monotonic()

    def room_for(self, size: int) -> bool:
        """Whether ``size`` more bytes, and the state, still fit on the disk."""
        disk = os.statvfs(self._settings.state)
        return disk.f_bavail * disk.f_frsize > 2 * size + _RESERVE

    def load(self) -> None:
        """Give every service the state that was committed last."""
        app = self._ministack.app
        with contextlib.closing(self._open()) as database:
            rows = list(database.execute("select name, payload from service"))
        for name, payload in rows:
            module_name = app._state_map.get(name)
            if module_name is None:
                log.warning("state of %s is kept, but nothing takes it", name)
                continue
            data = json.loads(payload, object_hook=self._ministack.persistence._json_object_hook)
            app._get_module(module_name).load_persisted_state(data)
            self._saved[name] = _digest(payload)

    def start(self) -> None:
        """Begin to save in the background. Called on the event loop: that is where state is gathered."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Save a last time; the event loop has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.save()
        if self._database is not None:
            self._database.close()

    def save(self) -> None:
        """Commit every service whose state changed since the last commit.

        Raises:
            StorageError: the disk refused; the state committed before is still whole.
        """
        with self._lock:
            self._generation += 1
            self._commit(self._changed(everything=True))

    def _commit(self, changed: list[tuple[str, str]]) -> None:
        if not changed:
            return
        try:
            # Kept open: closing it writes the log into the database, which is to happen once in many commits.
            self._database = self._database or self._open()
            with self._database as database:
                database.executemany("insert or replace into service(name, payload) values (?, ?)", changed)
        except sqlite3.Error as error:
            raise StorageError(f"could not save the state: {error}") from error
        self._saved.update({name: _digest(payload) for name, payload in changed})
        self._collect_blobs(dict(changed).get("lambda"))

    def copy_database(self, target: Path) -> None:
        """Copy the committed state to a file that did not exist."""
        with contextlib.closing(self._open()) as database:
            database.execute("vacuum into ?", (str(target),))

    def replace_database(self, source: Path) -> None:
        """Make the committed state that of ``source``, in one transaction."""
        with contextlib.closing(self._open()) as database:
            database.execute("attach ? as other", (f"file:{source}?mode=ro",))
            with database:
                database.execute("delete from service")
                database.execute("insert into service select name, payload from other.service")

    def forget(self) -> None:
        """After a reset or a restore: what is on disk no longer says what memory holds."""
        with self._lock:
            self._generation += 1
            self._saved.clear()

    def _changed(self, *, everything: bool) -> list[tuple[str, str]]:
        """What to commit. A service that takes long to gather is asked less often, so saving never takes over."""
        app, persistence = self._ministack.app, self._ministack.persistence
        changed = []
        for name, get_state in app._build_persistence_save_dict().items():
            began = time.monotonic()
            if not everything and self._due.get(name, 0.0) > began:
                continue
            with uncopied(app._state_map[name]):
                payload = settled(lambda: _encoded(persistence, get_state()))  # noqa: B023 - called at once
            self._due[name] = began + (time.monotonic() - began) * _SHARE
            if payload is not None and self._saved.get(name) != _digest(payload):
                changed.append((name, payload))
        return changed

    async def _gather(self) -> tuple[int, list[tuple[str, str]]]:
        return self._generation, self._changed(everything=False)

    def _open(self) -> sqlite3.Connection:
        # Whoever commits holds the lock, be it the keeper's thread or the one that answers control requests.
        path = f"file:{self._settings.database}"
        database = sqlite3.connect(path, timeout=10, uri=True, check_same_thread=False)
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = full")
        database.execute("create table if not exists service (name text primary key, payload text not null)")
        return database

    def _collect_blobs(self, payload: str | None) -> None:
        """Delete code that the state just committed no longer names; snapshots hold links of their own."""
        if payload is None or not self._settings.blobs.is_dir():
            return
        for blob in self._settings.blobs.glob("*.zip"):
            if blob.stem not in payload:
                blob.unlink(missing_ok=True)

    def _run(self) -> None:
        last = 0.0
        while not self._stop.wait(_INTERVAL):
            now = time.monotonic()
            if now - self._touched > _ACTIVE_FOR and now - last < _IDLE_INTERVAL:
                continue
            last = now
            try:
                if self._loop is None or self._loop.is_closed():
                    return
                # On the event loop no request is half done: a service's state is whole.
                gathered = asyncio.run_coroutine_threadsafe(self._gather(), self._loop)
                generation, changed = gathered.result(timeout=_PATIENCE)
                with self._lock:
                    if generation == self._generation:  # else a snapshot, restore or reset came between
                        self._commit(changed)
                if self.problem:
                    log.warning("the state is being saved again")
                self.problem = None
            except Exception as error:  # noqa: BLE001 - the keeper must outlive any failure and say it once
                if self._stop.is_set():
                    return
                reason = str(error) or type(error).__name__  # a time-out has no words of its own
                if self.problem != reason:
                    log.error("the state is not saved: %s", reason)  # noqa: TRY400 - one line, the reason is in it
                self.problem = reason


def _encoded(persistence: Any, state: Any) -> str | None:
    return None if state is None else json.dumps(state, default=persistence._json_default)


@contextlib.contextmanager
def uncopied(module: str) -> Iterator[None]:
    """While its state is gathered, a service does not copy it: it is encoded at once, and nothing else runs meanwhile.

    Copies took most of the server's time. Of Lambda's functions, whose code is replaced by a reference in the copy, so
    much is copied as is replaced. Services that take something out of their copies still copy (`COPIED`); a test looks
    that there are no others.
    """
    if module in COPIED:
        yield
        return
    here = threading.get_ident()

    def instead(value: Any, memo: Any = None) -> Any:
        if threading.get_ident() != here:
            return _DEEPCOPY(value, memo)
        if isinstance(value, dict) and "code_zip" in value:
            return {**value, "versions": {key: dict(one) for key, one in (value.get("versions") or {}).items()}}
        return value

    copy.deepcopy = instead  # type: ignore[assignment] # services ask for it each time, under this name
    try:
        yield
    finally:
        copy.deepcopy = _DEEPCOPY


def _digest(payload: str) -> str:
    return hashlib.blake2b(payload.encode(), digest_size=16).hexdigest()
