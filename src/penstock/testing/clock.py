"""A clock that only moves when it is told to, or when somebody sleeps on it."""

from __future__ import annotations

import threading


class FakeClock:
    """Time for tests. `sleep` returns at once and moves the time on.

    Args:
        now: seconds since the epoch to begin with.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._ticked = 0.0

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made; setting the time does not change it."""
        return self._ticked

    def sleep(self, seconds: float) -> None:
        """Move on; negative values do nothing, as with time.sleep's callers in the wild."""
        self.advance(max(seconds, 0.0))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += seconds
            self._ticked += seconds

    def set(self, now: float) -> None:
        """Set the wall clock, as an operator or NTP would; the monotonic one goes on undisturbed."""
        with self._lock:
            self._now = now
