"""EventBridge's expressions: when they are due, by AWS's own examples, and which are refused."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta

import pytest

from penstock.localaws.schedule_times import Times

TIMES = Times(importlib.import_module("ministack.services.eventbridge"))


def calls(expression: str, since: str, number: int = 3, zone: str = "UTC") -> list[str]:
    """The next calls in UTC, as `year-month-day hour:minute`."""
    at: float | None = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp()
    found = []
    for _ in range(number):
        assert at is not None
        at = TIMES.following(expression, at, zone)
        found.append("" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 10 * * ? *)", ["2026-01-01 10:00", "2026-01-02 10:00", "2026-01-03 10:00"]),
        ("cron(15 12 * * ? *)", ["2026-01-01 12:15", "2026-01-02 12:15", "2026-01-03 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01 18:00", "2026-01-02 18:00", "2026-01-05 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-01-01 08:00", "2026-02-01 08:00", "2026-03-01 08:00"]),
        ("cron(0/15 * * * ? *)", ["2026-01-01 00:15", "2026-01-01 00:30", "2026-01-01 00:45"]),
        ("cron(0 22-1 ? * MON *)", ["2026-01-05 00:00", "2026-01-05 01:00", "2026-01-05 22:00"]),
        ("cron(0 9 ? * SAT-MON *)", ["2026-01-03 09:00", "2026-01-04 09:00", "2026-01-05 09:00"]),
        ("cron(0 9 ? * 2#1 *)", ["2026-01-05 09:00", "2026-02-02 09:00", "2026-03-02 09:00"]),
        ("cron(0 9 ? * FRI#3 *)", ["2026-01-16 09:00", "2026-02-20 09:00", "2026-03-20 09:00"]),
        ("cron(0 9 ? * 6L *)", ["2026-01-30 09:00", "2026-02-27 09:00", "2026-03-27 09:00"]),
        ("cron(0 9 ? * L *)", ["2026-01-03 09:00", "2026-01-10 09:00", "2026-01-17 09:00"]),
        ("cron(0 9 L * ? *)", ["2026-01-31 09:00", "2026-02-28 09:00", "2026-03-31 09:00"]),
        ("cron(0 9 LW * ? *)", ["2026-01-30 09:00", "2026-02-27 09:00", "2026-03-31 09:00"]),
        ("cron(0 9 3W * ? *)", ["2026-01-02 09:00", "2026-02-03 09:00", "2026-03-03 09:00"]),
        ("cron(0 9 1W AUG ? 2026-2027)", ["2026-08-03 09:00", "2027-08-02 09:00", ""]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("rate(5 minutes)", ["2026-01-01 00:05", "2026-01-01 00:10", "2026-01-01 00:15"]),
        ("rate(1 day)", ["2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00"]),
    ],
)
def test_an_expression_is_due_when_aws_says(expression: str, expected: list[str]) -> None:
    assert TIMES.is_valid(expression)
    assert calls(expression, "2026-01-01T00:00:00") == expected


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 10 * * * *)",  # neither of the days is left open
        "cron(0 10 ? * ? *)",  # both are
        "cron(? 10 * * ? *)",  # the question mark belongs to the days
        "cron(0 10 * * ?)",
        "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 32 * ? *)",
        "cron(0 10 ? 13 MON *)",
        "cron(0 10 ? * 8 *)",
        "cron(0 10 ? * MON#6 *)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "at(2026-02-30T00:00:00)",
        "at(tomorrow)",
        "every day",
    ],
)
def test_what_aws_refuses_is_refused(expression: str) -> None:
    assert not TIMES.is_valid(expression)


def test_a_time_zone_is_the_one_of_the_clock_on_the_wall() -> None:
    daily = "cron(0 9 * * ? *)"
    assert calls(daily, "2026-01-01T00:00:00", 1, "Europe/Berlin") == ["2026-01-01 08:00"]
    assert calls(daily, "2026-07-01T00:00:00", 1, "Europe/Berlin") == ["2026-07-01 07:00"]
    at = TIMES.first("at(2026-07-01T09:00:00)", 0.0, "America/New_York", at_once=True)
    assert at == datetime(2026, 7, 1, 13, tzinfo=UTC).timestamp()


def test_the_hour_that_summer_takes_is_left_out_and_the_one_that_winter_gives_counts_once() -> None:
    nightly = "cron(30 2 * * ? *)"
    # In Berlin there is no 02:30 on 29 March, and there are two of them on 25 October.
    assert calls(nightly, "2026-03-28T12:00:00", 2, "Europe/Berlin") == ["2026-03-30 00:30", "2026-03-31 00:30"]
    assert calls(nightly, "2026-10-24T12:00:00", 2, "Europe/Berlin") == ["2026-10-25 00:30", "2026-10-26 01:30"]


def test_a_rate_of_the_scheduler_begins_with_a_call_and_one_of_a_rule_with_a_pause() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert TIMES.first("rate(1 hour)", since.timestamp(), "UTC", at_once=True) == since.timestamp()
    after = (since + timedelta(hours=1)).timestamp()
    assert TIMES.first("rate(1 hour)", since.timestamp(), "UTC", at_once=False) == after
