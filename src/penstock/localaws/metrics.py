"""Metrics as AWS publishes them: Lambda's by function, alias and version; API Gateway's by API and stage.

References: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import functools
import math
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.localaws.apigateway_serving import Serving
    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

# Seconds, as on AWS: equal values of a minute are one point with a count, so that traffic does not fill the memory.
_RESOLUTION = 60
_WIDTH = 0.03
_OPEN = 3
"""Minutes of a series into which something may still be counted: calls count for the minute in which they began."""
_SERIES = 4096
_EVICTION = 86_400.0
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


def install(ministack: Ministack, settings: Settings) -> None:
    """Publish Lambda's metrics where every invocation passes, instead of twice on some paths and never on others."""
    # Calls end in threads of their own: without it counts get lost, and two that close a minute at once fail a caller.
    lock = threading.Lock()
    ministack.wrap(
        ministack.cloudwatch,
        "record_metric",
        "(namespace, metric_name, value, unit=, dimensions=)",
        lambda _: recorder(ministack.cloudwatch, settings.clock.now, lock),
    )
    ministack.wrap(
        ministack.cloudwatch,
        "_evict_old_metrics",
        "()",
        lambda original: _now_and_then(original, settings.clock.now, lock),
    )
    ministack.wrap(
        ministack.lambdas, "_emit_lambda_metrics", "(function_name, duration_ms, error, throttle)", lambda _: _nothing
    )
    ministack.wrap(ministack.lambdas, "_execute_function", "(func, event)", _around_execute(ministack, settings))


def install_for_api_gateway(ministack: Ministack, serving: Serving) -> None:
    """Publish Count, 4XXError, 5XXError and Latency of each call to a stage."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_execute(api_id: str, stage_name: str, *arguments: Any) -> Response:
            began = time.perf_counter()
            answer: Response = await original(api_id, stage_name, *arguments)
            view = serving.current()
            if view is not None:
                latency = (time.perf_counter() - began) * 1000
                name = ministack.apigateway._rest_apis.get(api_id, {}).get("name", "")
                _publish_call(ministack, name, stage_name, answer[0], latency, canary=view.canary)
            return answer

        return handle_execute

    ministack.wrap(
        ministack.apigateway,
        "handle_execute",
        "(api_id, stage_name, method, path, headers, body, query_params)",
        around,
    )


def _publish_call(ministack: Ministack, api: str, stage: str, status: int, latency: float, *, canary: bool) -> None:
    record = ministack.cloudwatch.record_metric
    series = [{"ApiName": api}, {"ApiName": api, "Stage": stage}]
    if canary:
        series.append({"ApiName": api, "Stage": f"{stage}/Canary"})
    for dimensions in series:
        record("AWS/ApiGateway", "Count", 1, "Count", dimensions)
        record("AWS/ApiGateway", "4XXError", int(_CLIENT_ERROR <= status < _SERVER_ERROR), "Count", dimensions)
        record("AWS/ApiGateway", "5XXError", int(status >= _SERVER_ERROR), "Count", dimensions)
        record("AWS/ApiGateway", "Latency", latency, "Milliseconds", dimensions)


def _nothing(*_arguments: Any, **_keywords: Any) -> None:
    """Ministack's own metrics of an invocation: published by `_around_execute` instead."""


def _around_execute(ministack: Ministack, settings: Settings) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(func: Mapping[str, Any], event: Any) -> Any:
            config = func.get("config") or func
            if ministack.lambdas._function_config_scope_mismatch(config):
                return original(func, event)  # comes back here in the function's own account and region
            at, began = settings.clock.now(), time.perf_counter()
            result = original(func, event)
            taken = (time.perf_counter() - began) * 1000
            # Lambda's Duration is the report's: neither the environment's start nor the wait for one is in it.
            _publish_invocation(ministack, config, result, result.pop("duration_ms", taken), at)
            return result

        return execute

    return around


def _publish_invocation(
    ministack: Ministack, config: Mapping[str, Any], result: Mapping[str, Any], duration: float, at: float
) -> None:
    """Lambda gives everything that it counts of an invocation the time at which it began."""
    record = functools.partial(ministack.cloudwatch.record_metric, at=at)
    for dimensions in series_of(config):
        if result.get("throttle"):
            record("AWS/Lambda", "Throttles", 1, "Count", dimensions)
            continue
        record("AWS/Lambda", "Invocations", 1, "Count", dimensions)
        record("AWS/Lambda", "Errors", int(bool(result.get("error"))), "Count", dimensions)
        record("AWS/Lambda", "Throttles", 0, "Count", dimensions)
        record("AWS/Lambda", "Duration", duration, "Milliseconds", dimensions)


def series_of(config: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    """The sets of dimensions under which Lambda counts one invocation.

    By function always; by ``Resource`` (``name:alias`` or ``name:version``) when a qualifier was used; by
    ``ExecutedVersion`` too when the qualifier is an alias.
    """
    name = str(config["FunctionName"])
    yield {"FunctionName": name}
    qualifier = str(config.get("FunctionArn", "")).partition(f":function:{name}:")[2]
    if qualifier:
        yield {"FunctionName": name, "Resource": f"{name}:{qualifier}"}
        version = str(config.get("Version", "$LATEST"))
        if qualifier != version:
            yield {"FunctionName": name, "Resource": f"{name}:{qualifier}", "ExecutedVersion": version}


def recorder(cloudwatch: Any, now: Callable[[], float], lock: threading.Lock) -> Callable[..., None]:
    """What stands for ministack's `record_metric`; `at` in seconds since 1970, by CloudWatch's clock, is `now` without.

    Equal values of the same minute become one point with a count, and durations almost equal ones.
    """
    minutes = _Minutes()

    def record_metric(
        namespace: str,
        metric_name: str,
        value: float,
        unit: str = "None",
        dimensions: dict[str, str] | None = None,
        *,
        at: float | None = None,
    ) -> None:
        rounded = _bucket(value) if unit == "Milliseconds" else float(value)
        key = (namespace, metric_name, cloudwatch._dims_key(dimensions or {}))
        moment = now() if at is None else at
        with lock:
            series = cloudwatch._metric_bucket(key)
            points = minutes.of(series, int(moment // _RESOLUTION))
            point = points.get((rounded, unit))
            if point is not None:
                point["Count"] += 1.0
                return
            points[rounded, unit] = {
                "Count": 1.0,
                # One dict for all points of a series: it takes most of a point's room.
                "Dimensions": series[0]["Dimensions"] if series else dict(dimensions or {}),
                "Timestamp": moment,
                "Unit": unit,
                "Value": rounded,
            }
            series.append(points[rounded, unit])

    return record_metric


def _now_and_then(evict: Callable[[], None], now: Callable[[], float], lock: threading.Lock) -> Callable[[], None]:
    """Ministack looks for points of two weeks ago at each request, and makes every list anew."""
    next_time = 0.0

    def seldom() -> None:
        nonlocal next_time
        if now() >= next_time:
            next_time = now() + _EVICTION
            with lock:
                evict()

    return seldom


class _Minutes:
    """The points of the last minutes of each series, by value."""

    def __init__(self) -> None:
        self._series: dict[int, tuple[list[Any], dict[int, dict[tuple[float, str], dict[str, Any]]]]] = {}

    def of(self, series: list[Any], minute: int) -> dict[tuple[float, str], dict[str, Any]]:
        """Those of that minute. A list of ministack's that was replaced is another series."""
        known = self._series.get(id(series))
        if known is None or known[0] is not series:
            if len(self._series) >= _SERIES:
                self._series.clear()
            known = self._series[id(series)] = (series, {})
        minutes = known[1]
        if minute not in minutes and len(minutes) >= _OPEN:
            del minutes[min(minutes)]
        return minutes.setdefault(minute, {})


def _bucket(value: float) -> float:
    """The middle of the bucket of a duration: 3 % wide, as CloudWatch itself keeps values in buckets, 10 % wide."""
    return float(f"{math.exp(round(math.log(value) / _WIDTH) * _WIDTH):.3g}") if value > 0 else 0.0
