"""Streams of calls for the judge's benchmark, and the rules that others judge by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, inf, log, log1p, sqrt
from random import Random
from typing import TYPE_CHECKING

from penstock.rollout.advance import advance
from penstock.rollout.hypergeometric import log_probability
from penstock.rollout.judge import Evidence, JudgePolicy, Verdict, accumulate, judge
from penstock.rollout.minutes import MINUTE, old_enough, to_judge
from penstock.rollout.state import Finished, Observation, Promote, Revert, Rollout, Rules, Shift
from penstock.rollout.strata import Sample, Stratum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from penstock.rollout.horizon import Stream
    from penstock.rollout.strata import Signal
    from penstock.rollout.strategies import Step

ALPHA = 0.01
BEGAN = 1_700_000_040.0
CHANGED = frozenset({"users"})

Minute = tuple[int, int, int, int]
"""Canary calls, bad ones, stable calls, bad ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of stream.

    Args:
        title: as the table shows it.
        rate: requests a minute.
        weights: the canary's share of them, minute by minute.
        bad: share of requests that are bad on the stable side, minute by minute.
        worse: what the canary's share is, given the stable side's.
        tries: how often a bad request is tried in all.
        sticky: whether all tries go to the side of the first one.
        late: minutes before the regression begins.
        signal: what is judged.
    """

    title: str
    rate: int
    weights: tuple[float, ...]
    bad: tuple[float, ...]
    times: float = 1.0
    plus: float = 0.0
    tries: int = 1
    sticky: bool = False
    late: int = 0
    signal: Signal = "errors"

    def healthy(self) -> Scenario:
        """The same without a regression."""
        return replace(self, times=1.0, plus=0.0)

    def minutes(self, seed: int) -> Iterator[Minute]:
        """One stream; the same for the same seed."""
        # The seed is the question, so that all rules are given the same streams.
        chance = Random(f"{self.rate} {self.weights[0]} {self.bad[0]} {self.times} {self.plus} {seed}")  # noqa: S311 -- traffic, not secrets
        for minute, (weight, share) in enumerate(zip(self.weights, self.bad, strict=True)):
            regressed = minute >= self.late
            canary_share = share * self.times + self.plus if regressed else share
            if self.tries == 1:
                canary = binomial(chance, self.rate, weight)
                stable = self.rate - canary
                yield canary, binomial(chance, canary, canary_share), stable, binomial(chance, stable, share)
            else:
                yield self._tried(chance, weight, share)

    def _tried(self, chance: Random, weight: float, share: float) -> Minute:
        """Bad requests are tried again; each try is drawn anew as AWS does, or sticks to its side."""
        poison = binomial(chance, self.rate, share)
        good = self.rate - poison
        if self.sticky:
            canary_bad = self.tries * binomial(chance, poison, weight)
        else:
            canary_bad = binomial(chance, poison * self.tries, weight)
        canary_good = binomial(chance, good, weight)
        stable_bad = poison * self.tries - canary_bad
        return canary_good + canary_bad, canary_bad, good - canary_good + stable_bad, stable_bad


def binomial(chance: Random, calls: int, share: float) -> int:
    """By the gaps between hits; by its normal limit from 1,000 expected ones on."""
    if share <= 0.0 or calls == 0:
        return 0
    if share >= 1.0:
        return calls
    if share > 1 / 2:
        return calls - binomial(chance, calls, 1.0 - share)
    mean = calls * share
    if mean > 300:  # noqa: PLR2004
        return min(calls, max(0, round(chance.gauss(mean, sqrt(mean * (1 - share))))))
    hits = place = 0
    stretch = log1p(-share)
    while True:
        place += 1 + int(log(1.0 - chance.random()) / stretch)
        if place > calls:
            return hits
        hits += 1


# ------------------------------------------------------------------------------------------ rules


def judged(minutes: Iterable[Minute], policy: JudgePolicy, signal: Signal = "errors") -> int | None:
    """The minute (from 1) in which our judge rolls back; None: never."""
    evidence = Evidence()
    for minute, one in enumerate(minutes, 1):
        evidence = accumulate(evidence, [stratum(minute, one, signal)], policy, CHANGED)
        if evidence.alarm:
            return minute
    return None


def promoted(scenario: Scenario, seed: int, policy: JudgePolicy) -> tuple[Verdict, int]:
    """The verdict that ends the walk and its minute; INCONCLUSIVE when nothing does."""
    evidence = Evidence()
    minute = 0
    for minute, one in enumerate(scenario.minutes(seed), 1):
        evidence = accumulate(evidence, [stratum(minute, one, scenario.signal)], policy, CHANGED)
        verdict = judge(evidence, policy, CHANGED).verdict
        if verdict is not Verdict.INCONCLUSIVE:
            return verdict, minute
    return Verdict.INCONCLUSIVE, minute


def walk_of(steps: tuple[Step, ...], rules: Rules) -> Rollout:
    """A rollout of users that is verified and has no traffic yet."""
    return Rollout(
        id="",
        environment="",
        release="",
        stable="",
        steps=steps,
        rules=rules,
        policy=JudgePolicy(),
        changed=tuple(CHANGED),
        began=BEGAN,
        entered=BEGAN,
        moved=BEGAN,
    )


def walked(walk: Rollout, one: Stream, seed: int) -> float | None:
    """Minutes until `advance` promotes a healthy release, looked at every ten seconds; None when it goes back."""
    chance = Random(f"walk {one} {seed}")  # noqa: S311 -- traffic, not secrets
    known = (0, 0, round(one.known), round(one.known * one.bad))
    hour = (stratum(int(BEGAN) - 60 * MINUTE, known, one.signal, one.service),)
    walk = replace(walk, evidence=accumulate(walk.evidence, hour, walk.policy, frozenset(walk.changed)))
    now, weight = BEGAN + chance.random() * MINUTE, 0
    began = now
    while True:
        minutes = to_judge(walk, now)
        strata = []
        for minute in minutes:
            canary = binomial(chance, round(one.rate), weight / 100)
            stable = round(one.rate) - canary
            counts = (canary, binomial(chance, canary, one.bad), stable, binomial(chance, stable, one.bad))
            strata.append(stratum(minute, counts, one.signal, one.service))
        until = old_enough(walk, now) if minutes else walk.judged
        walk, action = advance(walk, Observation(now=now, weight=weight, strata=tuple(strata), until=until))
        match action:
            case Shift(percent=weight):
                pass
            case Promote():
                return (now - began) / MINUTE
            case Revert() | Finished():
                return None
            case _:
                now += 10.0


def stratum(minute: int, one: Minute, signal: Signal = "errors", service: str = "users") -> Stratum:
    """As the judge takes it."""
    canary, canary_bad, stable, stable_bad = one
    return Stratum(
        minute=minute,
        service=service,
        signal=signal,
        canary=Sample(calls=canary, bad=canary_bad),
        stable=Sample(calls=stable, bad=stable_bad),
    )


def any_error(minutes: Iterable[Minute]) -> int | None:
    """An alarm on the canary's errors > 0."""
    return next((minute for minute, one in enumerate(minutes, 1) if one[1]), None)


def above_one_percent(minutes: Iterable[Minute]) -> int | None:
    """An alarm on the canary's share of errors > 1 % in a minute."""
    return next((minute for minute, one in enumerate(minutes, 1) if one[1] > ALPHA * one[0]), None)


def repeated_z(minutes: Iterable[Minute]) -> int | None:
    """A one-sided two-proportion test at 1 %, after each minute, on all calls so far."""
    total = [0, 0, 0, 0]
    for minute, one in enumerate(minutes, 1):
        total = [before + now for before, now in zip(total, one, strict=True)]
        canary, canary_bad, stable, stable_bad = total
        if not canary or not stable or not canary_bad + stable_bad:
            continue
        share = (canary_bad + stable_bad) / (canary + stable)
        spread = sqrt(share * (1 - share) * (1 / canary + 1 / stable))
        if spread and _upper_tail((canary_bad / canary - stable_bad / stable) / spread) < ALPHA:
            return minute
    return None


def repeated_ranks(minutes: Iterable[Minute]) -> int | None:
    """Mann-Whitney on the minutes' error shares at 1 %, after each minute from the fifth on, as Kayenta compares."""
    ours: list[float] = []
    theirs: list[float] = []
    for minute, (canary, canary_bad, stable, stable_bad) in enumerate(minutes, 1):
        ours.append(canary_bad / canary if canary else 0.0)
        theirs.append(stable_bad / stable if stable else 0.0)
        if minute >= 5 and _ranks(ours, theirs) < ALPHA:  # noqa: PLR2004
            return minute
    return None


RULES: Mapping[str, Callable[[Iterable[Minute]], int | None]] = {
    "any error": any_error,
    "> 1 %": above_one_percent,
    "z-test": repeated_z,
    "Mann-Whitney": repeated_ranks,
}


def least_p(minutes: Iterable[Minute]) -> tuple[float, ...]:
    """Fisher's exact p of all calls so far, after each minute."""
    total = [0, 0, 0, 0]
    found = []
    for one in minutes:
        total = [before + now for before, now in zip(total, one, strict=True)]
        canary, canary_bad, stable, stable_bad = total
        found.append(_fisher(canary_bad, canary, canary + stable, canary_bad + stable_bad))
    return tuple(found)


def group_sequential(walk: Sequence[float], bound: float) -> int | None:
    """The minute in which the exact test with a constant bound for every look stops."""
    return next((minute for minute, p in enumerate(walk, 1) if p <= bound), None)


def _fisher(hits: int, canary: int, total: int, bad: int) -> float:
    term = exp(log_probability(hits, canary=canary, total=total, bad=bad)) if canary else 1.0
    summed = 0.0
    for at in range(hits, min(canary, bad) + 1):
        summed += term
        if term < 1e-12 * summed:
            break
        term *= (bad - at) * (canary - at) / ((at + 1) * max(1, total - bad - canary + at + 1))
    return summed


def _upper_tail(z: float) -> float:
    return (1.0 - erf(z / sqrt(2.0))) / 2.0


def _ranks(ours: list[float], theirs: list[float]) -> float:
    """One-sided p of Mann-Whitney's U with the normal limit and the correction for ties."""
    count, beside = len(ours), len(theirs)
    ordered = sorted([(value, 1) for value in ours] + [(value, 0) for value in theirs])
    ranks = ties = 0.0
    start = 0
    while start < len(ordered):
        end = start
        mine = 0
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            mine += ordered[end][1]
            end += 1
        alike = end - start
        ranks += mine * (start + end + 1) / 2
        ties += alike**3 - alike
        start = end
    every = count + beside
    u = ranks - count * (count + 1) / 2
    variance = count * beside / 12 * (every + 1 - ties / (every * (every - 1)))
    return _upper_tail((u - count * beside / 2 - 0.5) / sqrt(variance)) if variance > 0 else inf
