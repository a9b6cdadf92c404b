"""The environment's bucket and its signing key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object's bytes and its ETag, the token of conditional writes.

    `age` is how long ago it was written, in whole seconds by the store's own clock, which is nobody's who asks; None
    where the store does not tell. `at` is when it answered, in seconds since the epoch by the same clock.
    """

    body: bytes
    etag: str
    age: float | None = field(default=None, compare=False)
    at: float | None = field(default=None, compare=False)


@runtime_checkable
class ObjectStore(Protocol):
    """The environment's bucket. Keys are relative to it."""

    def exists(self) -> bool:
        """Whether the bucket is there."""

    def create(self) -> None:
        """Create the bucket: versioned, encrypted, TLS only, private. Done when it is there and ours."""

    def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
        """The object, or None. No more than `at_most` bytes of it are read, whatever somebody has put there."""

    def put(self, key: str, body: bytes) -> str:
        """Write, whatever is there; the new ETag."""

    def put_if_absent(self, key: str, body: bytes) -> str:
        """Write only if nothing is there; the new ETag. Raises Conflict when something is."""

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        """Write only if the object still has that ETag; the new one. Raises Conflict when it has not."""

    def delete(self, key: str) -> None:
        """Delete; done when nothing is there. A versioned bucket keeps the bytes as a version."""

    def erase(self, key: str) -> None:
        """Delete with all versions; done when there are none. Who may not do that deletes."""

    def list(self, prefix: str) -> Sequence[str]:
        """All keys that begin with the prefix, sorted."""

    def has(self, key: str) -> bool:
        """Whether the object is there."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content, streamed."""

    def download(self, key: str, path: Path, *, at_most: int | None = None) -> None:
        """Read into a file, published by rename; no more than `at_most` bytes. Raises NotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, and the signature. `key` only tells people whose it claims to be; `verify` decides."""

    key: str
    value: bytes


@runtime_checkable
class Signer(Protocol):
    """The environment's signing key: ECDSA on P-256 over SHA-256. The private half is never seen."""

    def key(self) -> str | None:
        """The key's name, or None when there is none yet."""

    def create(self) -> None:
        """Make the key; done when it is there."""

    def sign(self, message: bytes) -> Signature:
        """Sign. Raises NotFound when there is no key."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this environment's key made that signature of that message; False also when there is no key."""
