"""The judge alone: false alarms, power, time to a pass, and cost, beside what others judge by.

    .venv/bin/python benchmarks/judge.py [--streams 10000]

Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from functools import partial
from math import log
from multiprocessing import Pool
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING

from measure import aligned, machine
from streams import (
    ALPHA,
    RULES,
    Scenario,
    binomial,
    group_sequential,
    judged,
    least_p,
    promoted,
    repeated_ranks,
    stratum,
    walk_of,
    walked,
)

from penstock.rollout.advance import LOOK, decide
from penstock.rollout.advance import judged as judgement_and_basis
from penstock.rollout.forecast import Traffic, minutes_to_pass
from penstock.rollout.horizon import Stream, horizon
from penstock.rollout.judge import Evidence, JudgePolicy, Verdict, accumulate, judge
from penstock.rollout.minutes import MINUTE, first_clean_minute
from penstock.rollout.state import Observation, Rules
from penstock.rollout.strata import SIGNALS
from penstock.rollout.strategies import ALL, Bake, SetWeight, Verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.pool import Pool as Workers

    from penstock.rollout.strata import Stratum

POLICY = JudgePolicy()
AWS = Rules(slowest=10.0)
"""CloudWatch's delay and the time that a move takes to be everywhere, as they are taken for granted on AWS."""
USUAL = 0.005
"""Share of bad calls of a service that nobody complains about."""
HALF_HOUR = 30
LONGEST_WALK = 86_400.0
SLOWER = 1 - NormalDist().cdf(NormalDist().inv_cdf(0.9) - log(1.3) / 0.5)
"""Share of calls above the 90th percentile of a log-normal latency (sigma 0.5) once all of them take 30 % longer."""
TABLES = ("calibration", "passes", "power", "promotion", "walks", "cost")
MINUTE_COST, THOUSAND_COST = 5.0, 1.0
"""Goals: milliseconds for a service and minute, seconds for 1,000 services."""
LOOKS = round(MINUTE / LOOK)
"""How often a command that drives looks in a minute."""


def main() -> None:
    """Play the streams and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--only", choices=TABLES, nargs="*", default=TABLES)
    options = parser.parse_args()
    missed: list[str] = []
    print(f"begun: {machine()}; {options.streams:,} streams\n")
    with Pool(2) as workers:
        if "calibration" in options.only:
            calibration(workers, options.streams, missed)
        if "passes" in options.only:
            passes(workers, options.streams, missed)
        if "power" in options.only:
            power(workers, options.streams, missed)
        if "promotion" in options.only:
            promotion(workers, max(100, options.streams // 20), missed)
        if "walks" in options.only:
            walks(workers, max(20, options.streams // 50), missed)
    if "cost" in options.only:
        cost(missed)
    print(f"ended: {machine()}")
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


def flat(title: str, rate: int, *, weight: float = 0.1, minutes: int = HALF_HOUR, bad: float = USUAL) -> Scenario:
    """Nothing changes for as long as it lasts."""
    return Scenario(title=title, rate=rate, weights=(weight,) * minutes, bad=(bad,) * minutes)


def ramp(title: str, **others: int | bool) -> Scenario:
    """From 10 to 90 % while errors of both sides jump from 0.5 to 3 %, and back."""
    weights = tuple(weight for weight in (0.1, 0.25, 0.5, 0.75, 0.9) for _ in range(6))
    shares = tuple(0.03 if 8 <= minute < 22 else USUAL for minute in range(HALF_HOUR))  # noqa: PLR2004
    return Scenario(title=title, rate=600, weights=weights, bad=shares, **others)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ tables


def calibration(workers: Workers, streams: int, missed: list[str]) -> None:
    """How often a release without a regression is rolled back within half an hour."""
    scenarios = (
        flat("60/min, 10 %", 60),
        flat("600/min, 10 %", 600),
        flat("6,000/min, 10 %", 6_000),
        ramp("10→90 %, errors 0.5→3 % on both sides"),
        ramp("the same, bad requests tried 4 times", tries=4),
    )
    lines = [("false rollbacks in 30 min", "judge", *RULES, "goal", "")]
    for scenario in scenarios:
        found = shares(workers, partial(false_alarms, scenario), streams)
        lines.append(
            (scenario.title, *map(percent, found), "judge <= 1 %", met(found[0] <= ALPHA, scenario.title, missed))
        )
    sticky = ramp("tries stick to their side (AWS does not do that)", tries=4, sticky=True)
    found = shares(workers, partial(false_alarms, sticky), streams)
    lines.append((sticky.title, *map(percent, found), "", ""))
    told = shares(workers, partial(false_alarms, sticky, policy=JudgePolicy(clusters=4)), streams)
    title = "tries stick to their side, clusters = 4"
    lines.append((title, percent(told[0]), *("",) * len(RULES), "judge <= 1 %", met(told[0] <= ALPHA, title, missed)))
    print(aligned(lines), "\n")


def passes(workers: Workers, streams: int, missed: list[str]) -> None:
    """How often a release that is worse by exactly the margin is promoted within an hour."""
    lines = [("promoted though 1 point worse, in an hour", "judge", "goal", "")]
    for usual in (0.0, USUAL):
        title = f"600/min, 50 %, {usual:.1%} → {usual + 0.01:.1%}"
        worse = flat(title, 600, weight=0.5, minutes=60, bad=usual)
        harmful = Scenario(title=title, rate=600, weights=worse.weights, bad=worse.bad, plus=POLICY.margin)
        found = shares(workers, partial(wrong_pass, harmful), streams)
        lines.append((title, percent(found[0]), "<= 1 %", met(found[0] <= ALPHA, f"pass of {title}", missed)))
    print(aligned(lines), "\n")


def power(workers: Workers, streams: int, missed: list[str]) -> None:
    """How often and how soon a regression is found, beside the best test that knows how long it will look."""
    lines = [
        (
            "regressions",
            "judge found",
            "median",
            "from the move",
            "exact sequential test",
            "median",
            "Mann-Whitney",
            "median",
            "goal",
            "",
        )
    ]
    ten, half = flat("", 600, minutes=10), flat("", 600, weight=0.5, minutes=10)
    cases: tuple[tuple[Scenario, float, float], ...] = (
        (_with(ten, "10 times the errors, 600/min at 10 %", times=10.0), 0.99, 2),
        (_with(half, "3 times the errors, 600/min at 50 %", times=3.0), 0.75, 10),
        (
            Scenario(
                title="30 % slower, 600/min at 10 %",
                rate=600,
                weights=ten.weights,
                bad=(0.1,) * 10,
                plus=SLOWER - 0.1,
                signal="latency",
            ),
            0.95,
            4,
        ),
    )
    for scenario, least, latest in cases:
        ours = list(workers.imap(partial(found_in, scenario), range(streams), chunksize=50))
        null = sorted(workers.imap(partial(smallest, scenario.healthy()), range(streams, 2 * streams), chunksize=50))
        bound = null[int(streams * ALPHA)]
        theirs = list(workers.imap(partial(exact_in, scenario, bound), range(streams), chunksize=50))
        ranked = list(workers.imap(partial(ranked_in, scenario), range(streams), chunksize=50))
        share, median = _found(ours)
        reached = share >= least and median <= latest
        lines.append(
            (
                scenario.title,
                percent(share),
                f"{median:g} min",
                f"{from_the_move(median):.1f} min",
                percent(_found(theirs)[0]),
                f"{_found(theirs)[1]:g} min",
                percent(_found(ranked)[0]),
                f"{_found(ranked)[1]:g} min",
                f">= {least:.0%} in 10 min, median <= {latest:g}",
                met(reached, scenario.title, missed),
            )
        )
    late = Scenario(
        title="10 times the errors, after 60 good minutes",
        rate=600,
        weights=(0.1,) * 70,
        bad=(USUAL,) * 70,
        times=10.0,
        late=60,
    )
    ours = [
        None if minute is None else minute - late.late
        for minute in workers.imap(partial(found_in, late), range(streams // 10), chunksize=50)
    ]
    share, median = _found([minute for minute in ours if minute is None or minute > 0])
    lines.append((late.title, percent(share), f"{median:g} min", *("",) * 7))
    print(aligned(lines))
    print(
        f"from the move: from the shift of traffic to the verdict, CloudWatch's delay of {AWS.delay:g} s, a timeout of "
        f"{AWS.slowest:g} s and the first minutes included\n"
    )


def from_the_move(minutes: float) -> float:
    """Minutes from the first shift of traffic until so many can be judged: the mean over the moment of that shift.

    In between are the minutes that a walk leaves out because the canary is cold in them, and the wait for late numbers.
    """
    walk = replace(walk_of((SetWeight(10), Bake(600)), AWS), at=1)
    waits = [first_clean_minute(replace(walk, moved=float(second))) - second for second in range(MINUTE)]
    return minutes + (statistics.mean(waits) + AWS.slowest + AWS.delay) / MINUTE


def promotion(workers: Workers, streams: int, missed: list[str]) -> None:
    """When healthy releases pass, and what the forecast had said."""
    lines = [("healthy releases", "passed in 4 x forecast", "median", "9 in 10", "forecast", "rolled back", "goal", "")]
    cases = [(usual, rate, weight, 0) for usual in (0.0, USUAL) for rate in (60, 600, 6_000) for weight in (0.1, 0.5)]
    for usual, rate, weight, known in (*cases, (USUAL, 60, 0.5, 60)):
        said = minutes_to_pass(Traffic(rate=rate, percent=weight * 100, bad=usual, known=rate * known), POLICY)
        assert said is not None
        title = f"{usual:.1%} errors, {rate:,}/min at {weight:.0%}{', an hour known' if known else ''}"
        walk = flat(title, rate, weight=weight, minutes=max(10, said * 4), bad=usual)
        scenario = replace(walk, weights=(0.0,) * known + walk.weights, bad=(usual,) * known + walk.bad)
        ends = list(workers.imap(partial(promoted, scenario, policy=POLICY), range(streams), chunksize=10))
        passed = sorted(minute - known for verdict, minute in ends if verdict is Verdict.PASS)
        back = sum(verdict is Verdict.FAIL for verdict, _ in ends) / streams
        median = statistics.median(passed)
        right = abs(median - said) <= max(1.0, 0.15 * said)
        lines.append(
            (
                title,
                percent(len(passed) / streams),
                f"{median:g} min",
                f"{passed[int(0.9 * len(passed))]:g} min",
                f"{said} min",
                percent(back),
                "forecast within 15 % or 1 min",
                met(right, f"forecast of {title}", missed),
            )
        )
    print(aligned(lines), "\n")


def walks(workers: Workers, streams: int, missed: list[str]) -> None:
    """When a canary of 10 and 50 %, five minutes each, promotes healthy releases, and what its forecast had said."""
    lines = [
        ("healthy releases, 10 % and 50 % for 5 min each", "promoted", "median", "9 in 10", "forecast", "goal", "")
    ]
    steps = (SetWeight(10), Bake(300), SetWeight(50), Bake(300), SetWeight(100))
    for usual in (0.0, USUAL):
        for rate in (60, 600, 6_000):
            one = Stream(service="users", signal="errors", rate=rate, bad=usual, known=rate * 60)
            said = horizon((one,), steps, AWS, POLICY)
            assert said is not None
            walk = walk_of(steps, replace(AWS, deadline=LONGEST_WALK))
            title = f"{usual:.1%} errors, {rate:,}/min"
            ends = list(workers.imap(partial(walked, walk, one), range(streams), chunksize=5))
            promoted_after = sorted(minutes for minutes in ends if minutes is not None)
            median = statistics.median(promoted_after)
            lines.append(
                (
                    title,
                    percent(len(promoted_after) / streams),
                    f"{median:.0f} min",
                    f"{promoted_after[int(0.9 * len(promoted_after))]:.0f} min",
                    f"{said.soonest:.0f} to {said.latest:.0f} min",
                    "median within it, 1 min spared",
                    met(said.soonest - 1 <= median <= said.latest + 1, f"walk of {title}", missed),
                )
            )
    print(aligned(lines), "\n")


def cost(missed: list[str]) -> None:
    """What a minute costs: one service with all signals, a huge one, a thousand."""
    lines = [("cost of a minute", "median", "goal", "")]
    for title, rate, bad in (
        ("a service with five signals, 600/min", 600, USUAL),
        ("a service with five signals, 100,000/min and 3 % bad", 100_000, 0.03),
    ):
        spent = minute_cost(services=1, rate=rate, bad=bad, rounds=15)
        lines.append((title, f"{spent * 1e3:.2f} ms", "<= 5 ms", met(spent * 1e3 <= MINUTE_COST, title, missed)))
    title = "1,000 services with five signals, 600/min each, all changed"
    spent = minute_cost(services=1_000, rate=600, bad=USUAL, rounds=3)
    lines.append((title, f"{spent:.2f} s", "<= 1 s", met(spent <= THOUSAND_COST, title, missed)))
    title = "the same as a command decides: twelve looks, of which one has news"
    spent = looks_cost(services=1_000, rate=600, bad=USUAL, rounds=3)
    lines.append((title, f"{spent:.2f} s", "<= 1 s", met(spent <= THOUSAND_COST, title, missed)))
    print(aligned(lines), "\n")


# ------------------------------------------------------------------------------------------ single streams


def false_alarms(scenario: Scenario, seed: int, policy: JudgePolicy = POLICY) -> tuple[bool, ...]:
    """Who rolls back this stream: our judge, then each of the rules."""
    minutes = tuple(scenario.minutes(seed))
    return judged(minutes, policy) is not None, *(rule(minutes) is not None for rule in RULES.values())


def wrong_pass(scenario: Scenario, seed: int) -> tuple[bool]:
    """Whether a release that is worse is promoted."""
    return (promoted(scenario, seed, POLICY)[0] is Verdict.PASS,)


def found_in(scenario: Scenario, seed: int) -> int | None:
    """When our judge finds it."""
    return judged(scenario.minutes(seed), POLICY, scenario.signal)


def smallest(scenario: Scenario, seed: int) -> float:
    """The least exact p of a stream."""
    return min(least_p(scenario.minutes(seed)))


def exact_in(scenario: Scenario, bound: float, seed: int) -> int | None:
    """When the exact test finds it."""
    return group_sequential(least_p(scenario.minutes(seed)), bound)


def ranked_in(scenario: Scenario, seed: int) -> int | None:
    """When Mann-Whitney on the minutes finds it."""
    return repeated_ranks(scenario.minutes(seed))


def minute_cost(*, services: int, rate: int, bad: float, rounds: int) -> float:
    """Median seconds for accumulating and judging one minute."""
    chance = Random(1)  # noqa: S311 -- traffic, not secrets
    names = [f"service-{number}" for number in range(services)]
    changed = frozenset(names)
    evidence = Evidence()
    spent = []
    for minute in range(rounds):
        strata = everybody(chance, names, minute, rate, bad)
        began = time.perf_counter()
        evidence = accumulate(evidence, strata, POLICY, changed)
        judge(evidence, POLICY, changed)
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def looks_cost(*, services: int, rate: int, bad: float, rounds: int) -> float:
    """Median seconds of a minute's looks: decided, and judged, with what was judged before at hand."""
    chance = Random(1)  # noqa: S311 -- traffic, not secrets
    names = [f"service-{number}" for number in range(services)]
    steps = (Verify(), SetWeight(10), Bake(86_400.0), SetWeight(ALL))
    walk = walk_of(steps, Rules(deadline=86_400.0))
    rollout = replace(walk, changed=tuple(names), at=2, weight=10)
    first, known, spent = int(first_clean_minute(rollout)), None, []
    for minute in range(first, first + rounds * MINUTE, MINUTE):
        strata = tuple(everybody(chance, names, minute, rate, bad))
        until = float(minute + MINUTE)
        began = time.perf_counter()
        for look in range(LOOKS):
            seen = Observation(now=until, weight=10, strata=() if look else strata, until=until)
            rollout, _, known = decide(rollout, seen, known)
            known = judgement_and_basis(rollout, known)
        spent.append(time.perf_counter() - began)
    if rollout.reverting is not None or not rollout.evidence.series:
        raise AssertionError("nothing was judged")
    return statistics.median(spent)


def everybody(chance: Random, names: Sequence[str], minute: int, rate: int, bad: float) -> list[Stratum]:
    """A minute of so many services, in each signal."""
    strata = []
    for name in names:
        for signal in SIGNALS:
            canary = binomial(chance, rate, 0.1)
            stable = rate - canary
            one = (canary, binomial(chance, canary, bad), stable, binomial(chance, stable, bad))
            strata.append(stratum(minute, one, signal, name))
    return strata


# ------------------------------------------------------------------------------------------ helpers


def shares(workers: Workers, play: Callable[[int], Sequence[bool]], streams: int) -> list[float]:
    """The share of streams in which each of the rules said yes."""
    counts: list[int] = []
    for answers in workers.imap(play, range(streams), chunksize=50):
        counts = [before + now for before, now in zip(counts or [0] * len(answers), answers, strict=True)]
    return [count / streams for count in counts]


def percent(share: float) -> str:
    """Two digits behind the point where they matter."""
    return f"{share * 100:.2f} %" if share < 0.1 else f"{share * 100:.1f} %"  # noqa: PLR2004


def met(reached: bool, what: str, missed: list[str]) -> str:  # noqa: FBT001 -- a column of the table
    """The last column; what was missed is remembered."""
    if not reached:
        missed.append(what)
    return "met" if reached else "MISSED"


def _found(minutes: list[int | None]) -> tuple[float, float]:
    """The share that was found, and the median minute over all streams."""
    ends = [float("inf") if minute is None else minute for minute in minutes]
    return sum(minute is not None for minute in minutes) / len(minutes), statistics.median(ends)


def _with(scenario: Scenario, title: str, *, times: float) -> Scenario:
    return Scenario(title=title, rate=scenario.rate, weights=scenario.weights, bad=scenario.bad, times=times)


if __name__ == "__main__":
    main()
