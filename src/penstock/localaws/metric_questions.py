"""Expressions in GetMetricData: metric math over the other queries of the same call, and Metrics Insights (`SELECT …`).

ministack answers each expression with InternalError. What is not understood here is answered so as well, with the
reason: functions over whole series, such as SEARCH and RATE, and queries that answer with several series.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from penstock.localaws.metric_math import MetricMathError, compute
from penstock.localaws.metric_selects import is_select, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.localaws.metric_selects import Select
    from penstock.localaws.ministack_api import Response

    Result = dict[str, Any]
    Selected = Callable[[Select], Iterable[Mapping[str, Any]]]


def has_expressions(asked: Mapping[str, Any]) -> bool:
    """Whether there is an expression among the queries of a call."""
    return any(query.get("Expression") for query in asked.get("MetricDataQueries") or ())


def answer(
    cloudwatch: Any,
    asked: Mapping[str, Any],
    ask: Callable[[dict[str, Any]], Response],
    selected: Selected,
    *,
    cbor: bool,
) -> Response:
    """The answer to a call with expressions.

    Args:
        cloudwatch: ministack's module.
        asked: the call.
        ask: gets the answer to the same call as JSON, which here has no expressions.
        selected: the data points of a query of Metrics Insights, in the time that is asked for.
        cbor: how it is answered; else as JSON.
    """
    queries: list[dict[str, Any]] = asked["MetricDataQueries"]
    plain = [{**query, "ReturnData": True} for query in queries if not query.get("Expression")]
    _, _, body = ask({**asked, "MetricDataQueries": plain})
    results: dict[str, Result] = {one["Id"]: one for one in json.loads(body)["MetricDataResults"]}
    for query in queries:
        if query.get("Expression"):
            results[query["Id"]] = _answered(cloudwatch, query, results, selected)
    told = [results[query["Id"]] for query in queries if query.get("ReturnData", True)]
    told = [{**one, "Timestamps": [cloudwatch._ts_iso(at) for at in one["Timestamps"]]} for one in told]
    if cbor:
        typed: Response = cloudwatch._cbor_ok(
            {"MetricDataResults": [cloudwatch._cbor_metric_data_result(one) for one in told]}
        )
        return typed
    plainly: Response = cloudwatch._json_ok({"MetricDataResults": told})
    return plainly


def _answered(cloudwatch: Any, query: Mapping[str, Any], results: Mapping[str, Result], selected: Selected) -> Result:
    name, expression = query["Id"], str(query["Expression"])
    empty: Result = {"Id": name, "Label": query.get("Label", name), "Timestamps": [], "Values": []}
    try:
        if is_select(expression):
            select = read(expression)
            values = _summed(cloudwatch, selected(select), select.statistic, int(query["Period"]))
        else:
            values = _computed(expression, results)
    except MetricMathError as error:
        return {
            **empty,
            "StatusCode": "InternalError",
            "Messages": [{"Code": "Unsupported", "Value": str(error)}],
        }
    return {**empty, "StatusCode": "Complete", "Timestamps": list(values), "Values": list(values.values())}


def _computed(expression: str, results: Mapping[str, Result]) -> dict[Any, float]:
    series = {one: dict(zip(found["Timestamps"], found["Values"], strict=True)) for one, found in results.items()}
    compute(expression, dict.fromkeys(series))  # one that cannot be read is wrong without any data as well
    values: dict[Any, float] = {}
    for at in sorted({at for one in series.values() for at in one}):
        value = compute(expression, {one: points.get(at) for one, points in series.items()})
        if value is not None:
            values[at] = value
    return values


def _summed(cloudwatch: Any, points: Iterable[Mapping[str, Any]], statistic: str, period: int) -> dict[Any, float]:
    """A statistic of all points of a period, whatever series they are of."""
    periods: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for point in points:
        periods[int(point["Timestamp"] // period) * period].append(point)
    stats = {at: cloudwatch._calc_stats(periods[at]) for at in sorted(periods)}
    return {at: found[statistic] for at, found in stats.items() if statistic in found}
