"""A bucket in memory, with S3's conditional writes."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from penstock.model.errors import AccessDenied, Conflict, NotFound
from penstock.ports import StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

HISTORY = "ledger/"
"""What the bucket's policy denies to delete, and to write to a place that need not be empty."""


class FakeObjectStore:
    """One bucket; safe to share between threads.

    Args:
        name: the bucket's; the fake Functions takes code from it.
        created: whether the bucket is there to begin with.
        now: the bucket's own clock, in seconds; None has it tell no time.
    """

    def __init__(
        self,
        name: str = "penstock-shop-dev-111111111111-eu-west-1",
        *,
        created: bool = True,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self.now = now
        self._created = created
        self._lock = threading.RLock()
        self._objects: dict[str, bytes] = {}
        self._written: dict[str, float] = {}

    def exists(self) -> bool:
        """Whether the bucket is there."""
        return self._created

    def create(self) -> None:
        """Create the bucket; done when it is there."""
        self._created = True

    def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
        """The object, or None; no more than `at_most` bytes of it."""
        with self._lock:
            body = self._content().get(key)
            at = None if self.now is None else self.now()
            age = None if at is None else max(at - self._written.get(key, at), 0.0)
        return None if body is None else StoredObject(body=body[:at_most], etag=_etag(body), age=age, at=at)

    def put(self, key: str, body: bytes) -> str:
        """Write, whatever is there; the new ETag. Raises AccessDenied for the ledger."""
        if key.startswith(HISTORY):
            raise AccessDenied("AccessDenied: the bucket's policy denies it", where=self._place(key))
        return self._put(key, body)

    def tamper(self, key: str, body: bytes) -> None:
        """Write as who may change the bucket's policy can."""
        self._put(key, body)

    def put_if_absent(self, key: str, body: bytes) -> str:
        """Write only if nothing is there; the new ETag. Raises Conflict when something is."""
        with self._lock:
            if key in self._content():
                raise Conflict("PreconditionFailed: the object exists", where=self._place(key))
            return self._put(key, body)

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        """Write only if the object still has that ETag; the new one. Raises Conflict when it has not."""
        with self._lock:
            now = self.get(key)
            if now is None or now.etag != etag:
                raise Conflict("PreconditionFailed: the object is another one", where=self._place(key))
            return self.put(key, body)

    def delete(self, key: str) -> None:
        """Delete; done when nothing is there. Raises AccessDenied for the ledger."""
        if key.startswith(HISTORY):
            raise AccessDenied("AccessDenied: the bucket's policy denies it", where=self._place(key))
        with self._lock:
            self._content().pop(key, None)

    def erase(self, key: str) -> None:
        """The same here: nothing keeps versions. Raises AccessDenied for the ledger."""
        self.delete(key)

    def list(self, prefix: str) -> Sequence[str]:
        """All keys that begin with the prefix, sorted."""
        with self._lock:
            return sorted(key for key in self._content() if key.startswith(prefix))

    def has(self, key: str) -> bool:
        """Whether the object is there."""
        with self._lock:
            return key in self._content() if self._created else False

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content."""
        self.put(key, path.read_bytes())

    def download(self, key: str, path: Path, *, at_most: int | None = None) -> None:
        """Read into a file, no more than `at_most` bytes. Raises NotFound."""
        found = self.get(key, at_most=at_most)
        if found is None:
            raise NotFound("NoSuchKey", where=self._place(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.body)

    def _put(self, key: str, body: bytes) -> str:
        with self._lock:
            self._content()[key] = body
            if self.now is not None:
                self._written[key] = self.now()
        return _etag(body)

    def _content(self) -> dict[str, bytes]:
        if not self._created:
            raise NotFound("NoSuchBucket", where=self.name)
        return self._objects

    def _place(self, key: str) -> str:
        return f"{self.name}/{key}"


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
