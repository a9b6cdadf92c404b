from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from penstock.model.errors import NotFound, RemoteFault
from penstock.ports import MetricQuery, MetricQuestion

if TYPE_CHECKING:
    from ports.places import EmbeddedPlace, Place

MINUTE = int(time.time() // 60) * 60 - 1200
"""A minute that is over."""


def query(namespace: str, statistic: str = "Sum", **dimensions: str) -> MetricQuery:
    return MetricQuery(
        namespace=namespace, metric="Duration", dimensions=tuple(dimensions.items()), statistic=statistic
    )


def test_a_series_is_told_minute_by_minute(place: Place, name: str) -> None:
    asked = query(name, Resource="users:green")
    for minute, values in ((0, {1.0: 3}), (60, {1.0: 1, 5.0: 2}), (180, {2.0: 1})):
        place.put_metric(name, "Duration", {"Resource": "users:green"}, values, MINUTE + minute + 7)
    found = place.metrics.minutes([asked], start=MINUTE, end=MINUTE + 600)
    assert dict(found[asked]) == {MINUTE: 3.0, MINUTE + 60: 11.0, MINUTE + 180: 2.0}, "no data is not 0"


def test_only_minutes_that_are_whole_between_the_moments_count(place: Place, name: str) -> None:
    asked = query(name)
    for minute in range(4):
        place.put_metric(name, "Duration", {}, {1.0: 1}, MINUTE + 60 * minute + 59)
    found = place.metrics.minutes([asked], start=MINUTE + 1, end=MINUTE + 239)
    assert dict(found[asked]) == {MINUTE + 60: 1.0, MINUTE + 120: 1.0}
    assert dict(place.metrics.minutes([asked], start=MINUTE + 1, end=MINUTE + 59)[asked]) == {}


def test_each_set_of_dimensions_is_a_series_of_its_own(place: Place, name: str) -> None:
    whole, slot = query(name, FunctionName="users"), query(name, FunctionName="users", Resource="users:green")
    place.put_metric(name, "Duration", {"FunctionName": "users"}, {1.0: 10}, MINUTE)
    place.put_metric(name, "Duration", {"Resource": "users:green", "FunctionName": "users"}, {1.0: 4}, MINUTE)
    found = place.metrics.minutes([whole, slot], start=MINUTE, end=MINUTE + 60)
    assert (dict(found[whole]), dict(found[slot])) == ({MINUTE: 10.0}, {MINUTE: 4.0})


def test_statistics_are_those_of_cloudwatch(place: Place, name: str) -> None:
    place.put_metric(name, "Duration", {}, {100.0: 6, 300.0: 2, 301.0: 1, 900.0: 1}, MINUTE)
    wanted = {
        "Average": 240.1,
        "Maximum": 900.0,
        "Minimum": 100.0,
        "SampleCount": 10.0,
        "Sum": 2401.0,
        "TC(300:)": 2.0,
        "TC(:300)": 8.0,
        "TC(100:301)": 3.0,
        "TC(900:)": 0.0,
        "p50": 100.0,
    }
    queries = {statistic: query(name, statistic) for statistic in wanted}
    found = place.metrics.minutes(list(queries.values()), start=MINUTE, end=MINUTE + 60)
    assert {statistic: round(found[asked][MINUTE], 6) for statistic, asked in queries.items()} == wanted


def test_more_queries_than_one_call_takes_are_answered_all_the_same(place: Place, name: str) -> None:
    place.put_metric(name, "Duration", {"n": "503"}, {1.0: 1}, MINUTE)
    queries = [query(name, n=str(number)) for number in range(504)]
    found = place.metrics.minutes([*queries, *queries], start=MINUTE, end=MINUTE + 60)
    assert len(found) == 504
    assert [asked for asked in queries if found[asked]] == [queries[503]]


def test_an_access_log_is_counted_by_route_side_and_minute(place: Place, name: str) -> None:
    users, orders = "GET /users/{id}", "POST /orders"
    place.log_requests(
        name,
        [
            (users, "true", 200, MINUTE),
            (users, "true", 503, MINUTE + 59.999),
            (users, "false", 404, MINUTE + 1),
            (users, "false", 499, MINUTE + 60),
            (users, "-", 500, MINUTE + 2),
            (orders, "true", 500, MINUTE + 3),
            ("GET /other", "true", 500, MINUTE + 3),
            (users, "true", 500, MINUTE + 120),
            (users, "true", 500, MINUTE - 0.001),
        ],
    )
    found = place.metrics.answered(name, [users, orders], start=MINUTE, end=MINUTE + 120)
    assert sorted((one.route, one.canary, one.minute - MINUTE, one.requests, one.errors) for one in found) == [
        (users, False, 0, 1, 0),
        (users, False, 60, 1, 0),
        (users, True, 0, 2, 1),
        (orders, True, 0, 1, 1),
    ]
    assert not place.metrics.answered(name, [users], start=MINUTE + 600, end=MINUTE + 660)


def test_an_access_log_that_is_not_there_is_a_fault_and_not_an_empty_one(place: Place, name: str) -> None:
    with pytest.raises(NotFound):
        place.metrics.answered(f"absent-{name}", ["GET /users"], start=MINUTE, end=MINUTE + 60)


def test_routes_too_many_for_the_text_of_a_query_are_counted_all_the_same(place: Place, name: str) -> None:
    routes = [f"GET /service-{number}/things/{{id}}" for number in range(600)]
    place.log_requests(name, [(routes[599], "true", 500, MINUTE), ("GET /other", "true", 500, MINUTE)])
    (found,) = place.metrics.answered(name, routes, start=MINUTE, end=MINUTE + 60)
    assert (found.route, found.errors) == (routes[599], 1)


def test_alarms_are_found_by_name_and_by_prefix(place: Place, name: str) -> None:
    before = time.time() - 1
    place.put_alarm(f"{name}-api-5xx", "ALARM")
    place.put_alarm(f"{name}-users-blue", "OK")
    place.put_alarm(f"mine-{name}", "INSUFFICIENT_DATA")
    found = place.alarms.states([f"mine-{name}", f"absent-{name}"], prefix=f"{name}-")
    assert {key: state.value for key, state in found.items()} == {
        f"{name}-api-5xx": "ALARM",
        f"{name}-users-blue": "OK",
        f"mine-{name}": "INSUFFICIENT_DATA",
    }
    ringing = found[f"{name}-api-5xx"]
    assert ringing.reason == "by hand"
    assert before <= ringing.since <= time.time() + 1
    assert place.alarms.states() == {}
    assert set(place.alarms.states([f"mine-{name}"])) == {f"mine-{name}"}


def asked(name: str, expression: str = "", period: int = 60, **statistics: str) -> MetricQuestion:
    terms = tuple((term, query(name, statistic, Term=term)) for term, statistic in statistics.items())
    return MetricQuestion(terms=terms, expression=expression, period=period)


def test_a_question_about_one_series_is_answered_period_by_period(place: Place, name: str) -> None:
    start = MINUTE // 300 * 300
    for minute, value in ((0, 1.0), (60, 2.0), (300, 5.0), (600, 7.0)):
        place.put_metric(name, "Duration", {"Term": "load"}, {value: 1}, start + minute + 7)
    found = place.metrics.points(asked(name, period=300, load="Sum"), start=start, end=start + 899)
    assert dict(found) == {start: 3.0, start + 300: 5.0}, "the last period is not over"


def test_metric_math_is_answered_where_all_of_its_terms_have_data(place: Place, name: str) -> None:
    for minute, bad, calls in ((0, 1.0, 4.0), (60, 3.0, 4.0), (180, 1.0, None)):
        place.put_metric(name, "Duration", {"Term": "bad"}, {bad: 1}, MINUTE + minute)
        if calls is not None:
            place.put_metric(name, "Duration", {"Term": "calls"}, {calls: 1}, MINUTE + minute)
    question = asked(name, "100 * bad / calls", bad="Sum", calls="Sum")
    found = place.metrics.points(question, start=MINUTE, end=MINUTE + 600)
    assert dict(found) == {MINUTE: 25.0, MINUTE + 60: 75.0}


def test_a_question_without_any_data_has_no_answer_and_that_is_not_0(place: Place, name: str) -> None:
    for question in (asked(name, load="Sum"), asked(name, "load + 1", load="Sum")):
        assert dict(place.metrics.points(question, start=MINUTE, end=MINUTE + 600)) == {}


def test_what_cloudwatch_cannot_answer_is_a_fault_and_not_a_lack_of_data(embedded: EmbeddedPlace, name: str) -> None:
    grouped = 'SELECT AVG(Duration) FROM SCHEMA("Shop", Slot) GROUP BY Slot'
    for expression in (grouped, "SELECT p90(Duration) FROM Shop", "load +", "RATE(load)"):
        with pytest.raises(RemoteFault, match="CloudWatch could not read 1 of"):
            embedded.metrics.points(asked(name, expression, load="Sum"), start=MINUTE, end=MINUTE + 600)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("SELECT SUM(Duration) FROM {name}", [16.0, 7.0]),
        ("select avg(Duration) from {name} where Slot = 'blue'", [2.0, 7.0]),
        ("SELECT MAX(Duration) FROM SCHEMA({name}, Slot) WHERE Slot = 'blue'", [3.0]),
        ("SELECT MIN(Duration) FROM SCHEMA({name}, Slot, Route) WHERE Slot = 'blue' AND Route = 'GET /a AND b'", [7.0]),
        ("SELECT COUNT(Duration) FROM SCHEMA({name}, Slot) WHERE Slot != 'blue'", [1.0]),
        ("SELECT SUM(Duration) FROM SCHEMA({name}, Slot) WHERE Slot = 'red'", []),
        ("SELECT SUM(Others) FROM {name}", []),
    ],
)
def test_a_query_of_metrics_insights_is_answered_by_all_series_that_it_matches(
    embedded: EmbeddedPlace, name: str, query: str, values: list[float]
) -> None:
    embedded.put_metric(name, "Duration", {"Slot": "blue"}, {1.0: 1, 3.0: 1}, MINUTE)
    embedded.put_metric(name, "Duration", {"Slot": "green"}, {12.0: 1}, MINUTE + 59)
    embedded.put_metric(name, "Duration", {"Slot": "blue", "Route": "GET /a AND b"}, {7.0: 1}, MINUTE + 60)
    question = MetricQuestion(terms=(), expression=query.format(name=f'"{name}"'), period=60)
    found = embedded.metrics.points(question, start=MINUTE, end=MINUTE + 600)
    assert list(found.values()) == values
