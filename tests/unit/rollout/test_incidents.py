"""When the stable side counts as failing, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.rollout.incidents import LOOK_BACK, beside, fails_beside, look_back
from penstock.rollout.strata import Sample, Stratum

if TYPE_CHECKING:
    from penstock.rollout.incidents import Beside
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


# ------------------------------------------------------------------------------------------ a side that hangs

NOW = 100_000
TIMEOUT, DELAY = 900.0, 120.0


def minute(ago: int, *, stable: tuple[int, int], canary: tuple[int, int] = (60, 60)) -> Stratum:
    """So many minutes ago: calls that have ended, and how many were bad, of both sides."""
    one, other = (Sample(calls=calls, bad=bad) for calls, bad in (stable, canary))
    return Stratum(minute=NOW // 60 * 60 - 60 * ago, service="users", signal="errors", stable=one, canary=other)


def side(*minutes: Stratum, percent: int = 10, timeout: float = TIMEOUT) -> Beside:
    return beside(minutes, percent=percent, now=NOW, timeout=timeout, delay=DELAY)


HEALTHY = (540, 0)
HANGS = (0, 0)


def test_a_stable_side_that_answers_its_share_is_well_whatever_its_timeout() -> None:
    assert side(minute(2, stable=HEALTHY)) == "well"
    assert side(minute(2, stable=(60, 0)), percent=50) == "well"


def test_one_that_owes_answers_is_silent_until_a_call_must_have_ended() -> None:
    assert side(minute(2, stable=HANGS)) == "silent"
    assert side(minute(17, stable=HANGS)) == "silent"
    assert side(minute(19, stable=HANGS)) == "well"
    assert side(minute(2, stable=HANGS), timeout=10) == "silent", "CloudWatch has its delay"
    assert side(minute(4, stable=HANGS), timeout=10) == "well"


def test_an_incident_in_the_middle_of_a_minute_makes_it_silent() -> None:
    assert side(minute(2, stable=(270, 0), canary=(60, 30))) == "silent"


def test_what_it_did_while_the_candidate_was_well_tells_nothing() -> None:
    assert side(minute(4, stable=HEALTHY, canary=(60, 0)), minute(2, stable=HANGS)) == "silent"


def test_one_minute_in_which_the_candidate_alone_fails_is_enough() -> None:
    assert side(minute(4, stable=HEALTHY), minute(2, stable=HANGS)) == "well"


def test_a_side_that_hangs_already_when_the_fix_comes_fails() -> None:
    long_ago = [minute(ago, stable=(540, 540), canary=(0, 0)) for ago in (17, 18, 19)]
    assert side(*long_ago, minute(2, stable=HANGS)) == "fails"


def test_its_errors_count_whenever_they_come() -> None:
    assert side(minute(2, stable=(540, 540))) == "fails"
    assert side(minute(16, stable=(540, 540)), minute(2, stable=HANGS)) == "fails"
    assert side(minute(16, stable=(540, 540))) == "fails", "the alarm rings a moment longer"


def test_what_failed_long_ago_excuses_nobody() -> None:
    assert side(minute(16, stable=(540, 540), canary=(0, 0)), minute(2, stable=HEALTHY)) == "well"


def alone(calls: int, bad: int, *, until: int = 1) -> list[Stratum]:
    """The minutes before, up to so many minutes ago, in which the stable side was alone."""
    return [minute(ago, stable=(calls, bad), canary=(0, 0)) for ago in range(until, until + 4)]


def test_an_incident_that_begins_with_the_candidates_first_calls_is_on_both_sides() -> None:
    assert side(*alone(120, 0), minute(0, stable=(100, 10), canary=(20, 10)), percent=50) == "fails"
    assert side(*alone(5400, 27), minute(0, stable=(4000, 280), canary=(60, 30)), percent=10) == "fails"
    assert side(minute(0, stable=(100, 10), canary=(20, 10)), percent=50) == "well", "nobody knows what is ordinary"


@pytest.mark.parametrize("bad", [50, 56, 65])
def test_what_chance_adds_to_its_older_calls_excuses_no_candidate(bad: int) -> None:
    first = minute(0, stable=(1000, bad), canary=(20, 20))
    assert side(*alone(1000, 50), first, percent=50) == "well"


def test_a_candidate_that_fails_alone_from_its_first_call_is_alone_with_it() -> None:
    assert side(*alone(120, 0), minute(0, stable=(100, 0), canary=(20, 20)), percent=50) == "well"
    assert side(*alone(120, 0), minute(0, stable=(100, 4), canary=(20, 20)), percent=50) == "well"


def test_a_weight_that_rises_makes_no_older_calls() -> None:
    earlier = [minute(ago, stable=(540, 27), canary=(60, 3)) for ago in (1, 2, 3)]
    assert side(*earlier, minute(0, stable=(540, 40), canary=(60, 60)), percent=50) == "well"


def test_an_incident_that_was_over_when_the_candidate_came_is_not_what_is_ordinary() -> None:
    over = minute(8, stable=(120, 120), canary=(0, 0))
    assert side(over, *alone(120, 0), minute(0, stable=(100, 10), canary=(20, 10)), percent=50) == "fails"


def test_few_calls_owe_nothing() -> None:
    assert side(minute(2, stable=HANGS, canary=(21, 21)), percent=90) == "well"
    assert side(minute(2, stable=HANGS), percent=0) == "well"
    assert side() == "well"


def test_enough_is_looked_back_for_a_minute_to_be_complete() -> None:
    assert look_back(TIMEOUT, DELAY) >= TIMEOUT + DELAY + 60 + LOOK_BACK / 2
