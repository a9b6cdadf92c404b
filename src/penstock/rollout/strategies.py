"""Strategies are data: tuples of steps. `STRATEGIES` is the whole list.

A step says what must happen next; the operations carry it out. All-at-once verifies the idle slot and moves all
traffic; blue-green verifies it and waits for a person to switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Verify:
    """Check the candidate in the idle slot, before any traffic."""


@dataclass(frozen=True, slots=True)
class AwaitSwitch:
    """Stop here: a person (or CI) says `penstock switch` when they have seen enough."""


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Send this share of traffic, in percent, to the candidate; 100 promotes it."""

    percent: int


Step = Verify | AwaitSwitch | SetWeight


def all_at_once() -> tuple[Step, ...]:
    """Verify, then move everything in one action."""
    return (Verify(), SetWeight(100))


def blue_green() -> tuple[Step, ...]:
    """Verify, then wait in the idle slot until somebody switches."""
    return (Verify(), AwaitSwitch(), SetWeight(100))


STRATEGIES: Mapping[str, Callable[[], tuple[Step, ...]]] = {
    "all-at-once": all_at_once,
    "blue-green": blue_green,
}
