"""CloudWatch alarms: every attribute read back, and evaluated as CloudWatch does.

ministack's alarms ignore dimensions, periods, missing data and time. Here `evaluate` looks at the buckets of the last
evaluation periods of exactly the alarm's metric, or of its metric math, and a timer asks every second.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from penstock.localaws.metric_math import MetricMathError, compute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_OK = 200
_EVERY = 1.0
_NOT_OFTENER = 0.25
_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, settings: Settings) -> None:
    """Keep what PutMetricAlarm is given, describe it in full, evaluate it properly."""
    cloudwatch = ministack.cloudwatch
    signature = "(params, cbor_data, is_cbor, is_json=)"
    ministack.wrap(cloudwatch, "_put_metric_alarm", signature, lambda original: _around_put(ministack, original))
    ministack.wrap(cloudwatch, "_describe_alarms", signature, lambda original: _around_describe(ministack, original))
    ministack.wrap(
        cloudwatch, "_evaluate_alarm", "(alarm)", lambda _: lambda alarm: evaluate(ministack, alarm, known(settings))
    )


async def watch(ministack: Ministack, settings: Settings) -> None:
    """Evaluate all alarms of all accounts every second of CloudWatch's, for as long as the server runs."""
    while True:
        await asyncio.sleep(max(_EVERY / settings.clock.scale, _NOT_OFTENER))
        for account, region in {key[:2] for key in ministack.cloudwatch._alarms.to_dict()}:
            with ministack.responses.request_scope(account, region):
                for alarm in ministack.cloudwatch._alarms.values():
                    try:
                        ministack.cloudwatch._evaluate_alarm(alarm)
                    except Exception:
                        log.exception("could not evaluate the alarm %s", alarm.get("AlarmName"))


def known(settings: Settings) -> float:
    """Until when CloudWatch knows its metrics."""
    return settings.clock.now() - settings.metrics_delay


def evaluate(ministack: Ministack, alarm: dict[str, Any], now: float) -> None:
    """Move the alarm to the state that its metric's last periods until then say."""
    state, reason = judge(ministack, alarm, now)
    before = alarm["StateValue"]
    if state in {None, before}:
        return
    cloudwatch = ministack.cloudwatch
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(cloudwatch.time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def judge(ministack: Ministack, alarm: Mapping[str, Any], now: float) -> tuple[str | None, str]:
    """The state an alarm should have, or None to keep the one it has, and why."""
    values = _values(ministack, alarm, now)
    threshold = float(alarm.get("Threshold") or 0.0)
    operator = str(alarm.get("ComparisonOperator", ""))
    needed = int(alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods") or 1)
    treat = alarm.get("TreatMissingData") or "missing"
    present = [value for value in values if value is not None]
    breaching = sum(_breaches(value, operator, threshold) for value in present)
    missing = len(values) - len(present)
    if treat == "breaching":
        breaching += missing
    shown = ", ".join(f"{value:g}" for value in present) or "none"
    words = f"{breaching} of the last {len(values)} datapoints [{shown}] were {operator} ({threshold:g})"
    if breaching >= needed:
        return "ALARM", f"Threshold Crossed: {words}"
    if present or treat in {"notBreaching", "breaching"}:
        return "OK", f"Threshold not crossed: {words}"
    if treat == "ignore":
        return None, ""
    return "INSUFFICIENT_DATA", f"Insufficient Data: {len(values)} datapoints were unknown"


def _breaches(value: float, operator: str, threshold: float) -> bool:
    return {
        "GreaterThanOrEqualToThreshold": value >= threshold,
        "GreaterThanThreshold": value > threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
        "LessThanThreshold": value < threshold,
    }.get(operator, False)


def _values(ministack: Ministack, alarm: Mapping[str, Any], now: float) -> list[float | None]:
    """One value, or None, for each evaluation period; the period under way counts as soon as it has data."""
    count = int(alarm.get("EvaluationPeriods") or 1)
    queries = alarm.get("Metrics") or []
    if not queries:
        metric = {
            "MetricStat": {
                "Metric": {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")},
                "Period": alarm.get("Period") or 60,
                "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average",
            }
        }
        return _recent(
            lambda end: _series(ministack, metric["MetricStat"], count, (end, now)), metric["MetricStat"], now
        )
    by_id = {query["Id"]: query for query in queries}
    returned = next((q for q in queries if q.get("ReturnData", True)), queries[0])
    stat = next((q["MetricStat"] for q in queries if q.get("MetricStat")), {"Period": 60})

    def column(end: float) -> list[float | None]:
        known = {
            key: _series(ministack, query["MetricStat"], count, (end, now))
            for key, query in by_id.items()
            if query.get("MetricStat")
        }
        return [
            _computed(returned, by_id, {key: series[index] for key, series in known.items()}) for index in range(count)
        ]

    return _recent(column, stat, now)


def _computed(query: Mapping[str, Any], by_id: Mapping[str, Any], known: Mapping[str, float | None]) -> float | None:
    if query.get("MetricStat"):
        return known[query["Id"]]
    names = dict(known)
    for key, other in by_id.items():
        if key not in names and key != query["Id"] and key in str(query.get("Expression", "")):
            names[key] = _computed(other, by_id, known)
    try:
        return compute(str(query.get("Expression", "")), names)
    except MetricMathError as error:
        log.warning("metric math of an alarm: %s", error)
        return None


def _recent(column: Callable[[float], list[float | None]], stat: Mapping[str, Any], now: float) -> list[float | None]:
    period = float(stat.get("Period") or 60)
    current = now - now % period + period
    values = column(current)
    return values if values[-1] is not None else column(current - period)


def _series(
    ministack: Ministack, stat: Mapping[str, Any], count: int, until: tuple[float, float]
) -> list[float | None]:
    """The statistic of one metric for ``count`` periods up to an end, of what is known at a moment."""
    end, known_at = until
    cloudwatch = ministack.cloudwatch
    metric = stat["Metric"]
    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
    key = (metric.get("Namespace"), metric.get("MetricName"), cloudwatch._dims_key(dimensions))
    period = float(stat.get("Period") or 60)
    points = ministack.series.between(key, end - count * period, end)
    values: list[float | None] = []
    for index in range(count, 0, -1):
        low, high = end - index * period, end - (index - 1) * period
        inside = [point for point in points if low <= point["Timestamp"] < high and point["Timestamp"] <= known_at]
        found = cloudwatch._stat_value(cloudwatch._calc_stats(inside), stat.get("Stat"), inside) if inside else None
        values.append(None if found is None else float(found))
    return values


def _around_put(ministack: Ministack, original: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the members that ministack drops: metric math, percentiles' low samples, actions on missing data."""

    def put(params: dict[str, Any], cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
        given = dict(cbor_data) if is_cbor or is_json else query_to_dict(params)
        answer: Response = original(params, cbor_data, is_cbor, is_json)
        alarm = ministack.cloudwatch._alarms.get(given.get("AlarmName"))
        if answer[0] != _OK or alarm is None:
            return answer
        _complete(alarm, given)
        ministack.cloudwatch._evaluate_alarm(alarm)
        return answer

    return put


def _complete(alarm: dict[str, Any], given: Mapping[str, Any]) -> None:
    for name in _LISTS:
        alarm[name] = list(given.get(name) or [])
    for name in ("EvaluateLowSampleCountPercentile", "ThresholdMetricId", "Metrics"):
        if given.get(name):
            alarm[name] = given[name]
    if alarm.get("Metrics") or alarm.get("ExtendedStatistic"):
        alarm.pop("Statistic", None)
    if alarm.get("Metrics"):
        for name in ("Dimensions", "MetricName", "Namespace", "Period"):
            alarm.pop(name, None)
    for name in [name for name, value in alarm.items() if (value is None or value == "") and name != "StateReason"]:
        del alarm[name]


def _around_describe(ministack: Ministack, original: Callable[..., Any]) -> Callable[..., Any]:
    """Ministack's JSON answer is whole, its XML is not: make the XML from the JSON."""
    cloudwatch = ministack.cloudwatch

    def describe(params: dict[str, Any], cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
        if is_cbor or is_json:
            found: Response = original(params, cbor_data, is_cbor, is_json)
            return found
        asked = query_to_dict(params)
        answer: Response = original({}, asked, False, True)  # noqa: FBT003 - ministack's own flags
        if answer[0] != _OK:
            refused: Response = original(params, cbor_data, is_cbor, is_json)
            return refused
        result = json.loads(answer[2])
        for alarm in (*result["MetricAlarms"], *result["CompositeAlarms"]):
            alarm.pop("Tags", None)
        whole: Response = cloudwatch._xml(
            _OK, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{to_xml(result)}</DescribeAlarmsResult>"
        )
        return whole

    return describe


def query_to_dict(params: Mapping[str, Any]) -> dict[str, Any]:
    """``Metrics.member.1.MetricStat.Stat=Sum`` … as nested dicts and lists; numbers and booleans typed by name."""
    tree: dict[str, Any] = {}
    for name, values in params.items():
        value = values[0] if isinstance(values, list) else values
        if name in {"Action", "Version"}:
            continue
        place = tree
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = _typed(last, value)
    lists = _lists(tree)
    return lists if isinstance(lists, dict) else {}


_NUMBERS = frozenset({"DatapointsToAlarm", "EvaluationPeriods", "MaxRecords", "Period"})
_FLAGS = frozenset({"ActionsEnabled", "ReturnData"})


def _typed(name: str, value: Any) -> Any:
    if name in _NUMBERS and str(value).isdigit():
        return int(value)
    if name in _FLAGS:
        return str(value).lower() == "true"
    return value


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if "member" in node and isinstance(node["member"], dict):
        return [_lists(value) for _, value in sorted(node["member"].items(), key=lambda pair: int(pair[0]))]
    return {key: _lists(value) for key, value in node.items()}


def to_xml(value: Any, name: str = "") -> str:
    """A JSON value as the Query protocol's XML; lists have ``member`` elements, times are ISO 8601."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{to_xml(item, key)}</{key}>" for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return _members(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if name.endswith("Timestamp") and isinstance(value, (int, float)):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    return escape(str(value))


def _members(values: Sequence[Any]) -> str:
    return "".join(f"<member>{to_xml(value)}</member>" for value in values)
