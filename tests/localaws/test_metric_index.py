"""Series read by minute give what reading all of them gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.localaws.metric_index import MetricIndex

KEY = ("Own", "Calls", "a=b")
RESPONSES = SimpleNamespace(get_account_id=lambda: "1", get_region=lambda: "eu-west-1")
MOMENTS = st.floats(0, 600, allow_nan=False)


@given(st.lists(st.tuples(st.lists(MOMENTS, max_size=4), MOMENTS, st.floats(0, 400)), max_size=6))
def test_what_lies_between_is_found_as_points_arrive_in_any_order(
    rounds: list[tuple[list[float], float, float]],
) -> None:
    points: list[dict[str, Any]] = []
    index = MetricIndex(SimpleNamespace(_metrics={KEY: points}), RESPONSES)
    for arriving, start, length in rounds:
        points += [{"Timestamp": moment} for moment in arriving]
        found = sorted(point["Timestamp"] for point in index.between(KEY, start, start + length))
        assert found == sorted(p["Timestamp"] for p in points if start <= p["Timestamp"] < start + length)


def test_a_series_that_was_replaced_or_forgotten_is_read_anew() -> None:
    metrics: dict[Any, Any] = {KEY: [{"Timestamp": 5.0}, {"Timestamp": 6.0}]}
    index = MetricIndex(SimpleNamespace(_metrics=metrics), RESPONSES)
    assert len(index.between(KEY, 0, 60)) == 2
    metrics[KEY] = [{"Timestamp": 7.0}]
    assert index.between(KEY, 0, 60) == [{"Timestamp": 7.0}]
    metrics.clear()
    assert index.between(KEY, 0, 60) == []
