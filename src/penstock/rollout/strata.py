"""What the judge sees: calls and bad calls of both sides, minute by minute.

A stratum is one minute of one service and one signal. Inside it both sides met the same traffic and the same
incidents, which is why only strata are compared and never totals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Signal = Literal["errors", "throttles", "timeouts", "5xx", "latency"]
SIGNALS: tuple[Signal, ...] = ("errors", "throttles", "timeouts", "5xx", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Calls of one side, and how many of them were bad (0 ≤ bad ≤ calls)."""

    calls: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """One minute (its first second since the epoch) of one service and signal, stable beside canary.

    `unseen` are canary calls that are known from elsewhere and of which this signal should tell, but does not.
    """

    minute: int
    service: str
    signal: Signal
    stable: Sample
    canary: Sample
    unseen: int = 0
