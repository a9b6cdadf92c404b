"""`advance(rollout, seen) -> (rollout, action)`: every decision about a rollout, pure and total.

The loop around it observes, asks, writes the answer down, acts and reads back. Because nothing is remembered that AWS
can tell, a rollout whose driver died at any instant is gone on with by whoever asks next.

What always holds (tests/unit/rollout explores it):

- after a FAIL, an alarm or an abort the only action is `Revert`, until AWS says that the weight is 0;
- the weight never falls but by `Revert`, and 100 is asked for only with a PASS or by a person;
- a weight that nobody asked for, be it somebody's or that of a move that was cut short, is set right, also while the
  rollout is held, and no minute under it is judged;
- the deadline ends every bake, hold and pause, by going back;
- it has ended exactly when AWS says 0 after a `Revert`, or 100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.rollout import gates, webhooks
from penstock.rollout.judge import Verdict, accumulate, begin_step, judge, with_gates
from penstock.rollout.minutes import MINUTE, first_clean_minute, is_due, moved
from penstock.rollout.state import Action, Ask, Check, Finished, Promote, Revert, Shift, Wait
from penstock.rollout.strategies import (
    ALL,
    Approve,
    AwaitSwitch,
    Bake,
    Consult,
    Pause,
    SetWeight,
    Verify,
    describe,
    duration,
)
from penstock.rollout.traffic import tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.rollout.judge import Evidence, Judgement, JudgePolicy
    from penstock.rollout.state import Observation, Order, Rollout
    from penstock.rollout.strategies import Step

LOOK = 5.0
"""Seconds between two looks at orders and alarms while nothing else is due."""
PAUSED = "paused by "
"""How `held` begins when a person ordered it, and only a person's `resume` ends it."""
ASKED = "a person is to decide"
"""How it begins where a person was asked because nobody could tell; a verdict that comes meanwhile ends it as well."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement, and all that it rests on: with the same again it is the same, and need not be made anew."""

    rests_on: tuple[Evidence, JudgePolicy, tuple[str, ...], tuple[gates.Gate, ...], tuple[webhooks.Reply, ...]]
    judgement: Judgement


def advance(rollout: Rollout, seen: Observation) -> tuple[Rollout, Action]:
    """What is known now, and what to do next."""
    now, action, _ = decide(rollout, seen)
    return now, action


def decide(rollout: Rollout, seen: Observation, known: Judged | None = None) -> tuple[Rollout, Action, Judged | None]:
    """The same, and what was judged; `known` is what was judged before, and spares only time."""
    if rollout.outcome is not None:
        return rollout, Finished(), known
    rollout = _obey(_learn(_settled(rollout, seen), seen), seen.orders)
    if seen.weight == ALL:
        return rollout.ended("promoted", at=seen.now), Finished(), known
    said = judged(rollout, known)
    return *_decided(rollout, seen, said.judgement), said


def _decided(rollout: Rollout, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    rollout = _stop(rollout, seen, judgement)
    if rollout.reverting is not None:
        if seen.weight == 0:
            return rollout.ended("reverted", at=seen.now), Finished()
        return rollout, Revert(rollout.reverting)
    if rollout.promoted_by is not None:
        return rollout, Promote()
    if _is_asked(rollout) and _may_leave(rollout, judgement):
        rollout = replace(rollout, held=None)
    rollout = _rested(rollout, seen)
    doubts = seen.alarms is None or bool(rollout.open_alarms)
    if _is_astray(rollout, seen) and (not doubts or rollout.weight < (seen.weight or 0)):
        return rollout, Shift(rollout.weight)
    if rollout.held is not None or seen.weight is None or doubts:
        return rollout, _look(rollout, seen)
    return _step(rollout, seen, judgement)


def judgement_of(rollout: Rollout) -> Judgement:
    """What the judge and the user's own gates say of what was seen so far."""
    return judged(rollout).judgement


def judged(rollout: Rollout, known: Judged | None = None) -> Judged:
    """The same with what it rests on; `known` where that has not changed since."""
    asked = rollout.gates if rollout.weight else ()
    here = tuple(reply for reply in rollout.replies if reply.step == rollout.at)
    rests_on = (rollout.evidence, rollout.policy, rollout.changed, asked, here)
    if known is not None and known.rests_on == rests_on:
        return known
    said = judge(rollout.evidence, rollout.policy, frozenset(rollout.changed))
    found = (*(gates.finding(gate) for gate in asked), *(reply.finding for reply in here))
    return Judged(rests_on, with_gates(said, found))


def deadline(rollout: Rollout) -> float:
    """When it goes back by itself, in seconds since the epoch."""
    return rollout.began + rollout.rules.deadline


def passes_over_others(rollout: Rollout, by: str) -> bool:
    """Whether an end that this person orders would go past a yes that is not theirs to give."""
    return by in rollout.authors and any(isinstance(step, Approve) for step in rollout.steps[rollout.at :])


def open_sentence(alarms: Iterable[str]) -> str:
    """What is said of alarms that neither stop it nor let it go on."""
    return f"alarm {', '.join(alarms)} rings, and calls to the stable release that would tell why have not ended"


def step_of(rollout: Rollout) -> Step | None:
    """The step under way; None when only the promotion is left."""
    return rollout.steps[rollout.at] if rollout.at < len(rollout.steps) else None


def to_ask(rollout: Rollout, gate: gates.Gate, now: float) -> range:
    """The points of a gate that are to be looked at now; none while the candidate has no traffic."""
    if not rollout.weight:
        return range(0)
    return gates.to_ask(gate, clean=first_clean_minute(rollout), now=now, delay=rollout.rules.delay)


# ------------------------------------------------------------------------------------------ taking in


def _is_astray(rollout: Rollout, seen: Observation) -> bool:
    """Whether traffic is shared otherwise than was asked: a move was cut short, or somebody else moved it."""
    return seen.weight not in (None, ALL, rollout.weight)


def _settled(rollout: Rollout, seen: Observation) -> Rollout:
    """The rollout that judges no minute in which the weight was another one, or may have been.

    Since when it is, nobody knows: minutes count up to those that were judged while it was seen right.
    """
    astray = _is_astray(rollout, seen)
    if not astray and not rollout.moving:
        return rollout
    return replace(moved(rollout, seen.now, clean_until=rollout.judged), moving=astray or seen.weight is None)


def _rested(rollout: Rollout, seen: Observation) -> Rollout:
    """Who is held in the middle of a move stays below it: no weight grows after somebody said pause."""
    step = step_of(rollout)
    if rollout.held is None or not isinstance(step, SetWeight) or seen.weight in (None, step.percent):
        return rollout
    before = [done.percent for done in rollout.steps[: rollout.at] if isinstance(done, SetWeight)]
    return replace(rollout, weight=before[-1] if before else 0)


def _learn(rollout: Rollout, seen: Observation) -> Rollout:
    clean = [one for one in seen.strata if is_due(rollout, one.service, one.minute, seen.until)]
    rollout = _beside(rollout, seen)
    evidence = accumulate(rollout.evidence, clean, rollout.policy, frozenset(rollout.changed))
    begin = max(rollout.judged, first_clean_minute(rollout))
    shares = [share for share in seen.shares if begin <= share.minute < seen.until and rollout.weight]
    return replace(
        rollout,
        evidence=evidence,
        traffic=tally(rollout.traffic, shares, rollout.weight),
        slow=rollout.slow if not seen.slow else {**seen.slow, **(rollout.slow or {})},
        judged=max(rollout.judged, seen.until),
        gates=_looked(rollout, seen),
        replies=webhooks.learned(rollout.replies, seen.replies),
    )


def _beside(rollout: Rollout, seen: Observation) -> Rollout:
    """What the alarms tell of both sides.

    Without any traffic the stable side is silent whatever rings, so that no further alarm is open; one that was stays
    so, until its last calls tell.
    """
    if seen.alarms is None:
        return rollout
    if seen.weight != ALL:
        return replace(rollout, shared_alarms=seen.shared_alarms, open_alarms=seen.open_alarms)
    return replace(
        rollout,
        shared_alarms=tuple(sorted({*rollout.shared_alarms, *seen.shared_alarms})),
        open_alarms=tuple(name for name in rollout.open_alarms if name not in seen.alarms),
    )


def _looked(rollout: Rollout, seen: Observation) -> tuple[gates.Gate, ...]:
    new = {points.name: points for points in seen.points} if rollout.weight else {}
    clean = first_clean_minute(rollout)
    return tuple(
        gates.look(gate, new[gate.metric.name], clean=clean, now=seen.now) if gate.metric.name in new else gate
        for gate in rollout.gates
    )


def _obey(rollout: Rollout, orders: Iterable[Order]) -> Rollout:
    for order in orders:
        if order.id in rollout.orders:
            continue
        said = f"{order.by}: {order.why}" if order.why else order.by
        rollout = replace(rollout, orders=(*rollout.orders, order.id))
        match order.verb:
            case "pause":
                rollout = replace(rollout, held=f"{PAUSED}{said}")
            case "resume":
                rollout = replace(rollout, held=None, released=isinstance(step_of(rollout), Pause))
            case "approve" if isinstance(step_of(rollout), Approve) and order.by not in rollout.authors:
                people = tuple(dict.fromkeys((*rollout.approved_by, order.by)))
                rollout = replace(rollout, approved_by=people, held=rollout.held if _is_paused(rollout) else None)
            case "approve":
                pass
            case "promote" if passes_over_others(rollout, order.by):
                pass
            case "promote":
                rollout = replace(rollout, held=None, promoted_by=said)
            case "abort":
                rollout = replace(rollout, reverting=rollout.reverting or f"aborted by {said}")
    return rollout


def _stop(rollout: Rollout, seen: Observation, judgement: Judgement) -> Rollout:
    """What must not go on goes back; what goes back stays so."""
    if rollout.reverting is not None:
        return rollout
    bad = _bad(rollout, seen, judgement)
    if bad is not None:
        return replace(rollout, reverting=bad, promoted_by=None)
    late = _late(rollout, seen, judgement) if rollout.promoted_by is None else None
    return rollout if late is None else replace(rollout, reverting=late, inconclusive=True)


def _bad(rollout: Rollout, seen: Observation, judgement: Judgement) -> str | None:
    """Why the candidate is found bad, or None."""
    if judgement.verdict is Verdict.FAIL:
        return judgement.sentence
    if seen.alarms:
        return f"alarm {', '.join(seen.alarms)} rings"
    if seen.checked is not None and seen.checked[0] == rollout.at and seen.checked[1]:
        return f"it is not well any more: {seen.checked[1]}"
    return None


def _late(rollout: Rollout, seen: Observation, judgement: Judgement) -> str | None:
    """Which deadline has come, or None: the rollout's, or that of the step under way."""
    now, step = seen.now, step_of(rollout)
    reply = webhooks.reply_of(rollout.replies, rollout.at, step.webhook) if isinstance(step, Consult) else None
    told = reply.sentence if reply else judgement.sentence
    told = told if seen.alarms is not None else "its alarms cannot be read"
    why = rollout.held or (open_sentence(rollout.open_alarms) if rollout.open_alarms else told)
    if now >= deadline(rollout):
        return f"not decided within {duration(rollout.rules.deadline)}: {why}"
    if step is not None and step.deadline is not None and now >= rollout.entered + step.deadline:
        return f'"{describe(step)}" did not end in time: {why}'
    return None


# ------------------------------------------------------------------------------------------ going on


def _step(  # noqa: PLR0911 - one per kind of step
    rollout: Rollout, seen: Observation, judgement: Judgement
) -> tuple[Rollout, Action]:
    if rollout.at >= len(rollout.steps):
        return rollout, Promote()
    step = rollout.steps[rollout.at]
    match step:
        case Verify():
            return _verify(rollout, seen, judgement)
        case Pause() | Approve():
            return _people(rollout, step, seen, judgement)
        case AwaitSwitch():
            return replace(rollout, held="it waits for penstock switch"), _look(rollout, seen)
        case Consult():
            return _consult(rollout, step, seen, judgement)
        case SetWeight(percent=percent) if percent >= ALL:
            return rollout, Promote()
        case SetWeight(percent=percent):
            if seen.weight != percent:
                moving = moved(rollout, seen.now, clean_until=rollout.entered)
                return replace(moving, weight=percent, moving=True), Shift(percent)
            settled = replace(_next(moved(rollout, seen.now, clean_until=rollout.entered), seen.now), weight=percent)
            anew = tuple(gates.begin_step(gate) for gate in settled.gates)
            return _step(replace(settled, evidence=begin_step(settled.evidence), gates=anew), seen, judgement)
        case Bake():
            return _bake(rollout, step, seen, judgement)


def _verify(rollout: Rollout, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    is_first = all(isinstance(step, Verify) for step in rollout.steps[: rollout.at])  # done before there was a rollout
    if is_first:
        return _step(_next(rollout, seen.now), seen, judgement)
    if seen.checked is None or seen.checked[0] != rollout.at:
        return rollout, Check()
    if rollout.moved <= rollout.entered:  # its own calls were counted as the canary's: these minutes are not judged
        rollout = moved(rollout, seen.now, clean_until=rollout.entered)
    return _leave(rollout, seen, judgement)


def _people(rollout: Rollout, step: Pause | Approve, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    """What a person ends; how is told, because nobody knows it by heart."""
    if isinstance(step, Pause):
        if rollout.released:
            return _leave(rollout, seen, judgement)
        why = f"{describe(step)}; to go on: penstock resume -e {rollout.environment}"
    else:
        given = len(rollout.approved_by)
        if given >= step.people:
            return _leave(rollout, seen, judgement)
        why = (
            f"it needs {describe(step)} and has {given}: penstock approve -e {rollout.environment} {rollout.release}"
            + ("; not by its author" if rollout.authors else "")
        )
    return replace(rollout, held=why), _look(rollout, seen)


def _consult(rollout: Rollout, step: Consult, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    reply = webhooks.reply_of(rollout.replies, rollout.at, step.webhook)
    if reply is not None and reply.verdict is Verdict.PASS:
        return _leave(rollout, seen, judgement)
    if webhooks.is_due(reply, seen.now):
        return rollout, Ask(step.webhook)
    return rollout, _look(rollout, seen)


def _leave(rollout: Rollout, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    """Go on behind a step that judges nothing. A pass that was lost in the meantime must be there again before all."""
    has_baked = any(isinstance(step, Bake) for step in rollout.steps[: rollout.at])
    if has_baked and _is_last(rollout) and judgement.verdict is not Verdict.PASS:
        return rollout, _look(rollout, seen)
    return _step(_next(rollout, seen.now), seen, judgement)


def _bake(rollout: Rollout, step: Bake, seen: Observation, judgement: Judgement) -> tuple[Rollout, Action]:
    end = rollout.entered + step.seconds
    last_minute = max(math.floor(end / MINUTE) * MINUTE, first_clean_minute(rollout) + MINUTE)
    if seen.now < end or rollout.judged < last_minute:
        return rollout, _look(rollout, seen)
    if _may_leave(rollout, judgement):
        return _step(_next(rollout, seen.now), seen, judgement)
    match rollout.rules.on_inconclusive:
        # More traffic does not mend a measurement.
        case "raise" if not _is_last(rollout) and judgement.verdict <= Verdict.INCONCLUSIVE:
            return _step(_next(rollout, seen.now), seen, judgement)
        case "ask":
            return replace(rollout, held=_question(rollout, step, judgement)), _look(rollout, seen)
        case "synthetic" if judgement.verdict is Verdict.INCONCLUSIVE:
            return rollout, replace(_look(rollout, seen), synthetic=True)
        case _:
            return rollout, _look(rollout, seen)


def _may_leave(rollout: Rollout, judgement: Judgement) -> bool:
    """Whether the evidence allows what comes behind the step."""
    return judgement.verdict is Verdict.PASS or (not _is_last(rollout) and judgement.may_go_on)


def _question(rollout: Rollout, step: Bake, judgement: Judgement) -> str:
    """What a person is asked, how they answer, and until when."""
    end = deadline(rollout) if step.deadline is None else min(deadline(rollout), rollout.entered + step.deadline)
    until = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M UTC")
    name = rollout.environment
    return (
        f"{ASKED} until {until}, or it goes back: penstock promote -e {name}, or penstock abort -e {name}; "
        f"{judgement.sentence}"
    )


def _is_asked(rollout: Rollout) -> bool:
    return rollout.held is not None and rollout.held.startswith(ASKED)


def _is_paused(rollout: Rollout) -> bool:
    return rollout.held is not None and rollout.held.startswith(PAUSED)


def _is_last(rollout: Rollout) -> bool:
    """Whether nothing is judged between here and all traffic: there is nothing to compare with after that."""
    following = [step for step in rollout.steps[rollout.at + 1 :] if isinstance(step, SetWeight | Bake)]
    return not following or (isinstance(following[0], SetWeight) and following[0].percent >= ALL)


def _next(rollout: Rollout, now: float) -> Rollout:
    return replace(rollout, at=rollout.at + 1, entered=now, released=False, approved_by=())


def _look(rollout: Rollout, seen: Observation) -> Wait:
    return Wait(max(min(LOOK, deadline(rollout) - seen.now), 0.0))
