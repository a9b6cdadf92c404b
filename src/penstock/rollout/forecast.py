"""What a judge will be able to tell, before the rollout begins: power, and the time to a pass.

Both are found by playing streams of calls with a fixed seed through the same bets that will judge the real ones, so a
forecast cannot disagree with the judge, and the same question has the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf, log, log1p, sqrt
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from penstock.rollout import noninferiority
from penstock.rollout.accumulate import accumulate
from penstock.rollout.evidence import Evidence, JudgePolicy
from penstock.rollout.noninferiority import Base
from penstock.rollout.strata import Sample, Stratum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STREAMS = 200
"""Played for a share of cases: its standard error is 3.5 points at most."""

WALKS = 101
"""Played for a median time."""

BLOCKS = 80
"""Into how many blocks the expected time to a pass is cut: a walk of hours costs what one of minutes does."""

TOO_LONG = 100
"""A walk that takes this many times what it should is given up."""

WHOLE = 100
"""Percent."""

FEW = 10
"""Requests a minute below which the digits behind the point count."""

MANY = 400
"""From so many expected calls on, a normal distribution stands for the binomial one."""

DAY = 1440
"""Minutes."""

NUMERALS: Mapping[float, str] = {2: "twofold", 3: "threefold", 5: "fivefold", 10: "tenfold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What reaches one service.

    Args:
        rate: calls a minute, both sides together.
        percent: the canary's weight.
        bad: share of calls that are bad anyway.
        known: stable calls that the judge has seen before the rollout.
        slow: share of calls above the threshold of the signal latency anyway; None where it is not judged.
    """

    rate: float
    percent: float
    bad: float = 0.0
    known: float = 0.0
    slow: float | None = None

    def __post_init__(self) -> None:
        if self.rate < 0 or not 0 < self.percent < WHOLE or not (0 <= self.bad < 1 and 0 <= (self.slow or 0) < 1):
            raise ValueError(f"no traffic to judge: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Power and time to a pass of one step.

    Args:
        traffic: asked about.
        times: how many times as many bad calls the regression makes …
        within: … in how many minutes it should be found …
        found: … and in which share of cases it is.
        minutes_to_pass: median minutes until a healthy release passes; None when it never does.
    """

    traffic: Traffic
    times: float
    within: int
    found: float
    minutes_to_pass: int | None

    def __str__(self) -> str:
        """`at 62 requests/min and 10 % a threefold regression is found within 10 min in 2 % of cases, and …`."""
        size = NUMERALS.get(self.times, f"{self.times:g}-fold")
        passing = (
            "a healthy release does not pass"
            if self.minutes_to_pass is None
            else f"a healthy release needs {_long(self.minutes_to_pass)}"
        )
        return (
            f"at {_told(self.traffic.rate)} requests/min and {self.traffic.percent:g} % a {size} regression "
            f"is found within {self.within} min in {self.found * 100:.0f} % of cases, and {passing}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "rate": self.traffic.rate,
            "percent": self.traffic.percent,
            "bad": self.traffic.bad,
            "slow": self.traffic.slow,
            "times": self.times,
            "within": self.within,
            "found": self.found,
            "minutes_to_pass": self.minutes_to_pass,
        }


def forecast(traffic: Traffic, policy: JudgePolicy | None = None, *, times: float = 3.0, within: int = 10) -> Forecast:
    """Power and time to a pass for this traffic."""
    rules = policy or JudgePolicy()
    return Forecast(
        traffic=traffic,
        times=times,
        within=within,
        found=power(traffic, rules, times=times, within=within),
        minutes_to_pass=minutes_to_pass(traffic, rules),
    )


def describe(forecasts: Sequence[Forecast]) -> str:
    """Several weights of one walk in one sentence."""
    return "; ".join(str(one) for one in forecasts)


def power(traffic: Traffic, policy: JudgePolicy, *, times: float, within: int, streams: int = STREAMS) -> float:
    """The share of streams in which a regression is found in time.

    Args:
        traffic: the healthy one. A service without bad calls is taken to have one in 1,000 when it regresses.
        policy: of the judge.
        times: how many times as many bad calls the canary has.
        within: minutes.
        streams: how many to play.
    """
    chance = Random(f"{traffic} {times} {within}")  # noqa: S311 -- statistics, not secrets
    share = min(1.0, max(traffic.bad, 0.001) * times)
    found = 0
    for _ in range(streams):
        evidence = Evidence()
        for minute in range(within):
            evidence = accumulate(evidence, [_minute(chance, traffic, share, minute)], policy)
            if evidence.alarm:
                found += 1
                break
    return found / streams


def minutes_to_pass(traffic: Traffic, policy: JudgePolicy, *, walks: int = WALKS) -> int | None:
    """Median minutes until a healthy release passes in its slowest signal; None when it takes far too long."""
    found = [_median_walk(traffic, policy, policy.margin, walks)]
    if traffic.slow is not None:
        found.append(_median_walk(replace(traffic, bad=traffic.slow), policy, policy.latency_margin, walks))
    known = [minutes for minutes in found if minutes is not None]
    return max(known) if len(known) == len(found) else None


def expected_calls(traffic: Traffic, policy: JudgePolicy, margin: float) -> float | None:
    """About how many canary calls a pass takes; None when it is out of reach."""
    growth = noninferiority.growth(traffic.bad, margin=margin, beside=WHOLE / traffic.percent - 1)
    if traffic.rate <= 0 or growth <= 0:
        return None
    return policy.clusters * -log(policy.alpha) / growth


def _median_walk(traffic: Traffic, policy: JudgePolicy, margin: float, walks: int) -> int | None:
    expected = expected_calls(traffic, policy, margin)
    if expected is None:
        return None
    block = max(1, ceil(expected / (traffic.rate * traffic.percent / WHOLE) / BLOCKS))
    busy = replace(traffic, rate=traffic.rate * block)
    chance = Random(f"{traffic} pass")  # noqa: S311 -- statistics, not secrets
    found = [play(chance, busy, policy, margin) for _ in range(walks)]
    middle = median(found)
    return None if middle == inf else ceil(middle * block)


def play(
    chance: Random, traffic: Traffic, policy: JudgePolicy, margin: float, *, before: Sequence[Traffic] = ()
) -> float:
    """Blocks until one healthy stream passes, counting the last one in part; infinite when that takes far too long.

    Args:
        chance: the source of it.
        traffic: of a block, which is as many minutes as its rate says.
        policy: of the judge.
        margin: of the signal.
        before: blocks of other weights that were judged before, and count as none.
    """
    base = Base(calls=traffic.known, bad=traffic.known * traffic.bad)
    goal = -log(policy.alpha)
    bold = careful = reached_before = 0.0
    for block in range(-len(before), BLOCKS * TOO_LONG):
        one = _minute(chance, traffic if block >= 0 else before[block], traffic.bad, block)
        more = noninferiority.log_factors(
            base,
            margin=margin,
            canary=one.canary.calls,
            canary_bad=one.canary.bad,
            stable=one.stable.calls,
            stable_bad=one.stable.bad,
        )
        base = base.then(one.stable.calls, one.stable.bad)
        bold, careful = bold + more[0] / policy.clusters, careful + more[1] / policy.clusters
        reached = noninferiority.log_wealth(bold, careful)
        if reached >= goal and block >= 0:
            return block + max(0.0, goal - reached_before) / (reached - reached_before or 1.0)
        reached_before = reached
    return inf


def _long(minutes: int) -> str:
    """`18 min`, and what takes longer than people wait in days."""
    return f"{minutes:,} min" if minutes < 2 * DAY else f"{minutes / DAY:,.0f} days"


def _told(rate: float) -> str:
    """A rate that is never told as none where there is one: `2,000`, `62`, `3.5`, `0.12`."""
    if rate >= FEW:
        return f"{rate:,.0f}"
    two = f"{rate:.2f}"
    return "fewer than 0.01" if rate > 0 and float(two) == 0 else f"{float(two):g}"


def _minute(chance: Random, traffic: Traffic, canary_share: float, minute: int) -> Stratum:
    canary = round(_drawn(chance, traffic.rate, traffic.percent / 100))
    stable = max(0, round(traffic.rate) - canary)
    return Stratum(
        minute=minute,
        service="",
        signal="errors",
        canary=Sample(calls=canary, bad=_drawn(chance, canary, canary_share)),
        stable=Sample(calls=stable, bad=_drawn(chance, stable, traffic.bad)),
    )


def _drawn(chance: Random, calls: float, share: float) -> int:
    """A binomial number: by the gaps between hits, or by its normal limit where there are many."""
    whole = round(calls)
    if share <= 0.0 or whole == 0:
        return 0
    if share >= 1.0:
        return whole
    mean = whole * share
    if mean > MANY:
        return min(whole, max(0, round(chance.gauss(mean, sqrt(mean * (1 - share))))))
    hits = place = 0
    stretch = log1p(-share)
    while True:
        place += 1 + int(log(1.0 - chance.random()) / stretch)
        if place > whole:
            return hits
        hits += 1
