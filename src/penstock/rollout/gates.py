"""Metric gates: numbers of the user's own that must stay within limits while the candidate has traffic.

    points → look → Gate → finding → verdict

A point fails when its value is outside the limits; so many failing points in a row are a FAIL, which stays. No data is
INCONCLUSIVE, whatever was seen before it. CloudWatch that did not answer is an ERROR: it is told and holds the rollout
up, and it is no fault of the release. Every step needs a point of its own.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from penstock.model.gates import CANDIDATE, STABLE, MetricGate, MetricTerm
from penstock.model.plain import from_plain, to_plain
from penstock.rollout.verdict import GateFinding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AGAIN = 60.0
"""Seconds until a question that was refused is asked again: who throttles must not be asked more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A metric gate during one rollout, as plain JSON.

    Args:
        metric: what is asked, with the slots' names in it.
        before: the typical value of the hour before the rollout; None until known, and where there was none.
        looked: the first second of the first point that was not looked at yet.
        seen: points with a value since the last change of weight.
        failing: failing points in a row, up to now.
        gap: points without data in a row, up to now.
        last: the last value.
        fault: why CloudWatch could not be asked the last time; empty when it could.
        again: not to be asked before, in seconds since the epoch.
        failed: the sentence of its FAIL; empty while there is none.
    """

    metric: MetricGate
    before: float | None = None
    looked: float = 0.0
    seen: int = 0
    failing: int = 0
    gap: int = 0
    last: float | None = None
    fault: str = ""
    again: float = 0.0
    failed: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        found: dict[str, Any] = to_plain(self)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Gate:
        """The inverse of `to_json`. Raises TypeError on anything else."""
        return from_plain(cls, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """What CloudWatch said of one gate: values by the first second of their period, of those from `looked` to `until`.

    `before` is the typical value of the hour before the rollout where it was asked for and there was one; `fault` says
    why nothing is known.
    """

    name: str
    until: float = 0.0
    values: Mapping[int, float] = field(default_factory=dict)
    before: float | None = None
    fault: str = ""


def gates_of(metrics: Iterable[MetricGate], *, candidate: str, stable: str) -> tuple[Gate, ...]:
    """The gates of a rollout that begins; `candidate` and `stable` are the names of their slots."""

    def named(text: str) -> str:
        return text.replace(CANDIDATE, candidate).replace(STABLE, stable)

    def term(one: MetricTerm) -> MetricTerm:
        return replace(one, dimensions={name: named(value) for name, value in one.dimensions.items()})

    return tuple(
        Gate(
            metric=replace(
                metric,
                expression=named(metric.expression),
                terms={name: term(one) for name, one in metric.terms.items()},
            )
        )
        for metric in metrics
    )


def to_ask(gate: Gate, *, clean: float, now: float, delay: float) -> range:
    """The first seconds of the points that are to be looked at now; empty when there are none.

    Args:
        gate: which one.
        clean: the first second that the present weight alone accounts for.
        now: seconds since the epoch.
        delay: how late CloudWatch's numbers may come, in seconds.
    """
    period = gate.metric.period
    if gate.failed or now < gate.again:
        return range(0)
    begin = math.ceil(max(gate.looked, clean) / period) * period
    return range(begin, math.floor((now - delay) / period) * period, period)


def look(gate: Gate, points: Points, *, clean: float, now: float) -> Gate:
    """The gate that knows these points, too."""
    if points.fault:
        return replace(gate, fault=points.fault, again=now + AGAIN)
    period = gate.metric.period
    begin = math.ceil(max(gate.looked, clean) / period) * period
    gate = replace(gate, fault="", before=gate.before if gate.before is not None else points.before)
    for at in range(begin, int(points.until), period):
        gate = _one(gate, points.values.get(at))
    return replace(gate, looked=max(gate.looked, points.until))


def begin_step(gate: Gate) -> Gate:
    """The weight has changed: what is to be known of the gate is to be seen at the new one."""
    return replace(gate, seen=0, failing=0, gap=0)


def finding(gate: Gate) -> GateFinding:
    """What the gate says."""
    verdict, sentence = _said(gate)
    return GateFinding(name=gate.metric.name, verdict=verdict, sentence=sentence, value=gate.last)


def _one(gate: Gate, value: float | None) -> Gate:
    metric = gate.metric
    if gate.failed:
        return gate
    if value is None and metric.missing == "inconclusive":
        return replace(gate, gap=gate.gap + 1)
    if value is None and metric.missing == "zero":
        value = 0.0
    bad = "there is no data" if value is None else _wrong(gate, value)
    failing = gate.failing + 1 if bad else 0
    gate = replace(gate, seen=gate.seen + 1, failing=failing, gap=0, last=value)
    if failing < metric.failures:
        return gate
    times = f"{failing} times in a row" if failing > 1 else "once"
    return replace(gate, failed=f"{metric.name}: {bad}, {times} → roll back")


def _wrong(gate: Gate, value: float) -> str:
    """Which limit a value is beyond, or nothing. A value that is no number is beyond each."""
    for limit, is_beyond, words in _limits(gate):
        if is_beyond(value, limit) or math.isnan(value):
            return f"{_number(value)} {words} {_number(limit)}"
    return ""


def _limits(gate: Gate) -> list[tuple[float, Any, str]]:
    metric, before = gate.metric, gate.before
    found: list[tuple[float, Any, str]] = []
    if metric.max is not None:
        found.append((metric.max, operator.gt, "is more than"))
    if metric.min is not None:
        found.append((metric.min, operator.lt, "is less than"))
    if before is not None and metric.max_rise is not None:
        rise = f"is more than {metric.max_rise * 100:g} % above what it was before, which would be"
        found.append((before + abs(before) * metric.max_rise, operator.gt, rise))
    if before is not None and metric.max_fall is not None:
        fall = f"is more than {metric.max_fall * 100:g} % below what it was before, which would be"
        found.append((before - abs(before) * metric.max_fall, operator.lt, fall))
    return found


def _said(gate: Gate) -> tuple[Verdict, str]:  # noqa: PLR0911 - one per state
    metric = gate.metric
    if gate.failed:
        return Verdict.FAIL, gate.failed
    if gate.fault:
        return Verdict.ERROR, f"{metric.name} could not be measured: {gate.fault}"
    if gate.gap:
        minutes = gate.gap * metric.period // 60
        return Verdict.INCONCLUSIVE, f"{metric.name}: no data for {minutes} min, and no data is never good data"
    if not gate.seen:
        return Verdict.INCONCLUSIVE, f"{metric.name}: not measured at this weight yet"
    if metric.is_relative and gate.before is None:
        return Verdict.INCONCLUSIVE, f"{metric.name}: no data of the hour before the rollout to compare with"
    if gate.failing:
        bad = "there is no data" if gate.last is None else _wrong(gate, gate.last)
        return Verdict.INCONCLUSIVE, f"{metric.name}: {bad}, {gate.failing} of {metric.failures} for a rollback"
    value = 0.0 if gate.last is None else gate.last
    return Verdict.PASS, f"{metric.name}: {_number(value)}, within its limits"


def _number(value: float) -> str:
    return f"{value:,.6g}"
