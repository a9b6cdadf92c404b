"""This machine's clock, and one that runs faster: the embedded AWS may be told to, for rehearsals and tests."""

from __future__ import annotations

import time


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ScaledClock:
    """Time that goes `scale` times as fast since `origin` (seconds since the epoch), and sleeps as much shorter."""

    def __init__(self, *, scale: float, origin: float) -> None:
        self._scale = scale
        self._origin = origin

    def now(self) -> float:
        """Seconds since the epoch, UTC, on the faster clock."""
        return self._origin + (time.time() - self._origin) * self._scale

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back, on the faster clock."""
        return time.monotonic() * self._scale

    def sleep(self, seconds: float) -> None:
        """Wait until the faster clock has gone on by so many seconds."""
        time.sleep(seconds / self._scale)
