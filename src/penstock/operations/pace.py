"""How quickly Lambda's control plane is asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.ports import Clock

RATE = 10.0
"""Control calls per second; Lambda allows 15 for all but a few, reads as well (Lambda quotas, "API requests")."""
BURST = 10
READ_BURST = 50
"""Calls that reading everything back may begin with: a workspace of 25 functions is read at once, as the SDK can retry
what Lambda throttles; hundreds are not, whose thousands of retries would be in the way of those that move traffic."""
AT_ONCE = READ_BURST // 2
"""Functions that are read back as a whole, two calls each, before anything waits."""


class OutOfTime(Exception):
    """What is left is for who comes next, who finds it as after a crash, but does not have to wait for a lease.

    `at` is the first function, by physical name, that had no time.
    """

    def __init__(self, at: str) -> None:
        super().__init__(at)
        self.at = at


class Pace:
    """A token bucket over all threads."""

    def __init__(self, clock: Clock, *, burst: int = BURST) -> None:
        self._clock = clock
        self._burst = burst
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def wait(self, calls: int) -> None:
        """Wait until so many calls may be sent."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._tokens + (now - self._at) * RATE, self._burst) - calls
            self._at = now
            pause = -self._tokens / RATE
        if pause > 0:
            self._clock.sleep(pause)
