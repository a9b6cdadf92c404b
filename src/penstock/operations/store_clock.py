"""The clock that metrics bear the time of, on a machine whose own may be wrong.

AWS takes signatures that are five minutes off, so such a machine works. But one that is ahead would judge minutes
before their numbers have come, and one that is behind would wait for no reason. What the bucket's answers are dated
tells how far it is off, as it tells whose lease is over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.model.errors import PenstockError
from penstock.model.events import Note
from penstock.operations.store import LEASE
from penstock.release.lease import MARGIN

if TYPE_CHECKING:
    from penstock.ports import Clock, EventSink, ObjectStore

EVERY = 60.0
"""Seconds between two looks at the bucket: as often as a minute is judged, should somebody set the clock meanwhile."""


class StoreClock:
    """The machine's clock, put right by the bucket's where the two differ by more than `MARGIN`, which is told.

    Below that, dates in whole seconds and the way of an answer tell nothing, and the numbers' own delay covers it.

    Args:
        clock: the machine's.
        objects: the bucket, of which the lease is asked for.
        events: takes the warning.
    """

    def __init__(self, clock: Clock, objects: ObjectStore, events: EventSink) -> None:
        self._clock = clock
        self._objects = objects
        self._events = events
        self._ahead = 0.0
        self._asked: float | None = None

    def now(self) -> float:
        """Seconds since the epoch, UTC, by the bucket's clock; by the machine's while no bucket answers."""
        if self._asked is None or self.monotonic() - self._asked >= EVERY:
            self._asked = self.monotonic()
            with suppress(PenstockError):  # what is known is near enough, and whoever needs the bucket says why not
                self._look()
        return self._clock.now() - self._ahead

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._clock.sleep(seconds)

    def _look(self) -> None:
        before = self._clock.now()
        stored = self._objects.get(LEASE)
        after = self._clock.now()
        if stored is None or stored.at is None or after - before > MARGIN:  # this process, or AWS, stood still
            return
        ahead = after - stored.at
        if abs(ahead - self._ahead) <= MARGIN:
            return
        self._ahead = ahead if abs(ahead) > MARGIN else 0.0
        if self._ahead:
            off = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
            what = f"this machine's clock is {off} AWS's, by which releases are judged: set it"
            self._events.emit(Note(text=what, level="warning"))
