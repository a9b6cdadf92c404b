"""The ledger in the environment's bucket: `ledger/<number>.json`, and `ledger-head.json`, which says where it ends.

An entry is written only where none is, so that concurrent writers queue up. The head saves listing them all, and holds
the hash of the last entry: without it nobody would notice that the chain's end was cut off or rewritten.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.model.ledger import LedgerEntry
from penstock.release import ledger as chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.ports import Clock, ObjectStore

HEAD = "ledger-head.json"
READERS = 16
RACES = 50
"""Attempts to append to the ledger while others append as well."""


class LedgerStore:
    """`ledger/<number>.json`: appended only where nothing is.

    Args:
        objects: the bucket.
        clock: for the entries' times.
        actor: the STS caller.
        run: id of this run of the command.
    """

    def __init__(self, objects: ObjectStore, *, clock: Clock, actor: str, run: str) -> None:
        self._objects = objects
        self._clock = clock
        self._actor = actor
        self.run = run
        self._head: chain.Head | None = None

    def append(self, kind: str, data: Mapping[str, Any]) -> LedgerEntry:
        """Add one entry and return it. Raises RemoteFault when others append faster than we can."""
        head = self._head or self._find_head()
        for _ in range(RACES):
            entry = chain.follow(
                head, at=_timestamp(self._clock.now()), actor=self._actor, run=self.run, kind=kind, data=data
            )
            if self._write(entry):
                self._head = chain.head_of(entry)
                return entry
            head = self._forward(chain.head_of(self._entry(entry.number)))
        raise RemoteFault(f"the ledger moved {RACES} times while an entry was appended", where=chain.key(head.number))

    def entries(self, *, after: int = 0) -> Iterator[LedgerEntry]:
        """The entries whose number is greater, oldest first. Raises RemoteFault at one that is none."""
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            yield from pool.map(self._entry, (number for number in self._numbers() if number > after))

    def survey(self) -> tuple[tuple[LedgerEntry, ...], tuple[chain.Break, ...]]:
        """Every entry that can be read, and every place where the chain does not hold, its end included."""
        numbers = self._numbers()
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            found = tuple(pool.map(self._readable, numbers))
        entries = tuple(entry for entry in found if entry is not None)
        unreadable = [number for number, entry in zip(numbers, found, strict=True) if entry is None]
        gaps = [gap for gap in chain.verify(entries, end=self._written_head()) if gap.number not in unreadable]
        spoilt = [chain.Break(number=number, what="it cannot be read as an entry") for number in unreadable]
        return entries, tuple(sorted([*gaps, *spoilt], key=lambda place: place.number))

    def last(self, count: int) -> tuple[LedgerEntry, ...]:
        """The last entries, oldest first."""
        head = self._head or self._find_head()
        return tuple(self._entry(number) for number in range(max(head.number - count, 0) + 1, head.number + 1))

    def close(self) -> None:
        """Write down where the chain ends; what is appended after that is covered by the next run's head.

        A run that lost its lease leaves what a later one has written.
        """
        written = self._written_head()
        if self._head is not None and (written is None or written.number < self._head.number):
            self._objects.put(HEAD, json.dumps(asdict(self._head), sort_keys=True).encode())

    def _write(self, entry: LedgerEntry) -> bool:
        try:
            self._objects.put_if_absent(chain.key(entry.number), entry.to_text().encode())
        except Conflict:
            # A write whose answer was lost is repeated by the SDK and then meets itself.
            return self._entry(entry.number).digest == entry.digest
        return True

    def _find_head(self) -> chain.Head:
        """The chain's end, from where it ended when a run last closed it.

        What was there then is believed, whatever is there now: the next entry does not follow one that somebody
        changed, nor take the number of one that is gone, so that `verify` goes on finding both.
        """
        written = self._written_head()
        if written is not None:
            return self._forward(written)
        numbers = self._numbers()
        return chain.head_of(self._entry(numbers[-1])) if numbers else chain.Head()

    def _written_head(self) -> chain.Head | None:
        """What `close` wrote last; None when it never did, or what is there says no such thing."""
        stored = self._objects.get(HEAD)
        try:
            said = json.loads(stored.body) if stored else {}
            return chain.Head(number=int(said["number"]), digest=str(said["digest"]))
        except (ValueError, KeyError, TypeError):
            return None

    def _forward(self, head: chain.Head) -> chain.Head:
        """The chain's end, from an entry that is known: gallop ahead, then halve."""
        step = 1
        while self._objects.has(chain.key(head.number + step)):
            step *= 2
        known, gone = head.number + step // 2, head.number + step
        while gone - known > 1:
            middle = (known + gone) // 2
            if self._objects.has(chain.key(middle)):
                known = middle
            else:
                gone = middle
        return head if known == head.number else chain.head_of(self._entry(known))

    def _numbers(self) -> list[int]:
        found = (re.fullmatch(rf"{chain.PREFIX}(\d+)\.json", key) for key in self._objects.list(chain.PREFIX))
        return sorted(int(name[1]) for name in found if name)

    def _entry(self, number: int) -> LedgerEntry:
        found = self._readable(number)
        if found is None:
            raise NotFound(
                f"ledger entry {number} is missing, or none any more",
                where=chain.key(number),
                hint="penstock audit --verify",
            )
        return found

    def _readable(self, number: int) -> LedgerEntry | None:
        """The entry of that number; None when it is gone, or what lies there is no entry."""
        stored = self._objects.get(chain.key(number))
        try:
            return LedgerEntry.from_text(stored.body.decode()) if stored else None
        except (ValueError, TypeError):
            return None


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
