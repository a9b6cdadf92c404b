"""`advance(rollout, seen) -> (rollout, action)`: every decision about a rollout, pure and total.

The loop around it observes, asks, writes the answer down, acts and reads back. Because nothing is remembered that AWS
can tell, a rollout whose driver died at any instant is gone on with by whoever asks next.

What always holds (tests/unit/rollout explores it):

- after a FAIL, an alarm or an abort the only action is `Revert`, until AWS says that the weight is 0;
- the weight never falls but by `Revert`, and 100 is asked for only with a PASS or by a person;
- the deadline ends every bake, hold and pause, by going back;
- it has ended exactly when AWS says 0 after a `Revert`, or 100.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.rollout.judge import Verdict, accumulate, begin_step, judge
from penstock.rollout.state import Action, Finished, Promote, Revert, Shift, Wait
from penstock.rollout.strategies import ALL, AwaitSwitch, Bake, SetWeight, Verify, duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.rollout.judge import Judgement
    from penstock.rollout.state import Observation, Order, Rollout

MINUTE = 60
LOOK = 5.0
"""Seconds between two looks at orders and alarms while nothing else is due."""


def advance(rollout: Rollout, seen: Observation) -> tuple[Rollout, Action]:  # noqa: PLR0911 - one per decision
    """What is known now, and what to do next."""
    if rollout.outcome is not None:
        return rollout, Finished()
    rollout = _obey(_learn(rollout, seen), seen.orders)
    if seen.weight == ALL:
        return rollout.ended("promoted"), Finished()
    judgement = judgement_of(rollout)
    rollout = _stop(rollout, seen, judgement)
    if rollout.reverting is not None:
        if seen.weight == 0:
            return rollout.ended("reverted"), Finished()
        return rollout, Revert(rollout.reverting)
    if rollout.promoted_by is not None:
        return rollout, Promote()
    if rollout.held is not None or seen.weight is None:
        return rollout, _look(rollout, seen)
    return _step(rollout, seen, judgement)


def judgement_of(rollout: Rollout) -> Judgement:
    """What the judge says of the evidence so far."""
    return judge(rollout.evidence, rollout.policy, frozenset(rollout.changed))


def deadline(rollout: Rollout) -> float:
    """When it goes back by itself, in seconds since the epoch."""
    return rollout.began + rollout.rules.deadline


def first_clean_minute(rollout: Rollout) -> float:
    """The first second of the first minute that no change of weight touches.

    The first minute of all is left out as well: the canary is cold in it.
    """
    settled = rollout.moved + rollout.rules.propagation
    is_first = all(isinstance(step, Verify | SetWeight) for step in rollout.steps[: rollout.at])
    return math.ceil(settled / MINUTE) * MINUTE + (MINUTE if is_first else 0)


def old_enough(rollout: Rollout, now: float) -> float:
    """The first second of the first minute whose measurements may still come in."""
    return math.floor((now - rollout.rules.slowest - rollout.rules.delay) / MINUTE) * MINUTE


def to_judge(rollout: Rollout, now: float) -> range:
    """The minutes that are to be measured now, by their first seconds."""
    begin = max(int(rollout.judged), int(first_clean_minute(rollout)))
    return range(begin, int(old_enough(rollout, now)), MINUTE)


# ------------------------------------------------------------------------------------------ taking in


def _learn(rollout: Rollout, seen: Observation) -> Rollout:
    clean = [stratum for stratum in seen.strata if rollout.judged <= stratum.minute < seen.until]
    evidence = accumulate(rollout.evidence, clean, rollout.policy, frozenset(rollout.changed))
    return replace(rollout, evidence=evidence, judged=max(rollout.judged, seen.until))


def _obey(rollout: Rollout, orders: Iterable[Order]) -> Rollout:
    for order in orders:
        if order.id in rollout.orders:
            continue
        said = f"{order.by}: {order.why}" if order.why else order.by
        rollout = replace(rollout, orders=(*rollout.orders, order.id))
        match order.verb:
            case "pause":
                rollout = replace(rollout, held=f"paused by {said}")
            case "resume":
                rollout = replace(rollout, held=None)
            case "promote":
                rollout = replace(rollout, held=None, promoted_by=said)
            case "abort":
                rollout = replace(rollout, reverting=rollout.reverting or f"aborted by {said}")
    return rollout


def _stop(rollout: Rollout, seen: Observation, judgement: Judgement) -> Rollout:
    """What must not go on goes back; what goes back stays so."""
    if rollout.reverting is not None:
        return rollout
    if judgement.verdict is Verdict.FAIL:
        return replace(rollout, reverting=judgement.sentence, promoted_by=None)
    if seen.alarms:
        return replace(rollout, reverting=f"alarm {', '.join(seen.alarms)} rings", promoted_by=None)
    if seen.now >= deadline(rollout) and rollout.promoted_by is None:
        waited = duration(rollout.rules.deadline)
        why = f"not decided within {waited}: {rollout.held or judgement.sentence}"
        return replace(rollout, reverting=why, inconclusive=True)
    return rollout


# ------------------------------------------------------------------------------------------ going on


def _step(  # noqa: PLR0911 - one per kind of step
    rollout: Rollout, seen: Observation, judgement: Judgement
) -> tuple[Rollout, Action]:
    if rollout.at >= len(rollout.steps):
        return rollout, Promote()
    step = rollout.steps[rollout.at]
    match step:
        case Verify():
            return _step(_next(rollout, seen.now), seen, judgement)  # verified before there was a rollout
        case AwaitSwitch():
            return replace(rollout, held="it waits for penstock switch"), _look(rollout, seen)
        case SetWeight(percent=percent) if percent >= ALL:
            return rollout, Promote()
        case SetWeight(percent=percent):
            if seen.weight != percent:
                return replace(rollout, weight=percent), Shift(percent)
            settled = replace(_next(rollout, seen.now), weight=percent, moved=seen.now)
            return _step(replace(settled, evidence=begin_step(settled.evidence)), seen, judgement)
        case Bake():
            if seen.weight != rollout.weight:
                # Somebody else changed it: what was measured since does not count.
                return replace(rollout, moved=seen.now), Shift(rollout.weight)
            return _bake(rollout, step, seen, judgement)


def _bake(rollout: Rollout, step: Bake, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    end = rollout.entered + step.seconds
    last_minute = max(math.floor(end / MINUTE) * MINUTE, first_clean_minute(rollout) + MINUTE)
    if seen.now < end or rollout.judged < last_minute:
        return rollout, _look(rollout, seen)
    if judgement.verdict is Verdict.PASS or (not _is_last(rollout) and judgement.may_go_on):
        return _step(_next(rollout, seen.now), seen, judgement)
    match rollout.rules.on_inconclusive:
        case "raise" if not _is_last(rollout):
            return _step(_next(rollout, seen.now), seen, judgement)
        case "ask":
            return replace(rollout, held=f"a person is to decide: {judgement.sentence}"), _look(rollout, seen)
        case "synthetic":
            return rollout, replace(_look(rollout, seen), synthetic=True)
        case _:
            return rollout, _look(rollout, seen)


def _is_last(rollout: Rollout) -> bool:
    """Whether all traffic would come next: there is nothing to compare with after that."""
    following = [step for step in rollout.steps[rollout.at :] if isinstance(step, SetWeight)]
    return not following or following[0].percent >= ALL


def _next(rollout: Rollout, now: float) -> Rollout:
    return replace(rollout, at=rollout.at + 1, entered=now)


def _look(rollout: Rollout, seen: Observation) -> Wait:
    return Wait(max(min(LOOK, deadline(rollout) - seen.now), 0.0))
