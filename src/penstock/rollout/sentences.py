"""A verdict's evidence in one sentence that a tired person understands."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from penstock.rollout.eprocess import log_wealth
from penstock.rollout.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.rollout.evidence import Alarm, Series
    from penstock.rollout.strata import Sample, Signal

WENT_BAD: Mapping[Signal, str] = {
    "errors": "failed",
    "throttles": "were throttled",
    "timeouts": "timed out",
    "5xx": "answered 5xx",
    "latency": "were slow",
}


LOOK_AT: Mapping[Signal, str] = {
    "errors": "Lambda counts no invocations of it: do its routes lead to the candidate's slot, or does everything "
    "before the function refuse them?",
    "throttles": "Lambda counts no invocations of it",
    "timeouts": "nothing tells of them",
    "5xx": "no line of the access log tells of them: look at the live stage's access log, its metric filters, and the "
    "role that API Gateway writes logs with",
    "latency": "too few calls beside it have told what is slow, or Lambda tells no durations",
}
"""Why a signal may be silent, and what to look at."""

UNTIMED = "latency was not judged: nothing beside it told what is slow"

SUSPICIOUS = 5.0
"""From this e-value against "no worse" on, a sentence says that the canary looks worse."""
LARGEST = log(1e6)
"""Log of the largest e-value that is written out."""

WHOLE = 10
"""Odds from here on are told without a decimal."""


def failed(alarm: Alarm, alpha: float) -> str:
    """`users: 14 of 312 canary calls failed, 6 of 2,804 beside it; odds 21×, e = 480 ≥ 100 → roll back`."""
    seen = f"{alarm.service}: {_seen(alarm.signal, alarm.canary, alarm.stable)}"
    if alarm.fast:
        return f"{seen}; half of the last calls is too much → roll back"
    odds = "" if alarm.odds is None else f"odds {_times(alarm.odds)}, "
    return f"{seen}; {odds}{_reached(alarm.log_e, alpha)} → roll back"


def passed(service: str, signal: Signal, one: Series, *, margin: float, log_e: float, alpha: float) -> str:
    """`users: 3 of 1,900 canary calls failed, 31 of 17,100 beside it; at most 1 point more, e = 120 ≥ 100 → pass`."""
    return (
        f"{service}: {_seen(signal, one.canary, one.stable)}; at most {_points(margin)} more, "
        f"{_reached(log_e, alpha)} → pass"
    )


def undecided(service: str, signal: Signal, one: Series, *, needs: int | None, whole: float, alpha: float) -> str:
    """`checkout: 212 clean canary calls of the 459 that a pass needs`, or the counts and about how many are missing."""
    calls = one.canary.calls
    of = "" if signal == "errors" else f" (by {signal})"
    if not calls:
        return silent(service, of)
    if needs is not None and not one.canary.bad and not one.base.bad:
        return f"{service}: {calls:,} clean canary calls{of} of the {calls + needs:,} that a pass needs"
    seen = f"{service}: {_seen(signal, one.canary, one.stable)}"
    suspicion = min(whole, log_wealth(one.capital, one.informative))
    if suspicion > log(SUSPICIOUS):
        e = exp(min(suspicion, LARGEST))
        return f"{seen}; looks worse, e = {e:,.0f} of the {1 / alpha:,.0f} that a rollback needs"
    if needs is None:
        return f"{seen}: too many for a pass, too few for a rollback"
    if _is_higher(one.canary, one.stable):
        so_far = f"e = {exp(suspicion):.1f}"
        return f"{seen}; not proved worse ({so_far}), a pass needs about {_rounded(needs)} more canary calls"
    return f"{seen}; no worse so far, about {_rounded(needs)} more canary calls would prove it"


def silent(service: str, of: str = "") -> str:
    """Nothing was measured; `of` names the signal where that is not the errors."""
    return f"{service}: no canary calls were measured{of} yet, and no data is never good data"


def unmeasured(service: str, signal: Signal, *, seen: int, known: int) -> str:
    """`users: its 5xx were never measured, of 312 canary calls that are known; no line of the access log tells …`."""
    verb = "was" if signal == "latency" else "were"
    share = f"of {known:,} canary calls that are known"
    told = f"{verb} measured for only {seen:,} {share}" if seen else f"{verb} never measured, {share}"
    return f"{service}: its {signal} {told}; {LOOK_AT[signal]}"


def others(count: int, verdict: Verdict) -> str:
    """`3 more are open`: of other services the verdict is told, and not that their numbers are alike."""
    match verdict:
        case Verdict.PASS:
            return f"{count} more passed"
        case Verdict.INCONCLUSIVE:
            return f"{count} more {'is' if count == 1 else 'are'} open"
        case Verdict.ERROR:
            return f"{count} more could not be judged"
        case Verdict.FAIL:
            return f"{count} more failed"


def contradictory(service: str, signal: Signal, fault: str) -> str:
    """A measurement that cannot be true."""
    return f"{service}: {signal} could not be judged: {fault}"


def _seen(signal: Signal, canary: Sample, stable: Sample) -> str:
    beside = f"{stable.bad:,} of {stable.calls:,} beside it" if stable.calls else "nothing ran beside it"
    return f"{canary.bad:,} of {canary.calls:,} canary calls {WENT_BAD[signal]}, {beside}"


def _is_higher(canary: Sample, stable: Sample) -> bool:
    """Whether a larger share of the canary's calls was bad, or any where nothing ran beside it."""
    return canary.bad * stable.calls > stable.bad * canary.calls if stable.calls else canary.bad > 0


def _reached(log_e: float, alpha: float) -> str:
    goal = f"{1 / alpha:,.0f}"
    if log_e > LARGEST:
        return f"e > 1,000,000 ≥ {goal}"
    return f"e = {exp(log_e):,.0f} ≥ {goal}"


def _times(odds: float) -> str:
    return f"{odds:,.0f}×" if odds >= WHOLE else f"{odds:.1f}×"


def _points(margin: float) -> str:
    points = f"{margin * 100:g}"
    return f"{points} point" if points == "1" else f"{points} points"


def _rounded(calls: int) -> str:
    """Two digits: a forecast with more would claim to know."""
    size = 10 ** max(0, len(str(calls)) - 2)
    return f"{-(-calls // size) * size:,}"
