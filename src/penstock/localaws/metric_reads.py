"""Reading metrics: only the series and minutes that are asked for, and nothing before it is published.

On AWS, Lambda's metrics take a minute or more to appear. Here the delay is 0 unless ``--metrics-delay`` says otherwise.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from penstock.localaws.metric_questions import answer, has_expressions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from penstock.localaws.metric_selects import Select
    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

    Points = Iterable[tuple[tuple[str, str, str], list[Mapping[str, Any]]]]

_SIGNATURE = "(params, cbor_data, is_cbor, is_json=)"
_LONG_AGO = 0.0


def install(ministack: Ministack, settings: Settings) -> None:
    """End every question where CloudWatch's knowledge ends, and let it see what it asks for."""
    cloudwatch = ministack.cloudwatch
    focus: contextvars.ContextVar[Points | None] = contextvars.ContextVar("penstock_series", default=None)
    cloudwatch._metrics = _focused(cloudwatch._metrics, focus)

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(params: dict[str, Any], cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Response:  # noqa: FBT001, FBT002
            typed = is_cbor or is_json
            if not typed:
                plain: Response = original(
                    {**params, "EndTime": [str(_end(cloudwatch, params, settings))]}, cbor_data, is_cbor, is_json
                )
                return plain
            end = _end(cloudwatch, cbor_data, settings)
            start = cloudwatch._parse_ts(cbor_data.get("StartTime")) or _LONG_AGO
            keys = dict.fromkeys(_keys(cloudwatch, cbor_data))
            token = None
            # A query without dimensions stands for all series of its name in ministack: let it find them.
            if all(key[2] for key in keys):
                token = focus.set(
                    [(key, found) for key in keys if (found := ministack.series.between(key, start, end))]
                )
            try:
                known = {**cbor_data, "EndTime": end}
                if has_expressions(known):
                    return answer(
                        cloudwatch,
                        known,
                        lambda asked: original(params, asked, False, True),  # noqa: FBT003
                        lambda select: _selected(ministack, select, start, end),
                        cbor=is_cbor,
                    )
                plain_answer: Response = original(params, known, is_cbor, is_json)
            finally:
                if token is not None:
                    focus.reset(token)
            return plain_answer

        return read

    ministack.wrap(cloudwatch, "_get_metric_data", _SIGNATURE, around)
    ministack.wrap(cloudwatch, "_get_metric_statistics", _SIGNATURE, around)


def _selected(ministack: Ministack, select: Select, start: float, end: float) -> Iterator[Mapping[str, Any]]:
    """The points of all series that a query of Metrics Insights matches."""
    for key in ministack.cloudwatch._metrics:
        if key[:2] != (select.namespace, select.metric):
            continue
        points = ministack.series.between(key, start, end)
        if points and select.matches(points[0].get("Dimensions") or {}):
            yield from points


def _end(cloudwatch: Any, asked: Mapping[str, Any], settings: Settings) -> float:
    given = asked.get("EndTime")
    end = cloudwatch._parse_ts(given[0] if isinstance(given, list) else given)
    known = settings.clock.now() - settings.metrics_delay
    if end is None:
        return known
    return min(float(end), known) if settings.metrics_delay else float(end)


def _keys(cloudwatch: Any, asked: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    queries = asked.get("MetricDataQueries")
    stats = [] if queries is None else [q["MetricStat"] for q in queries if q.get("MetricStat")]
    metrics = [asked] if queries is None else [stat.get("Metric") or {} for stat in stats]
    for metric in metrics:
        dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
        yield str(metric.get("Namespace", "")), str(metric.get("MetricName", "")), dimensions


def _focused(store: Any, focus: contextvars.ContextVar[Points | None]) -> Any:
    """The store with one difference: while a question is answered, ``items`` are what it asks for."""

    class Focused(type(store)):  # type: ignore[misc]
        __slots__ = ()

        def items(self) -> Points:
            seen = focus.get()
            return super().items() if seen is None else seen

    focused = Focused()
    focused._data = store._data
    return focused
