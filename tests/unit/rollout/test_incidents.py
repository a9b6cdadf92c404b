"""When the stable side counts as failing, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.rollout.incidents import fails_beside
from penstock.rollout.strata import Sample, Stratum

if TYPE_CHECKING:
    from penstock.rollout.strata import Signal

WELL = Sample(calls=1000)


def stratum(calls: int, bad: int, *, minute: int = 0, service: str = "users", signal: Signal = "errors") -> Stratum:
    return Stratum(minute=minute, service=service, signal=signal, stable=Sample(calls=calls, bad=bad), canary=WELL)


def test_a_quarter_of_the_stable_sides_calls_is_an_incident() -> None:
    assert fails_beside([stratum(100, 25)])
    assert not fails_beside([stratum(100, 24)])


def test_the_worst_minute_and_the_worst_service_count() -> None:
    assert fails_beside([stratum(1000, 0), stratum(1000, 500, minute=60), stratum(1000, 0, minute=120)])
    assert fails_beside([stratum(9000, 0), stratum(100, 50, service="orders")])


def test_few_calls_tell_nothing_in_a_minute_and_something_in_several() -> None:
    assert not fails_beside([stratum(19, 19)])
    assert fails_beside([stratum(10, 9), stratum(10, 9, minute=60)])


def test_answers_that_are_server_errors_count_and_slow_ones_do_not() -> None:
    assert fails_beside([stratum(100, 50, signal="5xx")])
    assert not fails_beside([stratum(100, 50, signal="latency")])


def test_nothing_seen_is_no_incident() -> None:
    assert not fails_beside([])
