"""Strata in, evidence out: one minute after the other, each taken once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from math import log, sqrt
from typing import TYPE_CHECKING

from penstock.rollout import eprocess, noninferiority
from penstock.rollout.evidence import Alarm, Evidence, Series
from penstock.rollout.hypergeometric import log_sum, mean_and_variance
from penstock.rollout.strata import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.rollout.evidence import JudgePolicy
    from penstock.rollout.strata import Signal, Stratum

    Key = tuple[str, Signal]

WINDOW = 10
"""Minutes with canary calls that the hard fast path looks back at most."""

SPARE = 10.0
"""What a PASS bet owns beyond this multiple of its goal is thrown away, so that a pass can be lost again soon."""

BEYOND_CHANCE = 5.0
"""Standard deviations above what the canary would have got by lot, for the hard fast path: a shared incident in which
every third call fails must not trip it in any of a hundred minutes."""


def accumulate(
    evidence: Evidence, strata: Iterable[Stratum], policy: JudgePolicy, changed: frozenset[str] | None = None
) -> Evidence:
    """The evidence with these minutes.

    A minute of a service and signal is judged once and in order: what is not later than the last judged one is dropped,
    so that the same strata twice change nothing, and minutes of one call may come in any order. Callers therefore hand
    a minute over when it is complete (see DESIGN: errors carry their invocation's time). Strata without canary calls
    (minutes before the rollout) teach what is normal for the stable side and are not judged.

    Args:
        evidence: what was known.
        strata: minutes that do not overlap a change of weight, of both sides, or of the stable side alone.
        policy: see JudgePolicy.
        changed: services whose artifact, configuration or routes changed: together they have half of the FAIL stake
            where others are watched as well. None: all of them. Decides when a service is seen for the first time.
    """
    ordered = sorted(strata, key=lambda stratum: (stratum.minute, stratum.service, stratum.signal))
    if not ordered:
        return evidence
    series = dict(evidence.series)
    wealth = {key: _log_wealth(one) for key, one in series.items() if one.informative}
    alarm = evidence.alarm
    for minute, group in groupby(ordered, key=lambda stratum: stratum.minute):
        fresh: dict[Key, Stratum] = {}
        for stratum in group:
            key = (stratum.service, stratum.signal)
            known = series.get(key)
            if known is None:
                series[key] = known = Series(changed=changed is None or stratum.service in changed)
            if minute > known.minute:
                fresh.setdefault(key, stratum)
        alarm = _judge_minute(minute, fresh, series, wealth, policy=policy, alarm=alarm)
    return Evidence(series=series, alarm=alarm)


def begin_step(evidence: Evidence) -> Evidence:
    """The same evidence with the step's samples counted from here."""
    return replace(evidence, series={key: replace(one, step=0) for key, one in evidence.series.items()})


def log_e(evidence: Evidence) -> float:
    """Log of the e-value over all services and signals; 0 when nothing was bad yet."""
    wealth = {key: _log_wealth(one) for key, one in evidence.series.items() if one.informative}
    return _combined(evidence.series, wealth).log_e


@dataclass(frozen=True, slots=True)
class _Combined:
    """The stake of all series together, and log shares of each in it."""

    log_e: float
    by_group: Mapping[bool, float]
    offsets: Mapping[bool, float]


def _judge_minute(
    minute: int,
    fresh: Mapping[Key, Stratum],
    series: dict[Key, Series],
    wealth: dict[Key, float],
    *,
    policy: JudgePolicy,
    alarm: Alarm | None,
) -> Alarm | None:
    """Take one minute of all series into `series` and `wealth`; the alarm that it raised, or the older one."""
    sound = {key: stratum for key, stratum in fresh.items() if not _fault(stratum)}
    for key in fresh.keys() - sound.keys():
        series[key] = replace(series[key], minute=minute, fault=_fault(fresh[key]))
    telling = {key for key, stratum in sound.items() if _informative(stratum)}
    joining = {key for key in telling if not series[key].informative}
    if joining:
        # Who joins buys in at the group's present mean. Nothing is won or lost by that, so the whole stays one
        # martingale, and services that have not had a bad call yet do not dilute the others' evidence.
        combined = _combined(series, wealth)
        for key in joining:
            start = combined.by_group.get(series[key].changed, combined.log_e)
            series[key] = replace(series[key], start=start)
    suspects: list[Alarm] = []
    for key, stratum in sound.items():
        series[key] = one = _taken(series[key], stratum, policy, telling=key in telling)
        if key in telling:
            wealth[key] = _log_wealth(one)
        if alarm is None and stratum.canary.bad:
            suspects.extend(_fast(key, one, minute, policy))
    if alarm is not None or not (telling or suspects):
        return alarm
    combined = _combined(series, wealth)
    if suspects:
        return replace(max(suspects, key=lambda found: found.canary.bad), log_e=combined.log_e)
    return _convicted(minute, series, wealth, combined) if combined.log_e >= -log(policy.alpha) else None


def _fault(stratum: Stratum) -> str:
    """Why a stratum's numbers cannot be used; empty when they can."""
    for side, sample in (("canary", stratum.canary), ("stable", stratum.stable)):
        if not 0 <= sample.bad <= sample.calls:
            return f"{sample.bad} bad of {sample.calls} {side} calls: these numbers contradict each other"
    return ""


def _informative(stratum: Stratum) -> bool:
    return eprocess.informative(
        canary=stratum.canary.calls,
        canary_bad=stratum.canary.bad,
        stable=stratum.stable.calls,
        stable_bad=stratum.stable.bad,
    )


def _log_wealth(one: Series) -> float:
    return one.start + eprocess.log_wealth(one.capital, one.informative)


def _taken(one: Series, stratum: Stratum, policy: JudgePolicy, *, telling: bool) -> Series:
    """The series with one more minute."""
    canary, stable = stratum.canary, stratum.stable
    base = one.base.then(stable.calls, stable.bad)
    if stratum.unseen:
        one = replace(one, unseen=one.unseen + stratum.unseen)
    if not canary.calls:
        return replace(one, minute=stratum.minute, fault="", base=base)
    counts = {
        "canary": canary.calls,
        "canary_bad": canary.bad,
        "stable": stable.calls,
        "stable_bad": stable.bad,
    }
    bold, careful = noninferiority.log_factors(one.base, margin=policy.margin_of(stratum.signal), **counts)
    bold, careful = noninferiority.capped(
        one.bold + bold / policy.clusters, one.careful + careful / policy.clusters, log(SPARE / policy.alpha)
    )
    capital, informative, odds = one.capital, one.informative, one.odds
    if telling:
        factors = eprocess.log_factors(**counts, clusters=policy.clusters)
        capital = eprocess.grown(capital, informative, factors)
        informative += 1
        total = canary.calls + stable.calls
        odds = (
            odds[0] + canary.bad * (stable.calls - stable.bad) / total,
            odds[1] + stable.bad * (canary.calls - canary.bad) / total,
        )
    return Series(
        changed=one.changed,
        minute=stratum.minute,
        canary=Sample(calls=one.canary.calls + canary.calls, bad=one.canary.bad + canary.bad),
        stable=Sample(calls=one.stable.calls + stable.calls, bad=one.stable.bad + stable.bad),
        step=one.step + canary.calls,
        unseen=one.unseen,
        informative=informative,
        start=one.start,
        capital=capital,
        odds=odds,
        base=base,
        bold=bold,
        careful=careful,
        recent=(*one.recent[1 - WINDOW :], (canary.calls, canary.bad, stable.calls, stable.bad)),
    )


def _combined(series: Mapping[Key, Series], wealth: Mapping[Key, float]) -> _Combined:
    """The mean over the series of each group, and of the two groups: half for what changed, half for the others."""
    groups: dict[bool, list[float]] = {}
    for key, value in wealth.items():
        groups.setdefault(series[key].changed, []).append(value)
    if not groups:
        return _Combined(0.0, {}, {})
    means = {changed: eprocess.log_mean(values) for changed, values in groups.items()}
    offsets = {changed: -log(len(values)) - log(len(groups)) for changed, values in groups.items()}
    return _Combined(eprocess.log_mean(list(means.values())), means, offsets)


def _convicted(minute: int, series: Mapping[Key, Series], wealth: Mapping[Key, float], combined: _Combined) -> Alarm:
    """Names the service with the largest share of the evidence, and its signal."""
    shares: dict[str, list[tuple[float, Signal]]] = {}
    for (service, signal), value in wealth.items():
        shares.setdefault(service, []).append((value + combined.offsets[series[service, signal].changed], signal))
    service = max(sorted(shares), key=lambda name: log_sum([share for share, _ in shares[name]]))
    _, signal = max(shares[service])
    one = series[service, signal]
    return Alarm(
        minute=minute,
        service=service,
        signal=signal,
        fast=False,
        log_e=combined.log_e,
        canary=one.canary,
        stable=one.stable,
        odds=one.odds[0] / one.odds[1] if one.odds[1] else None,
    )


def _fast(key: Key, one: Series, minute: int, policy: JudgePolicy) -> list[Alarm]:
    """The hard fast path over the fewest last minutes with enough canary calls; empty when all is well."""
    calls = bad = beside = beside_bad = 0
    by_lot = variance = 0.0
    for canary, canary_bad, stable, stable_bad in reversed(one.recent):
        calls, bad = calls + canary, bad + canary_bad
        beside, beside_bad = beside + stable, beside_bad + stable_bad
        mean, spread = mean_and_variance(canary=canary, total=canary + stable, bad=canary_bad + stable_bad)
        by_lot, variance = by_lot + mean, variance + spread
        if calls >= policy.fast_calls:
            break
    if calls < policy.fast_calls or bad < policy.fast_share * calls:
        return []
    if beside and bad - by_lot < BEYOND_CHANCE * sqrt(variance) + 1e-9:
        return []
    good_beside = beside - beside_bad
    odds = bad * good_beside / (beside_bad * (calls - bad)) if beside_bad and calls > bad else None
    service, signal = key
    return [
        Alarm(
            minute=minute,
            service=service,
            signal=signal,
            fast=True,
            log_e=0.0,
            canary=Sample(calls=calls, bad=bad),
            stable=Sample(calls=beside, bad=beside_bad),
            odds=odds,
        )
    ]
