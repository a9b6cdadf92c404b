"""When a function is late, on a machine that has other things to do as well.

Lambda gives each function a processor of its own. Here functions share a few with this server, with Terraform and with
whatever else runs: the time for which a function, or the server that it calls, stood ready to run and got no processor
is not its own, and does not count.

Reference: https://docs.kernel.org/scheduler/sched-stats.html (`/proc/<pid>/schedstat`: nanoseconds on a run queue).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10.0
"""How many times its seconds a function has at most."""


def waited(process: int | str) -> float:
    """Seconds for which the main thread of a process has waited for a processor; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class Deadline:
    """So many seconds from now, and as many more as the process or this one has waited for a processor meanwhile.

    Args:
        seconds: what the function may take.
        pid: its process.
        waits: how long a process has waited so far, by its id, or `self` for this one.
    """

    def __init__(self, seconds: float, pid: int, waits: Callable[[int | str], float] = waited) -> None:
        self._pid = pid
        self._waits = waits
        self._seconds = seconds
        self._began = time.monotonic()
        self._before = (waits(pid), waits("self"))

    def left(self) -> float:
        """Seconds that are left, asked for the wait only when there would be none."""
        gone = time.monotonic() - self._began
        if gone < self._seconds:
            return self._seconds - gone
        now = (self._waits(self._pid), self._waits("self"))
        lost = max(late - early for late, early in zip(now, self._before, strict=True))
        return min(self._seconds + lost, self._seconds * MOST) - gone
