"""Expressions in GetMetricData: metric math over the other queries of the same call, period by period.

ministack answers each expression with InternalError. What is not understood here is answered so as well, with the
reason: Metrics Insights (`SELECT …`) and functions over whole series, such as SEARCH and RATE.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from penstock.localaws.metric_math import MetricMathError, compute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Response

    Result = dict[str, Any]

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)


def has_expressions(asked: Mapping[str, Any]) -> bool:
    """Whether there is an expression among the queries of a call."""
    return any(query.get("Expression") for query in asked.get("MetricDataQueries") or ())


def answer(
    cloudwatch: Any, asked: Mapping[str, Any], ask: Callable[[dict[str, Any]], Response], *, cbor: bool
) -> Response:
    """The answer to a call with expressions; `ask` gets that to the same call as JSON, which here has none of them."""
    queries: list[dict[str, Any]] = asked["MetricDataQueries"]
    plain = [{**query, "ReturnData": True} for query in queries if not query.get("Expression")]
    _, _, body = ask({**asked, "MetricDataQueries": plain})
    results: dict[str, Result] = {one["Id"]: one for one in json.loads(body)["MetricDataResults"]}
    for query in queries:
        if query.get("Expression"):
            results[query["Id"]] = _computed(query, results)
    told = [results[query["Id"]] for query in queries if query.get("ReturnData", True)]
    told = [{**one, "Timestamps": [cloudwatch._ts_iso(at) for at in one["Timestamps"]]} for one in told]
    if cbor:
        typed: Response = cloudwatch._cbor_ok(
            {"MetricDataResults": [cloudwatch._cbor_metric_data_result(one) for one in told]}
        )
        return typed
    plainly: Response = cloudwatch._json_ok({"MetricDataResults": told})
    return plainly


def _computed(query: Mapping[str, Any], results: Mapping[str, Result]) -> Result:
    name, expression = query["Id"], str(query["Expression"])
    empty: Result = {"Id": name, "Label": query.get("Label", name), "Timestamps": [], "Values": []}
    series = {one: dict(zip(found["Timestamps"], found["Values"], strict=True)) for one, found in results.items()}
    values: dict[Any, float] = {}
    if _SELECT.match(expression):
        return {**empty, **_refused("Metrics Insights is not understood by the embedded AWS")}
    try:
        compute(expression, dict.fromkeys(series))  # one that cannot be read is wrong without any data as well
        for at in sorted({at for one in series.values() for at in one}):
            value = compute(expression, {one: points.get(at) for one, points in series.items()})
            if value is not None:
                values[at] = value
    except MetricMathError as error:
        return {**empty, **_refused(str(error))}
    return {**empty, "StatusCode": "Complete", "Timestamps": list(values), "Values": list(values.values())}


def _refused(why: str) -> Result:
    return {"StatusCode": "InternalError", "Messages": [{"Code": "Unsupported", "Value": why}]}
