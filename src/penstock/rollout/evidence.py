"""What the judge remembers between minutes: plain JSON, of a fixed size for each service and signal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from penstock.rollout.noninferiority import Base
from penstock.rollout.strata import SIGNALS, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.rollout.strata import Signal

VERSION = 1
"""Of the JSON: a controller that finds another one says so and does not guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePolicy:
    """What is asked of a canary.

    Args:
        alpha: the probability that a rollback without a reason, or a pass beyond the margin, has at most.
        margin: share of bad calls tolerated above the stable side's before a release is promoted.
        latency_margin: the same for the share of calls slower than the threshold. That share is some percent in a
            healthy service (the threshold is a percentile), so one point of it would take hours to prove.
        minimum: canary calls of each changed service that a step needs before a higher weight.
        fast_calls: canary calls that the hard fast path needs …
        fast_share: … and the share of them that is bad.
        clusters: the most calls that one cause makes bad on one side; above 1 only where retries stick to one side.
    """

    alpha: float = 0.01
    margin: float = 0.01
    latency_margin: float = 0.05
    minimum: int = 50
    fast_calls: int = 20
    fast_share: float = 0.5
    clusters: int = 1

    def margin_of(self, signal: Signal) -> float:
        """The margin that counts for a signal."""
        return self.latency_margin if signal == "latency" else self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One service and signal.

    Args:
        changed: whether the release changes the service; decides on the group whose stake it shares.
        minute: the last judged minute; earlier ones and itself are not taken again.
        fault: why the last minute's numbers could not be used; empty when they could.
        canary: calls and bad calls of the canary since the rollout began.
        stable: the stable side's in the same minutes.
        step: canary calls since the step began.
        unseen: canary calls that are known from elsewhere and of which this signal should have told.
        informative: minutes that entered the FAIL bet.
        start: log of the stake with which it began to bet.
        capital: log capital for each ψ, without the stake; empty before the first informative minute.
        odds: numerator and denominator of the Mantel-Haenszel odds ratio.
        base: what the PASS bet knows of the stable side.
        bold: log capital of the PASS bet on no bad calls at all; -inf when it lost.
        careful: log capital of the other PASS bet.
        recent: the last minutes with canary calls, for the hard fast path: canary, bad, stable, bad.
    """

    changed: bool
    minute: int = -1
    fault: str = ""
    canary: Sample = field(default_factory=Sample)
    stable: Sample = field(default_factory=Sample)
    step: int = 0
    unseen: int = 0
    informative: int = 0
    start: float = 0.0
    capital: tuple[float, ...] = ()
    odds: tuple[float, float] = (0.0, 0.0)
    base: Base = field(default_factory=Base)
    bold: float = 0.0
    careful: float = 0.0
    recent: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The moment of a FAIL, kept: a verdict that was reached is not taken back.

    Args:
        minute: the stratum that did it.
        service: the one with the largest share of the evidence.
        signal: of that service.
        fast: whether the hard fast path did it, else the e-value.
        log_e: log of the e-value over all services at that moment.
        canary: the counts that convicted: since the start, or of the fast path's window.
        stable: the same beside it.
        odds: the Mantel-Haenszel odds ratio; None when nothing was bad beside it.
    """

    minute: int
    service: str
    signal: Signal
    fast: bool
    log_e: float
    canary: Sample
    stable: Sample
    odds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was seen, by service and signal, and the FAIL if there was one. Empty when a rollout starts."""

    series: Mapping[tuple[str, Signal], Series] = field(default_factory=dict)
    alarm: Alarm | None = None

    def canary_calls(self, service: str) -> int:
        """Canary calls of a service since the step began: of the signal that counted most of them."""
        return max((self.series[service, signal].step for signal in self.signals(service)), default=0)

    def signals(self, service: str) -> tuple[Signal, ...]:
        """The signals that were ever measured for a service."""
        return tuple(signal for signal in SIGNALS if (service, signal) in self.series)

    def is_unmeasured(self, service: str, signal: Signal) -> bool:
        """Whether this signal tells of fewer than half of the canary calls that are known; errors: of none of them."""
        one = self.series.get((service, signal))
        if signal == "errors":
            return not (one and one.canary.calls) and any(
                self.series[service, other].canary.calls for other in self.signals(service)
            )
        return one is not None and one.unseen > one.canary.calls

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal value, to the last digit."""
        return {
            "version": VERSION,
            "series": [
                {"service": service, "signal": signal, **_series_to_json(series)}
                for (service, signal), series in self.series.items()
            ],
            "alarm": None if self.alarm is None else asdict(self.alarm),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evidence:
        """The reverse. Raises ValueError for another version's JSON."""
        if document.get("version") != VERSION:
            raise ValueError(f"evidence of version {document.get('version')!r}; this Penstock reads {VERSION}")
        return cls(
            series={(one["service"], one["signal"]): _series_from_json(one) for one in document["series"]},
            alarm=None if document["alarm"] is None else _alarm_from_json(document["alarm"]),
        )


def _series_to_json(series: Series) -> dict[str, Any]:
    return {
        "changed": series.changed,
        "minute": series.minute,
        "fault": series.fault,
        "canary": [series.canary.calls, series.canary.bad],
        "stable": [series.stable.calls, series.stable.bad],
        "step": series.step,
        "unseen": series.unseen,
        "informative": series.informative,
        "start": series.start,
        "capital": list(series.capital),
        "odds": list(series.odds),
        "base": [series.base.calls, series.base.bad],
        "bold": None if series.bold == -inf else series.bold,  # JSON knows no infinity
        "careful": series.careful,
        "recent": [list(minute) for minute in series.recent],
    }


def _series_from_json(one: Mapping[str, Any]) -> Series:
    top, bottom = one["odds"]
    return Series(
        changed=one["changed"],
        minute=one["minute"],
        fault=one["fault"],
        canary=_sample(one["canary"]),
        stable=_sample(one["stable"]),
        step=one["step"],
        unseen=one.get("unseen", 0),  # a rollout that an earlier version began
        informative=one["informative"],
        start=float(one["start"]),
        capital=tuple(float(value) for value in one["capital"]),
        odds=(float(top), float(bottom)),
        base=Base(*(float(value) for value in one["base"])),
        bold=-inf if one["bold"] is None else float(one["bold"]),
        careful=float(one["careful"]),
        recent=tuple((calls, bad, beside, beside_bad) for calls, bad, beside, beside_bad in one["recent"]),
    )


def _alarm_from_json(alarm: Mapping[str, Any]) -> Alarm:
    return Alarm(**{**alarm, "canary": Sample(**alarm["canary"]), "stable": Sample(**alarm["stable"])})


def _sample(pair: list[int]) -> Sample:
    return Sample(calls=pair[0], bad=pair[1])
