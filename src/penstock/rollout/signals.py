"""Which numbers of CloudWatch tell how both sides of a rollout fare, and what they say, as strata.

A function that serves HTTP is called through the alias of a slot, and Lambda counts each alias apart (the dimensions
`FunctionName` and `Resource`). Everything else is called through the alias `live`, whose versions Lambda counts apart
(`ExecutedVersion` as well). What a function handled itself, and answered with 5xx, Lambda takes for a success: that is
told by the counts which metric filters make of the API's access log, by route and side.

| signal | calls | bad |
|-|-|-|
| errors | `Invocations` | `Errors`: exceptions, crashes, timeouts, exhausted memory |
| throttles | `Invocations` + `Throttles`, since a throttled call is no invocation | `Throttles` |
| latency | how many durations there are | how many lie above the threshold: the trimmed count `TC(threshold:)` |
| 5xx | `Requests` of the access log | `ServerErrors` of the access log |

Lambda publishes no metric of timeouts; they are among the errors, and only a function's log tells them apart, without
saying which alias was called. So the signal `timeouts` gets no strata from here. `Duration` does not contain the
initialisation of a cold start, so a canary is not taken for slow because it is new.

References: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html (metrics and dimensions),
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html (trimmed count).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from penstock.ports import MetricQuery
from penstock.rollout.strata import Sample, Stratum
from penstock.rollout.traffic import Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.ports import Answered
    from penstock.rollout.strata import Signal

LAMBDA = "AWS/Lambda"
REQUESTS = "Requests"
SERVER_ERRORS = "ServerErrors"
"""Metrics that the module `rest_api` makes of the access log; their namespace is `access_namespace`."""
SLOW_QUANTILE = "p90"
"""A threshold that one call in ten exceeds anyway: as far as a tenth is from 0, a shift of all calls is seen best."""
NOTICEABLE = 5.0
"""Milliseconds above that which nobody notices. Without them a function that answers in two would be judged by the
noise of its machine, and a candidate is served by other execution environments, so by other machines' noise."""
ENOUGH = 20
"""Calls that say what is slow, at least: of fewer, nine in ten are no number of calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The dimensions under which Lambda counts one side's invocations."""

    dimensions: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """`shop-dev-users:blue`, or `shop-dev-worker:live/7`."""
        values = dict(self.dimensions)
        version = values.get("ExecutedVersion")
        return values["Resource"] + (f"/{version}" if version else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A function during a rollout. `service` is the name that its strata bear; the same name adds functions up.

    `slow` is the threshold of the signal latency in milliseconds, the same for both sides and fixed before the minutes
    that it judges; None leaves the signal out.
    """

    service: str
    stable: Side
    canary: Side
    slow: float | None = None

    @property
    def function(self) -> str:
        """The function's physical name."""
        return dict(self.stable.dimensions)["FunctionName"]

    @property
    def is_of_versions(self) -> bool:
        """Whether its sides are versions behind `live`, not slots."""
        return "ExecutedVersion" in dict(self.stable.dimensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWatch:
    """A function's routes during a canary of the stage, as the access log has them: `GET /users/{id}`.

    `canary` is the side of the function that its canary requests reach, if it is known: calls of it without a line of
    the log are unseen. With `peers` they may be other services' own, which pass the API by.
    """

    service: str
    namespace: str
    routes: tuple[str, ...]
    canary: Side | None = None
    peers: bool = False


def slot_watch(service: str, function: str, *, stable: str, canary: str, slow: float | None = None) -> Watch:
    """A function behind HTTP, by its physical name and the two slots."""
    return Watch(service=service, stable=_alias(function, stable), canary=_alias(function, canary), slow=slow)


def version_watch(service: str, function: str, *, stable: str, canary: str, slow: float | None = None) -> Watch:
    """A function behind `live`, by its physical name and the two versions."""
    return Watch(service=service, stable=_version(function, stable), canary=_version(function, canary), slow=slow)


def access_namespace(prefix: str) -> str:
    """Where the counts of an API's access log are; `prefix` is `<workspace>-<environment>`."""
    return f"Penstock/{prefix}"


def alarm_prefix(prefix: str) -> str:
    """How the names of the alarms begin that Terraform makes for rollouts (module `observability`)."""
    return f"{prefix}-rollout-"


def alarm_name(prefix: str, function: str, alias: str) -> str:
    """The alarm of a function's alias, by the function's key; the API's is `<prefix>-rollout-api`."""
    return f"{alarm_prefix(prefix)}{function}-{alias}"


def queries(watches: Iterable[Watch], routes: Iterable[RouteWatch] = ()) -> tuple[MetricQuery, ...]:
    """Every series that `strata` needs. CloudWatch charges by the query, so watch what changed and no more."""
    found: dict[MetricQuery, None] = {}
    for watch in watches:
        for side in (watch.stable, watch.canary):
            found.update(dict.fromkeys(_invocations(side)))
            if watch.slow is not None:
                found.update(dict.fromkeys(_durations(side, watch.slow)))
    for watched in routes:
        for route in watched.routes:
            for canary in (False, True):
                found.update(dict.fromkeys(_route(watched.namespace, route, canary=canary)))
    return tuple(found)


def strata(
    values: Mapping[MetricQuery, Mapping[int, float]],
    watches: Iterable[Watch],
    routes: Iterable[RouteWatch] = (),
) -> tuple[Stratum, ...]:
    """What the series say, by minute, service and signal in this order; minutes in which neither side was called lack.

    `values` holds the answers to `queries`, of the minutes that are to be judged and of no other.
    """
    sums: dict[tuple[int, str, Signal], tuple[Sample, Sample]] = {}
    unseen: Counter[tuple[int, str, Signal]] = Counter()
    for watch in watches:
        stable, canary = (_samples(values, side, watch.slow) for side in (watch.stable, watch.canary))
        _add(sums, watch.service, stable, canary)
        for minute, calls in _untimed(watch, stable, canary).items():
            unseen[minute, watch.service, "latency"] += calls
    answered = [(watched, *_both(values, watched)) for watched in routes]
    written = frozenset(minute for _, _, canary in answered for minute, _ in canary)
    for watched, stable, canary in answered:
        _add(sums, watched.service, stable, canary)
        told = written if watched.peers else {minute for minute, _ in canary}
        for minute, calls in _called(values, watched.canary).items():
            if minute not in told:
                unseen[minute, watched.service, "5xx"] += calls
    found = sums | {key: (Sample(), Sample()) for key in unseen if key not in sums}
    return tuple(
        Stratum(
            minute=minute,
            service=service,
            signal=signal,
            stable=stable,
            canary=canary,
            unseen=unseen[minute, service, signal],
        )
        for (minute, service, signal), (stable, canary) in sorted(found.items())
        if stable.calls or canary.calls or unseen[minute, service, signal]
    )


def logged(answered: Iterable[Answered], namespace: str) -> Mapping[MetricQuery, Mapping[int, float]]:
    """What a query of the access log told, as the series that metric filters would have made of it."""
    found: dict[MetricQuery, dict[int, float]] = {}
    for one in answered:
        counts = (one.requests, one.errors)
        for query, count in zip(_route(namespace, one.route, canary=one.canary), counts, strict=True):
            found.setdefault(query, {})[one.minute] = float(count)
    return found


def whole_queries(functions: Iterable[str]) -> tuple[MetricQuery, ...]:
    """All calls of these functions, whatever alias or version their callers named."""
    return tuple(_whole(function) for function in functions)


def shares(
    values: Mapping[MetricQuery, Mapping[int, float]], watches: Iterable[Watch], whole: Iterable[str] = ()
) -> tuple[Share, ...]:
    """How the calls of each function were shared, by function and minute, for the traffic check.

    Args:
        values: the answers to `queries` and `whole_queries`.
        watches: what is watched.
        whole: functions of which every alias is watched: only of them it can be told who calls around.
    """
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    for watch in watches:
        stable, canary = (values.get(_invocations(side)[0], {}) for side in (watch.stable, watch.canary))
        for minute in {*stable, *canary}:
            before = sums.get((watch.function, minute), (0, 0))
            more = (round(stable.get(minute, 0.0)), round(canary.get(minute, 0.0)))
            sums[watch.function, minute] = (before[0] + more[0], before[1] + more[1])
    known = frozenset(whole)
    for function in known:
        for minute in values.get(_whole(function), {}):
            sums.setdefault((function, minute), (0, 0))
    return tuple(
        Share(
            function=function,
            minute=minute,
            stable=stable_calls,
            canary=canary_calls,
            all=round(values.get(_whole(function), {}).get(minute, 0.0)) if function in known else None,
        )
        for (function, minute), (stable_calls, canary_calls) in sorted(sums.items())
    )


def slow_queries(watches: Iterable[Watch]) -> tuple[MetricQuery, ...]:
    """What `thresholds` needs: ask it of the time before the rollout."""
    return tuple(dict.fromkeys(query for watch in watches for query in (_slow(watch.stable), _timed(watch.stable))))


def thresholds(values: Mapping[MetricQuery, Mapping[int, float]], watches: Iterable[Watch]) -> Mapping[Side, float]:
    """From when on a call of a function is slow, in milliseconds, by its stable side; those hardly called lack.

    The median over the minutes of what nine in ten calls stayed below, so that one bad minute does not set it, and a
    little more.
    """
    sides = [watch.stable for watch in watches if sum(values.get(_timed(watch.stable), {}).values()) >= ENOUGH]
    found = {side: list(values.get(_slow(side), {}).values()) for side in sides}
    return {side: median(minutes) + NOTICEABLE for side, minutes in found.items() if minutes}


# ------------------------------------------------------------------------------------------ series


def _alias(function: str, alias: str) -> Side:
    return Side(dimensions=(("FunctionName", function), ("Resource", f"{function}:{alias}")))


def _version(function: str, version: str) -> Side:
    return Side(dimensions=(*_alias(function, "live").dimensions, ("ExecutedVersion", version)))


def _whole(function: str) -> MetricQuery:
    return _lambda(Side(dimensions=(("FunctionName", function),)), "Invocations", "Sum")


def _lambda(side: Side, metric: str, statistic: str) -> MetricQuery:
    return MetricQuery(namespace=LAMBDA, metric=metric, dimensions=side.dimensions, statistic=statistic)


def _invocations(side: Side) -> tuple[MetricQuery, MetricQuery, MetricQuery]:
    return (_lambda(side, "Invocations", "Sum"), _lambda(side, "Errors", "Sum"), _lambda(side, "Throttles", "Sum"))


def _timed(side: Side) -> MetricQuery:
    return _lambda(side, "Duration", "SampleCount")


def _durations(side: Side, slow: float) -> tuple[MetricQuery, MetricQuery]:
    return (_timed(side), _lambda(side, "Duration", f"TC({slow:g}:)"))


def _slow(side: Side) -> MetricQuery:
    return _lambda(side, "Duration", SLOW_QUANTILE)


def _route(namespace: str, route: str, *, canary: bool) -> tuple[MetricQuery, MetricQuery]:
    # API Gateway writes isCanaryRequest only while the stage has a canary; without one both series are empty.
    dimensions = (("Canary", "true" if canary else "false"), ("Route", route))
    return (
        MetricQuery(namespace=namespace, metric=REQUESTS, dimensions=dimensions, statistic="Sum"),
        MetricQuery(namespace=namespace, metric=SERVER_ERRORS, dimensions=dimensions, statistic="Sum"),
    )


# ------------------------------------------------------------------------------------------ samples

Samples = dict[tuple[int, "Signal"], Sample]


def _samples(values: Mapping[MetricQuery, Mapping[int, float]], side: Side, slow: float | None) -> Samples:
    invocations, errors, throttles = (values.get(query, {}) for query in _invocations(side))
    found: Samples = {}
    for minute in {*invocations, *throttles}:
        calls, refused = invocations.get(minute, 0.0), throttles.get(minute, 0.0)
        found[minute, "errors"] = _sample(calls, errors.get(minute, 0.0))
        found[minute, "throttles"] = _sample(calls + refused, refused)
    if slow is not None:
        durations, above = (values.get(query, {}) for query in _durations(side, slow))
        for minute, count in durations.items():
            found[minute, "latency"] = _sample(count, above.get(minute, 0.0))
    return found


def _called(values: Mapping[MetricQuery, Mapping[int, float]], side: Side | None) -> Mapping[int, int]:
    """Invocations by minute, of minutes in which there were some."""
    series = values.get(_invocations(side)[0], {}) if side is not None else {}
    return {minute: round(calls) for minute, calls in series.items() if calls}


def _untimed(watch: Watch, stable: Samples, canary: Samples) -> Mapping[int, int]:
    """Canary calls by minute of which nobody knows whether they were slow.

    Where no threshold is fixed yet, of minutes only in which something ran beside them: else there is none to come.
    """
    return {
        minute: sample.calls
        for (minute, signal), sample in canary.items()
        if signal == "errors"
        and sample.calls
        and (minute, "latency") not in canary
        and (watch.slow is not None or stable.get((minute, "errors"), Sample()).calls)
    }


def _both(values: Mapping[MetricQuery, Mapping[int, float]], watched: RouteWatch) -> tuple[Samples, Samples]:
    """What the access log tells of a function's routes together: stable, canary."""
    sums: dict[tuple[int, str, Signal], tuple[Sample, Sample]] = {}
    for route in watched.routes:
        _add(sums, "", *(_answers(values, watched.namespace, route, canary=canary) for canary in (False, True)))
    stable, canary = (
        {(minute, signal): pair[side] for (minute, _, signal), pair in sums.items() if pair[side].calls}
        for side in (0, 1)
    )
    return stable, canary


def _answers(values: Mapping[MetricQuery, Mapping[int, float]], namespace: str, route: str, *, canary: bool) -> Samples:
    requests, errors = (values.get(query, {}) for query in _route(namespace, route, canary=canary))
    return {(minute, "5xx"): _sample(count, errors.get(minute, 0.0)) for minute, count in requests.items()}


def _sample(calls: float, bad: float) -> Sample:
    # A late error may come before the invocation that it belongs to: never more bad calls than calls.
    whole = round(calls)
    return Sample(calls=whole, bad=min(round(bad), whole))


def _add(sums: dict[tuple[int, str, Signal], tuple[Sample, Sample]], service: str, *sides: Samples) -> None:
    stable, canary = sides
    for minute, signal in {*stable, *canary}:
        before = sums.get((minute, service, signal), (Sample(), Sample()))
        sums[minute, service, signal] = (
            _plus(before[0], stable.get((minute, signal), Sample())),
            _plus(before[1], canary.get((minute, signal), Sample())),
        )


def _plus(one: Sample, other: Sample) -> Sample:
    return Sample(calls=one.calls + other.calls, bad=one.bad + other.bad)
