"""When a healthy release is promoted by a whole walk, and which service and signal that waits for.

Evidence adds up over the steps of a walk, minutes around each change of weight are lost, and numbers come late. So the
time to a promotion is not the time to a pass at one weight: the walk's stages are played through the bets that will
judge it, for those services and signals that need longest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil, floor, inf, sqrt
from random import Random
from typing import TYPE_CHECKING

from penstock.rollout.forecast import BLOCKS, WALKS, WHOLE, Traffic, expected_calls, play
from penstock.rollout.minutes import MINUTE
from penstock.rollout.strategies import ALL, Bake, SetWeight, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from penstock.rollout.evidence import JudgePolicy
    from penstock.rollout.state import Rules
    from penstock.rollout.strata import Signal, Stratum
    from penstock.rollout.strategies import Step

SLOWEST = 3
"""Services and signals that are played: those that are expected to need longest. The others pass meanwhile."""
HOPELESS = 0.999
"""A larger share of bad calls makes no difference: nothing passes."""
ROUNDED = 60.0
"""Seconds that a change of weight costs on average: until it is everywhere, and to the next whole minute."""
REMEDY = 'on_inconclusive = "synthetic" sends calls of its own, and penstock promote ends the wait'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What the stable release was seen to do: calls a minute, the share of bad ones, and all calls that are known."""

    service: str
    signal: Signal
    rate: float
    bad: float
    known: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Minutes until the promotion: sooner in one case of ten, later in one of ten. Infinite: far too many.

    `slowest` is the service and signal that needs longest.
    """

    slowest: Stream
    soonest: float
    latest: float

    def describe(self, rules: Rules) -> str:
        """`a healthy release is promoted after 18 to 34 min`, and what stands against it."""
        if self.soonest * MINUTE > rules.deadline:
            limit = f"a healthy release is not promoted before the deadline of {duration(rules.deadline)}"
            return limit if rules.on_inconclusive == "synthetic" else f"{limit}; {REMEDY}"
        if self.latest * MINUTE > rules.deadline:
            limit = f"the deadline of {duration(rules.deadline)} is too early for some"
            return f"a healthy release is promoted after {self.soonest:,.0f} min or later, and {limit}"
        low, high = f"{self.soonest:,.0f}", f"{self.latest:,.0f}"
        return f"a healthy release is promoted after {low if low == high else f'{low} to {high}'} min"


def streams(strata: Iterable[Stratum], minutes: float) -> tuple[Stream, ...]:
    """What so many minutes of the stable release tell, by service and signal."""
    calls: Counter[tuple[str, Signal]] = Counter()
    bad: Counter[tuple[str, Signal]] = Counter()
    for stratum in strata:
        calls[stratum.service, stratum.signal] += stratum.stable.calls
        bad[stratum.service, stratum.signal] += stratum.stable.bad
    return tuple(
        Stream(
            service=service,
            signal=signal,
            rate=count / minutes,
            bad=min(bad[service, signal] / count, HOPELESS),
            known=count,
        )
        for (service, signal), count in sorted(calls.items())
        if count
    )


def horizon(
    found: Sequence[Stream], steps: Iterable[Step], rules: Rules, policy: JudgePolicy, *, walks: int = WALKS
) -> Horizon | None:
    """When a walk ends well, and by whom that is decided; None where it judges nothing or nothing is known."""
    stages = list(_stages(steps))
    if not found or not stages:
        return None
    last = stages[-1].percent
    # Throttles without a throttled call count the same calls as errors: they pass together.
    apart: dict[tuple[object, ...], Stream] = {}
    for one in found:
        apart.setdefault((one.service, one.rate, one.bad, policy.margin_of(one.signal)), one)
    slowest = sorted(apart.values(), key=lambda one: _minutes(one, last, policy), reverse=True)[:SLOWEST]
    chance = Random(f"{slowest} {stages} {policy}")  # noqa: S311 -- statistics, not secrets
    least = min(one.rate for one in found)
    times, waits = [], Counter[Stream]()
    for _ in range(walks):
        judged = _early(chance, stages, rules, policy, least)
        needs = {one: _played(chance, one, stages, judged, policy) for one in slowest}
        waits[max(needs, key=lambda one: needs[one])] += 1
        times.append(_seconds(stages, judged, max(needs.values()), rules) / MINUTE)
    times.sort()
    tenth = walks // 10
    decides = max(slowest, key=lambda one: (waits[one], _minutes(one, last, policy)))
    return Horizon(slowest=decides, soonest=_floor(times[tenth]), latest=_ceil(times[-1 - tenth]))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A bake: its weight, its seconds, and those that the change of weight before it costs."""

    percent: int
    seconds: float
    lost: float


def _stages(steps: Iterable[Step]) -> Iterator[_Stage]:
    percent, lost, is_first = 0, 0.0, True
    for step in steps:
        match step:
            case SetWeight(percent=percent) if percent >= ALL:
                return
            case SetWeight():
                lost = ROUNDED + (MINUTE if is_first else 0)
            case Bake(seconds=seconds) if percent:
                yield _Stage(percent, seconds, lost)
                lost, is_first = 0.0, False
            case _:
                pass


def _early(chance: Random, stages: Sequence[_Stage], rules: Rules, policy: JudgePolicy, rate: float) -> Sequence[float]:
    """Judged minutes of each stage but for the need of a pass; how many calls come in a minute is chance."""
    found = []
    for stage in stages:
        calls = rate * stage.percent / WHOLE
        samples = 0.0
        if stage is not stages[-1] and rules.on_inconclusive != "raise":
            samples = chance.gauss(policy.minimum, sqrt(policy.minimum))
        found.append(max(1, floor((stage.seconds - stage.lost) / MINUTE), ceil(samples / calls)))
    return found


def _seconds(stages: Sequence[_Stage], judged: Sequence[float], needed: float, rules: Rules) -> float:
    """How long the walk takes when its last stage must judge so many minutes."""
    minutes = [*judged[:-1], max(judged[-1], ceil(needed) if needed < inf else inf)]
    late = rules.slowest + rules.delay
    return sum(
        max(stage.seconds, stage.lost + clean * MINUTE + late) for stage, clean in zip(stages, minutes, strict=True)
    )


def _minutes(one: Stream, percent: float, policy: JudgePolicy) -> float:
    """About how many minutes a pass takes at this weight."""
    calls = expected_calls(_traffic(one, percent), policy, policy.margin_of(one.signal))
    return inf if calls is None else calls / (one.rate * percent / WHOLE)


def _played(
    chance: Random, one: Stream, stages: Sequence[_Stage], judged: Sequence[float], policy: JudgePolicy
) -> float:
    """Minutes of the last stage until one healthy stream passes, with what the stages before have told."""
    expected = _minutes(one, stages[-1].percent, policy)
    if expected == inf:
        return inf
    before = []
    for stage, minutes in zip(stages[:-1], judged[:-1], strict=True):
        parts = max(1, min(BLOCKS, round(minutes)))
        traffic = _traffic(one, stage.percent)
        before += [replace(traffic, rate=traffic.rate * minutes / parts)] * parts
    block = max(1, ceil(expected / BLOCKS))
    last = _traffic(one, stages[-1].percent)
    busy = replace(last, rate=last.rate * block)
    return play(chance, busy, policy, policy.margin_of(one.signal), before=before) * block


def _traffic(one: Stream, percent: float) -> Traffic:
    return Traffic(rate=one.rate, percent=percent, bad=one.bad, known=one.known)


def _floor(minutes: float) -> float:
    return inf if minutes == inf else floor(minutes)


def _ceil(minutes: float) -> float:
    return inf if minutes == inf else ceil(minutes)
