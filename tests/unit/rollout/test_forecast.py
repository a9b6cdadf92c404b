"""Forecasts: the numbers of the design, what must grow with what, and that they are the same every time."""

from __future__ import annotations

import json

import pytest

from penstock.rollout.forecast import Forecast, Traffic, describe, forecast, minutes_to_pass, power
from penstock.rollout.judge import JudgePolicy

POLICY = JudgePolicy()


def test_the_forecast_is_a_sentence_and_json() -> None:
    found = forecast(Traffic(rate=62, percent=10))
    assert str(found) == (
        "at 62 requests/min and 10 % a threefold regression is found within 10 min in "
        f"{found.found * 100:.0f} % of cases, "
        f"and a healthy release needs {found.minutes_to_pass} min"
    )
    assert json.loads(json.dumps(found.to_json()))["rate"] == 62
    assert describe([found, found]).count("; at 62") == 1
    assert forecast(Traffic(rate=62, percent=10)) == found


def test_a_clean_release_at_62_requests_and_a_tenth_needs_about_74_minutes() -> None:
    assert minutes_to_pass(Traffic(rate=62, percent=10), POLICY) in range(71, 77)


@pytest.mark.parametrize(("rate", "percent"), [(60.0, 50.0), (600.0, 10.0)])
def test_a_release_with_errors_needs_longer_and_one_judged_by_latency_no_less(rate: float, percent: float) -> None:
    clean = minutes_to_pass(Traffic(rate=rate, percent=percent), POLICY)
    some = minutes_to_pass(Traffic(rate=rate, percent=percent, bad=0.005), POLICY)
    slow = minutes_to_pass(Traffic(rate=rate, percent=percent, slow=0.1), POLICY)
    assert clean is not None
    assert some is not None
    assert slow is not None
    assert clean < some
    assert clean <= slow


def test_larger_regressions_are_found_more_often() -> None:
    traffic = Traffic(rate=600, percent=10, bad=0.005)
    small, large = (power(traffic, POLICY, times=times, within=4, streams=60) for times in (2, 12))
    assert small < 0.3
    assert large > 0.9


def test_without_traffic_nothing_passes() -> None:
    assert minutes_to_pass(Traffic(rate=0, percent=10), POLICY) is None
    assert str(forecast(Traffic(rate=0, percent=10))).endswith("in 0 % of cases, and a healthy release does not pass")


@pytest.mark.parametrize(
    ("rate", "told"),
    [(0.107, "0.11"), (0.4, "0.4"), (0.001, "fewer than 0.01"), (9.96, "9.96"), (62.4, "62"), (0, "0")],
)
def test_little_traffic_is_not_told_as_none(rate: float, told: str) -> None:
    few = forecast(Traffic(rate=rate, percent=10))
    assert str(few).startswith(f"at {told} requests/min and 10 % ")
    assert ("a healthy release does not pass" in str(few)) == (rate == 0)


def test_a_step_of_all_traffic_has_nothing_beside_it_to_judge_by() -> None:
    with pytest.raises(ValueError, match="no traffic to judge"):
        Traffic(rate=60, percent=100)


@pytest.mark.parametrize(("minutes", "told"), [(18, "18 min"), (2879, "2,879 min"), (92_347, "64 days")])
def test_what_nobody_waits_for_is_told_in_days(minutes: int, told: str) -> None:
    traffic = Traffic(rate=0.05, percent=10)
    found = Forecast(traffic=traffic, times=3, within=10, found=0.0, minutes_to_pass=minutes)
    assert f"a healthy release needs {told}" in str(found)
