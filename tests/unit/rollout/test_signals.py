"""From CloudWatch's series to strata, through the shipped fake."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from penstock.rollout.signals import (
    RouteWatch,
    Watch,
    access_namespace,
    alarm_name,
    queries,
    slot_watch,
    slow_queries,
    strata,
    thresholds,
    version_watch,
)
from penstock.rollout.strata import Sample, Stratum
from penstock.testing import FakeMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE = 1_800_000_000
USERS = slot_watch("users", "shop-dev-users", stable="blue", canary="green")
ROUTES = RouteWatch(service="users", namespace="Penstock/shop-dev", routes=("GET /users/{id}", "POST /users"))


class Traffic:
    """Lambda and API Gateway as far as CloudWatch hears of them."""

    def __init__(self) -> None:
        self.metrics = FakeMetrics()

    def called(
        self, where: dict[str, str], calls: int, *, errors: int = 0, throttles: int = 0, slow: int = 0, minute: int = 0
    ) -> None:
        at = MINUTE + 60 * minute + 1
        for metric, value in (("Invocations", calls), ("Errors", errors), ("Throttles", throttles)):
            self.metrics.record("AWS/Lambda", metric, where, value, at=at)
        self.metrics.record("AWS/Lambda", "Duration", where, 20.0, at=at, count=calls - slow)
        if slow:
            self.metrics.record("AWS/Lambda", "Duration", where, 400.0, at=at, count=slow)

    def answered(self, route: str, canary: str, requests: int, errors: int) -> None:
        dimensions = {"Route": route, "Canary": canary}
        self.metrics.record("Penstock/shop-dev", "Requests", dimensions, 1, at=MINUTE, count=requests)
        if errors:
            self.metrics.record("Penstock/shop-dev", "ServerErrors", dimensions, 1, at=MINUTE, count=errors)

    def strata(self, watches: Sequence[Watch], routes: Sequence[RouteWatch] = ()) -> tuple[Stratum, ...]:
        asked = queries(watches, routes)
        return strata(self.metrics.minutes(asked, start=MINUTE, end=MINUTE + 3600), watches, routes)


def alias(function: str, name: str) -> dict[str, str]:
    return {"FunctionName": function, "Resource": f"{function}:{name}"}


def by_signal(found: Sequence[Stratum]) -> dict[str, tuple[Sample, Sample]]:
    return {stratum.signal: (stratum.stable, stratum.canary) for stratum in found if not stratum.unseen}


def unseen(found: Sequence[Stratum]) -> dict[tuple[str, str], int]:
    return {(stratum.service, stratum.signal): stratum.unseen for stratum in found if stratum.unseen}


def test_slots_are_told_apart_by_their_alias() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "blue"), 90, errors=1, throttles=10)
    traffic.called(alias("shop-dev-users", "green"), 10, errors=3)
    assert by_signal(traffic.strata([USERS])) == {
        "errors": (Sample(calls=90, bad=1), Sample(calls=10, bad=3)),
        "throttles": (Sample(calls=100, bad=10), Sample(calls=10, bad=0)),
    }


def test_consumers_of_live_are_told_apart_by_the_version_that_ran() -> None:
    traffic = Traffic()
    live = alias("shop-dev-mail", "live")
    traffic.called({**live, "ExecutedVersion": "7"}, 40)
    traffic.called({**live, "ExecutedVersion": "8"}, 5, errors=5)
    watch = version_watch("mail", "shop-dev-mail", stable="7", canary="8")
    assert by_signal(traffic.strata([watch]))["errors"] == (Sample(calls=40), Sample(calls=5, bad=5))


def test_a_call_is_slow_above_the_threshold_that_both_sides_share() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "blue"), 100, slow=5)
    traffic.called(alias("shop-dev-users", "green"), 20, slow=9)
    watch = slot_watch("users", "shop-dev-users", stable="blue", canary="green", slow=250)
    assert by_signal(traffic.strata([watch]))["latency"] == (Sample(calls=100, bad=5), Sample(calls=20, bad=9))
    assert "latency" not in by_signal(traffic.strata([USERS])), "no threshold, no signal"


def test_errors_that_a_function_handled_itself_come_from_the_access_log() -> None:
    traffic = Traffic()
    traffic.answered("GET /users/{id}", "false", 900, 9)
    traffic.answered("POST /users", "false", 100, 0)
    traffic.answered("GET /users/{id}", "true", 100, 30)
    traffic.answered("GET /orders", "true", 100, 100)
    assert traffic.strata([], [ROUTES]) == (
        Stratum(
            minute=MINUTE,
            service="users",
            signal="5xx",
            stable=Sample(calls=1000, bad=9),
            canary=Sample(calls=100, bad=30),
        ),
    )


def test_calls_of_routes_that_the_access_log_is_silent_about_are_unseen() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "blue"), 90)
    traffic.called(alias("shop-dev-users", "green"), 10)
    slow = replace(USERS, slow=250.0)
    ours = replace(ROUTES, canary=USERS.canary)
    assert unseen(traffic.strata([slow], [ours])) == {("users", "5xx"): 10}
    traffic.answered("POST /users", "true", 3, 0)
    assert unseen(traffic.strata([slow], [ours])) == {}


def test_calls_of_peers_are_in_no_access_log_as_long_as_it_is_written() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "green"), 10)
    ours, others = (replace(ROUTES, canary=USERS.canary, peers=True), replace(ROUTES, service="b", routes=("GET /b",)))
    assert unseen(traffic.strata([USERS], [ours, others])) == {("users", "5xx"): 10}
    traffic.answered("GET /b", "true", 3, 0)
    assert unseen(traffic.strata([USERS], [ours, others])) == {}


def test_calls_whose_slowness_nobody_knows_are_unseen_where_something_ran_beside_them() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "green"), 10)
    assert unseen(traffic.strata([USERS])) == {}, "nothing beside it: there is no threshold to come"
    traffic.called(alias("shop-dev-users", "blue"), 90)
    assert unseen(traffic.strata([USERS])) == {("users", "latency"): 10}
    assert unseen(traffic.strata([replace(USERS, slow=250.0)])) == {}


def test_functions_under_one_name_are_added_up_and_others_are_not() -> None:
    traffic = Traffic()
    for function in ("a", "b", "c"):
        traffic.called(alias(function, "blue"), 10, errors=1)
        traffic.called(alias(function, "green"), 2)
    watches = [slot_watch(name, function, stable="blue", canary="green") for name, function in ("xa", "xb", "yc")]
    errors = [stratum for stratum in traffic.strata(watches) if stratum.signal == "errors"]
    assert [(stratum.service, stratum.stable) for stratum in errors] == [
        ("x", Sample(calls=20, bad=2)),
        ("y", Sample(calls=10, bad=1)),
    ]


def test_a_minute_without_calls_is_no_stratum_and_one_sided_minutes_are() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "blue"), 10, minute=0)
    traffic.called(alias("shop-dev-users", "blue"), 0, minute=1)
    traffic.called(alias("shop-dev-users", "green"), 3, minute=2)
    errors = [stratum for stratum in traffic.strata([USERS]) if stratum.signal == "errors"]
    assert [(stratum.minute, stratum.stable.calls, stratum.canary.calls) for stratum in errors] == [
        (MINUTE, 10, 0),
        (MINUTE + 120, 0, 3),
    ]


def test_a_late_invocation_never_makes_more_errors_than_calls() -> None:
    traffic = Traffic()
    traffic.called(alias("shop-dev-users", "green"), 2, errors=5)
    assert by_signal(traffic.strata([USERS]))["errors"][1] == Sample(calls=2, bad=2)


def test_the_threshold_is_what_nine_in_ten_stable_calls_stay_below_in_most_minutes() -> None:
    traffic = Traffic()
    for minute, slow in enumerate((0, 0, 90, 0, 0)):
        traffic.called(alias("shop-dev-users", "blue"), 100, slow=slow, minute=minute)
    idle = slot_watch("orders", "shop-dev-orders", stable="blue", canary="green")
    asked = slow_queries([USERS, idle])
    values = traffic.metrics.minutes(asked, start=MINUTE, end=MINUTE + 3600)
    assert thresholds(values, [USERS, idle]) == {USERS.stable: 25.0}


def test_a_series_is_asked_for_once_and_only_for_what_is_watched() -> None:
    slow = slot_watch("users", "shop-dev-users", stable="blue", canary="green", slow=250)
    assert len(queries([USERS])) == 6
    assert len(queries([slow, slow])) == 10
    assert len(queries([], [ROUTES])) == 8
    assert {query.statistic for query in queries([slow])} == {"Sum", "SampleCount", "TC(250:)"}
    assert access_namespace("shop-dev") == ROUTES.namespace


def test_alarms_are_known_by_their_names() -> None:
    assert alarm_name("shop-dev", "users", "green") == "shop-dev-rollout-users-green"


@given(
    counts=st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 50), st.integers(0, 60), st.integers(0, 9)),
        max_size=20,
    )
)
def test_no_call_is_lost_or_counted_twice(counts: list[tuple[int, bool, int, int, int]]) -> None:
    traffic = Traffic()
    for minute, canary, calls, errors, throttles in counts:
        where = alias("shop-dev-users", "green" if canary else "blue")
        traffic.called(where, calls, errors=min(errors, calls), throttles=throttles, minute=minute)
    found = traffic.strata([USERS])
    assert len({(stratum.minute, stratum.signal) for stratum in found}) == len(found)
    for signal, extra in (("errors", 0), ("throttles", 1)):
        for side in (False, True):
            told = sum((s.canary if side else s.stable).calls for s in found if s.signal == signal)
            assert told == sum(entry[2] + extra * entry[4] for entry in counts if entry[1] is side)
