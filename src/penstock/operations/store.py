"""What lies in the environment's bucket besides artifacts and the ledger: releases, the lease.

S3's conditional writes are the only coordination: a release is written once, the lease only over the one that was
read.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import Conflict, LeaseLost, Locked, NotFound, RemoteFault
from penstock.model.ledger import Lease
from penstock.model.release import Release
from penstock.release.lease import TTL, Asking, Held, Take, decide, describe, needs_renewal, overdue, released, renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.ports import Clock, ObjectStore

LEASE = "lease.json"
TRIES = 3
"""Attempts to take a lease that changes while we look."""
REWRITES = 5
"""Attempts to replace an object that changes at the same moment: by a late write of who held the lease before."""
LOOK = 2.0
"""Seconds of calls in a row between two looks whether the lease is still ours: somebody may have freed it by force."""


# ------------------------------------------------------------------------------------------ releases


class ReleaseStore:
    """`releases/<id>.json`: immutable."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def save(self, release: Release) -> None:
        """Write the release, unless it is there: who made it first stays its author."""
        body = json.dumps(release.to_json(), sort_keys=True, indent=1).encode()
        try:
            self._objects.put_if_absent(_release_key(release.id), body)
        except Conflict:
            return

    def get(self, release: str) -> Release | None:
        """The release of that id, or None."""
        stored = self._objects.get(_release_key(release))
        return Release.from_json(json.loads(stored.body)) if stored else None

    def require(self, release: str | None) -> Release:
        """The release of that id. Raises NotFound; None, where nothing is live, is never there."""
        found = self.get(release) if release else None
        if found is None:
            what = f"there is no release {release}" if release else "no release is live"
            raise NotFound(what, where="releases/", hint="penstock releases lists them; penstock deploy makes one")
        return found

    def ids(self) -> tuple[str, ...]:
        """Ids of all releases, sorted."""
        keys = (re.fullmatch(r"releases/([0-9a-f]{12})\.json", key) for key in self._objects.list("releases/"))
        return tuple(found[1] for found in keys if found)

    def delete(self, release: str) -> None:
        """Forget a release; done when it is not there."""
        self._objects.delete(_release_key(release))


# ------------------------------------------------------------------------------------------ lease


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLease:
    """The lease as it lies in the bucket, with the token to replace it."""

    lease: Lease
    etag: str
    age: float | None = None
    """Seconds since it was written, by the store's clock."""

    @property
    def is_held(self) -> bool:
        """False when it was given back."""
        return self.lease.expires > 0

    def is_kept(self, now: float) -> bool:
        """Whether it is held by somebody who renews it; `now` counts where the store tells no ages."""
        return self.is_held and overdue(self.lease, now=now, age=self.age) < 0


class LeaseStore:
    """`lease.json`.

    Args:
        objects: the bucket.
        clock: this machine's, by which a holder renews; whether another one has is told by the bucket's.
        host: this machine; see `model.ledger.machine`.
        process_alive: whether a process of this machine is still there.
    """

    def __init__(self, objects: ObjectStore, *, clock: Clock, host: str, process_alive: Callable[[int], bool]) -> None:
        self._objects = objects
        self._clock = clock
        self._host = host
        self._process_alive = process_alive

    def read(self) -> StoredLease | None:
        """The lease, given back or not; None when there has never been one."""
        stored = self._objects.get(LEASE)
        if stored is None:
            return None
        return StoredLease(lease=Lease.from_text(stored.body.decode()), etag=stored.etag, age=stored.age)

    def is_dead(self, lease: Lease) -> bool:
        """Whether the holder's process was on this machine and is gone for sure."""
        return lease.host == self._host and not self._process_alive(lease.pid)

    def acquire(self, *, holder: str, pid: int, run: str, purpose: str, patience: float = 0.0) -> HeldLease:
        """Take the lease, waiting for a dead holder's expiry for `patience` seconds at most.

        Raises Locked, saying who holds it, since when and for what.
        """
        deadline = self._clock.monotonic() + patience
        attempt = 0
        while True:
            stored = self.read()
            asking = Asking(holder=holder, host=self._host, pid=pid, run=run, purpose=purpose, now=self._clock.now())
            decision = decide(
                stored.lease if stored else None,
                asking,
                holder_dead=stored is not None and self.is_dead(stored.lease),
                age=stored.age if stored else None,
            )
            if isinstance(decision, Held):
                if self._clock.monotonic() + decision.wait > deadline:
                    raise Locked(decision.why, where=LEASE, hint=decision.hint)
                self._clock.sleep(max(decision.wait, 0.1))
                continue
            etag = self._write(decision, stored)
            if etag is not None:
                return HeldLease(self, decision.lease, etag, over=decision.over)
            attempt += 1
            if attempt >= TRIES:
                raise Locked("somebody else took it at the same moment", where=LEASE, hint="run the command again")

    def replace(self, lease: Lease, etag: str) -> str:
        """Write over the lease that was read under that ETag; the new one. Raises Conflict."""
        return self._objects.put_if_match(LEASE, lease.to_text().encode(), etag)

    def free(self, stored: StoredLease) -> None:
        """Give back somebody else's lease. Raises Conflict when it has changed hands meanwhile."""
        self.replace(released(stored.lease), stored.etag)

    def now(self) -> float:
        """The time that counts."""
        return self._clock.now()

    def _write(self, decision: Take, stored: StoredLease | None) -> str | None:
        body = decision.lease.to_text().encode()
        try:
            if stored is None:
                return self._objects.put_if_absent(LEASE, body)
            return self._objects.put_if_match(LEASE, body, stored.etag)
        except Conflict:
            return None


class HeldLease:
    """A lease that is ours; safe to share between threads. `keep` it before every call that changes something.

    Who frees it by force stops whoever holds it within `LOOK` seconds, however many calls that one has still to make.

    `over` is the lease of a dead holder that this one replaced: what it had begun must be read back and repaired.
    """

    def __init__(self, store: LeaseStore, lease: Lease, etag: str, *, over: Lease | None = None) -> None:
        self._store = store
        self._etag = etag
        self._lock = threading.RLock()
        self._given_back = False
        self._looked = store.now()
        self.lease = lease
        self.over = over

    def keep(self) -> None:
        """Renew when half of the time is gone, and look every few seconds. Raises LeaseLost when it is not ours."""
        with self._lock:
            if self._given_back:
                return
            if needs_renewal(self.lease, now=self._store.now()):
                self._renew()
            elif abs(self._store.now() - self._looked) >= LOOK:
                with suppress(RemoteFault):  # the time that we have is not over, as far as anybody can tell
                    self._look()

    def check(self) -> None:
        """Look whether it is still ours, and renew it when it is time. Raises LeaseLost when it is not ours.

        `keep` believes its own clock; somebody may have freed the lease by force, or has another clock.
        """
        with self._lock:
            if not self._given_back:
                self._look()
        self.keep()

    def _look(self) -> None:
        stored = self._store.read()
        if stored is not None and not (stored.is_held and self._is_ours(stored.lease)):
            raise self._lost(stored)
        self._looked = self._store.now()

    def _lost(self, stored: StoredLease | None) -> LeaseLost:
        who = describe(stored.lease, now=self._store.now()) if stored and stored.is_held else "nobody holds it"
        return LeaseLost(
            f"the lease was lost while this command stood still; {who}",
            where=LEASE,
            hint="penstock status; then run the command again",
        )

    def _renew(self) -> None:
        longer = renewed(self.lease, now=self._store.now(), ttl=TTL)
        try:
            self._replace(longer)
        except Conflict as conflict:
            raise self._lost(self._store.read()) from conflict
        self.lease = longer
        self._looked = self._store.now()

    def _replace(self, lease: Lease) -> None:
        """Write over our own. Raises Conflict when it is somebody else's, or was freed by somebody else."""
        try:
            self._etag = self._store.replace(lease, self._etag)
        except Conflict:
            stored = self._store.read()
            if stored is None or not stored.is_held or not self._is_ours(stored.lease):
                raise
            # A write of ours whose answer was lost had landed.
            self._etag = self._store.replace(lease, stored.etag)

    def _is_ours(self, lease: Lease) -> bool:
        return (lease.run, lease.fence) == (self.lease.run, self.lease.fence)

    def give_back(self) -> None:
        """Free it for the next; done when it is lost already. From here on nothing is kept."""
        with self._lock:  # a renewal that is under way in another thread would make our token an old one
            self._given_back = True
            with suppress(Conflict):
                self._replace(released(self.lease))


# ------------------------------------------------------------------------------------------ small things


def rewrite(objects: ObjectStore, lease: HeldLease, key: str, change: Callable[[bytes | None], bytes]) -> None:
    """Replace an object of the bucket by what `change` makes of it (None: nothing is there), while the lease is ours.

    The lease is looked at between the read and the conditional write: who took it meanwhile and wrote there is not
    written over, however long this process stood still. Raises Locked when the lease is lost.
    """
    for attempt in range(1, REWRITES + 1):
        stored = objects.get(key)
        body = change(stored.body if stored else None)
        lease.check()  # also where nothing is to be written: it may be somebody else who has done that
        if stored is not None and stored.body == body:
            return
        try:
            if stored is None:
                objects.put_if_absent(key, body)
            else:
                objects.put_if_match(key, body, stored.etag)
        except Conflict:  # a late write of somebody's, or our own whose answer was lost
            if attempt == REWRITES:
                raise
        else:
            return


def _release_key(release: str) -> str:
    return f"releases/{release}.json"
