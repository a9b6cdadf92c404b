"""Which minutes are judged, and when: those that no change of weight touches, once their numbers are complete.

CloudWatch dates an error at the beginning of its invocation, so a minute of a service is complete when the longest
invocation that began in it has ended and its numbers have come: after 60 s, the service's timeout and the delay. Each
service has its own timeout. One clock ticks for all of them, that of the changed service with the longest one
(`Rollout.judged` is its cursor); the others are whole minutes ahead of it, or behind, so that everything is asked for
once a minute. Minutes of an earlier weight may therefore become old enough when the weight has moved on: their bounds
are kept in `Rollout.clean`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.rollout.strategies import Bake, SetWeight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.rollout.state import Rollout

MINUTE = 60


def first_clean_minute(rollout: Rollout) -> float:
    """The first second of the first minute since the last change of weight that it does not touch.

    The first minute of all is left out as well: the canary is cold in it.
    """
    settled = rollout.moved + rollout.rules.propagation
    set_at = max((at for at, step in enumerate(rollout.steps[: rollout.at]) if isinstance(step, SetWeight)), default=0)
    is_first = not any(isinstance(step, Bake) for step in rollout.steps[:set_at])
    return math.ceil(settled / MINUTE) * MINUTE + (MINUTE if is_first else 0)


def old_enough(rollout: Rollout, now: float) -> float:
    """The first second of the first minute whose measurements of a changed service may still come in."""
    return math.floor((now - rollout.rules.slowest - rollout.rules.delay) / MINUTE) * MINUTE


def first_judged(rollout: Rollout) -> float:
    """When the first clean minute since the last change of weight is old enough to be judged."""
    return first_clean_minute(rollout) + MINUTE + rollout.rules.slowest + rollout.rules.delay


def to_judge(rollout: Rollout, now: float) -> range:
    """The minutes that are to be measured now, by their first seconds: those due of any service, and between them."""
    behind = {0, *(_behind(rollout, service) for service in rollout.rules.timeouts)}
    spans = [span for minutes in behind for span in _due(rollout, minutes, old_enough(rollout, now))]
    if not spans:
        return range(0)
    return range(min(begin for begin, _ in spans), max(end for _, end in spans), MINUTE)


def first_due(rollout: Rollout, service: str, now: float) -> int | None:
    """The first of the minutes of a service that are to be judged now; None when there is none."""
    spans = list(_due(rollout, _behind(rollout, service), old_enough(rollout, now)))
    return min(begin for begin, _ in spans) if spans else None


def is_due(rollout: Rollout, service: str, minute: int, until: float) -> bool:
    """Whether a minute of a service is judged when the cursor goes from `Rollout.judged` to `until`."""
    return any(begin <= minute < end for begin, end in _due(rollout, _behind(rollout, service), until))


def moved(rollout: Rollout, now: float, *, clean_until: float) -> Rollout:
    """The rollout whose weight changed, or may have, between `clean_until` and now."""
    begin, end = first_clean_minute(rollout), math.floor(clean_until / MINUTE) * MINUTE
    kept = ((begin, float(end)),) if rollout.weight and begin < end else ()
    return replace(rollout, moved=now, clean=(*rollout.clean, *kept))


def _due(rollout: Rollout, behind: int, until: float) -> Iterator[tuple[int, int]]:
    ahead = behind * MINUTE
    # When the weight moves on, services that are not slower lose a minute or two, and slower ones would lose them all.
    earlier = rollout.clean if behind > 0 else ()
    for begin, end in (*earlier, (first_clean_minute(rollout), math.inf)):
        first, last = max(begin, rollout.judged - ahead), min(end, until - ahead)
        if first < last:
            yield int(first), int(last)


def _behind(rollout: Rollout, service: str) -> int:
    """By how many minutes a service's numbers are complete later than those of the slowest changed one."""
    rules = rollout.rules
    return math.ceil((rules.timeouts.get(service, rules.slowest) - rules.slowest) / MINUTE)
