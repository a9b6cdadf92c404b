"""CloudWatch's clock, which may run faster than ours: a rollout of an hour can then be tested in a minute.

Only CloudWatch's metrics, alarms and log events live by it, and EventBridge's schedules. Signatures, credentials,
timeouts, queues and everything else keep the machine's time, and so do functions.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Seconds since the epoch, ``scale`` of them a second since ``origin``."""

    scale: float = 1.0
    origin: float = 0.0

    def now(self) -> float:
        """The time in CloudWatch."""
        return self.of(time.time())

    def of(self, moment: float) -> float:
        """The time in CloudWatch at a moment of the machine's clock."""
        return self.origin + (moment - self.origin) * self.scale


def opened(state: Path, scale: float) -> Clock:
    """The clock of a state folder. A restart at the same scale goes on from where it was; another scale starts anew."""
    if scale == 1.0:
        return Clock()
    path = state / "clock.json"
    try:
        kept = json.loads(path.read_text())
        clock = Clock(scale=float(kept["scale"]), origin=float(kept["origin"]))
    except (OSError, ValueError, KeyError, TypeError):
        clock = Clock()
    if clock.scale != scale:
        clock = Clock(scale=scale, origin=time.time())
        path.write_text(json.dumps({"origin": clock.origin, "scale": clock.scale}))
    return clock


def install(ministack: Ministack, settings: Settings) -> None:
    """Give ministack's CloudWatch the clock; its modules ask ``time.time()`` in some forty places."""
    if settings.clock.scale == 1.0:
        return
    for module in (ministack.cloudwatch, ministack.logs):
        module.time = _Time(settings.clock)


class _Time:
    """The module ``time`` with another ``time()``."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
