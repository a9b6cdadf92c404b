"""The forecast of a whole walk, beside what `advance` then does with streams of the same kind."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest
from unit.rollout.test_advance import BEGAN, a_rollout

from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.rollout.advance import advance
from penstock.rollout.horizon import Horizon, Stream, horizon, streams
from penstock.rollout.judge import JudgePolicy
from penstock.rollout.minutes import old_enough, to_judge
from penstock.rollout.state import Finished, Observation, Promote, Revert, Rollout, Rules, Shift, Wait
from penstock.rollout.strata import Sample, Signal, Stratum
from penstock.rollout.strategies import STRATEGIES

POLICY = JudgePolicy()
CANARY = RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0)
DAY = 86_400.0


def a_stream(service: str = "users", rate: float = 600.0, bad: float = 0.0, signal: Signal = "errors") -> Stream:
    return Stream(service=service, signal=signal, rate=rate, bad=bad, known=rate * 60)


def drawn(chance: Random, calls: int, share: float) -> int:
    return sum(chance.random() < share for _ in range(calls))


def promoted_after(seed: int, rollout: Rollout, traffic: tuple[Stream, ...]) -> float:
    """Minutes until a healthy release has all traffic, looked at every ten seconds; infinite when it never has."""
    chance = Random(seed)  # noqa: S311 - statistics, not secrets
    known = tuple(
        Stratum(
            minute=int(BEGAN) - 3600,
            service=one.service,
            signal=one.signal,
            stable=Sample(calls=round(one.known), bad=round(one.known * one.bad)),
            canary=Sample(),
        )
        for one in traffic
    )
    now, weight = BEGAN + chance.random() * 60, 0
    rollout, _ = advance(rollout, Observation(now=BEGAN, weight=0, strata=known, until=0.0))
    began = now
    while True:
        minutes = to_judge(rollout, now)
        strata = []
        for minute in minutes:
            for one in traffic:
                canary = drawn(chance, round(one.rate), weight / 100)
                stable = round(one.rate) - canary
                strata.append(
                    Stratum(
                        minute=minute,
                        service=one.service,
                        signal=one.signal,
                        canary=Sample(calls=canary, bad=drawn(chance, canary, one.bad)),
                        stable=Sample(calls=stable, bad=drawn(chance, stable, one.bad)),
                    )
                )
        until = old_enough(rollout, now) if minutes else rollout.judged
        rollout, action = advance(rollout, Observation(now=now, weight=weight, strata=tuple(strata), until=until))
        match action:
            case Wait():
                now += 10.0
            case Shift(percent=percent):
                weight = percent
            case Promote():
                return (now - began) / 60
            case Revert() | Finished():
                return inf
            case _:
                raise AssertionError(action)


@pytest.mark.parametrize(
    ("traffic", "policy"),
    [
        ((a_stream(rate=600),), CANARY),
        ((a_stream(rate=60),), CANARY),
        ((a_stream(rate=20),), CANARY),
        ((a_stream(rate=200, bad=0.005),), CANARY),
        ((a_stream(rate=300), a_stream(rate=300, bad=0.1, signal="latency")), CANARY),
        ((a_stream(rate=100),), RolloutPolicy(strategy="linear", by=25, every=60.0)),
        ((a_stream(rate=900), a_stream("orders", rate=60)), CANARY),
    ],
)
def test_the_promotion_comes_when_it_was_forecast(traffic: tuple[Stream, ...], policy: RolloutPolicy) -> None:
    rollout = a_rollout(policy, slowest=10.0, deadline=DAY)
    rollout = Rollout.from_json({**rollout.to_json(), "changed": sorted({one.service for one in traffic})})
    said = horizon(traffic, rollout.steps, rollout.rules, POLICY)
    assert said is not None
    ends = sorted(promoted_after(seed, rollout, traffic) for seed in range(30))
    inside = sum(said.soonest - 1 <= end <= said.latest + 1 for end in ends)
    assert said.soonest - 1 <= ends[len(ends) // 2] <= said.latest + 1, (said, ends)
    assert inside >= 0.7 * len(ends), (said, ends)


def test_what_needs_longest_decides_and_not_what_is_called_least() -> None:
    many = (a_stream("often", rate=400, bad=0.02), a_stream("seldom", rate=300))
    steps = STRATEGIES["canary"](CANARY)
    found = horizon(many, steps, Rules(), POLICY)
    assert found is not None
    assert found.slowest.service == "often"
    same = horizon((a_stream(), a_stream(signal="throttles")), steps, Rules(), POLICY)
    assert same == horizon((a_stream(),), steps, Rules(), POLICY), "the same calls, told twice"
    slow = horizon((a_stream(), a_stream(bad=0.1, signal="latency")), steps, Rules(), POLICY)
    assert slow is not None
    assert slow.slowest.signal == "latency"


def test_the_forecast_is_the_same_every_time_and_names_the_deadline() -> None:
    steps = STRATEGIES["canary"](CANARY)
    found = horizon((a_stream(rate=60),), steps, Rules(deadline=DAY), POLICY)
    assert found == horizon((a_stream(rate=60),), steps, Rules(deadline=DAY), POLICY)
    assert found is not None
    one = a_stream()
    assert Horizon(slowest=one, soonest=18, latest=34).describe(Rules()) == (
        "a healthy release is promoted after 18 to 34 min"
    )
    assert Horizon(slowest=one, soonest=18, latest=18).describe(Rules()).endswith("after 18 min")
    assert "not promoted before the deadline of 1h" in Horizon(slowest=one, soonest=61, latest=99).describe(Rules())
    assert "the deadline of 1h is too early for some" in Horizon(slowest=one, soonest=18, latest=inf).describe(Rules())


def test_a_walk_that_judges_nothing_has_no_horizon() -> None:
    assert horizon((a_stream(),), STRATEGIES["all-at-once"](CANARY), Rules(), POLICY) is None
    assert horizon((), STRATEGIES["canary"](CANARY), Rules(), POLICY) is None
    pauses = (PlannedStep(kind="weight", percent=10), PlannedStep(kind="pause"))
    assert horizon((a_stream(),), STRATEGIES["custom"](RolloutPolicy(steps=pauses)), Rules(), POLICY) is None


def test_what_an_hour_tells_is_counted_by_service_and_signal() -> None:
    one = Stratum(minute=0, service="users", signal="errors", canary=Sample(), stable=Sample(calls=300, bad=3))
    hour = [one, replace(one, minute=60)]
    assert streams(hour, 60.0) == (Stream(service="users", signal="errors", rate=10.0, bad=0.01, known=600),)
