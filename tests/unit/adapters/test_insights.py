"""What AWS does and the embedded one does not: queries that take their time, fail, or have more rows than an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from penstock.adapters.aws import insights
from penstock.adapters.aws.insights import ROWS, TEXT, answered, query
from penstock.model.errors import RemoteFault

if TYPE_CHECKING:
    from penstock.adapters.aws.session import AwsSession

ROUTE = "GET /users"
AT = "2027-01-15 08:00:00.000"
START = 1_800_000_000


def row(when: str = AT, *, canary: str = "true", hundreds: str = "2", requests: str = "1") -> list[dict[str, str]]:
    named = {"bin(1m)": when, "route": ROUTE, "canary": canary, "hundreds": hundreds, "requests": requests}
    return [{"field": name, "value": value} for name, value in named.items()]


class Logs:
    """CloudWatch Logs and the session that leads to it: answers by the seconds that a query spans."""

    def __init__(self, *statuses: str, rows: dict[int, int] | None = None) -> None:
        self.statuses = [*statuses, "Complete"]
        self.rows = rows or {}
        self.asked: list[tuple[int, int]] = []

    def client(self, service: str) -> Logs:
        assert service == "logs"
        return self

    def start_query(self, **asked: Any) -> dict[str, str]:
        self.asked.append((asked["startTime"], asked["endTime"]))
        return {"queryId": str(len(self.asked))}

    def get_query_results(self, *, queryId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        start, end = self.asked[int(queryId) - 1]
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "results": [row()] * self.rows.get(end - start, 1)}


def ask(logs: Logs, minutes: int = 1) -> Any:
    return answered(cast("AwsSession", logs), "/log", [ROUTE], start=START, end=START + 60 * minutes)


def test_a_query_is_asked_for_its_answer_until_it_is_complete() -> None:
    logs = Logs("Scheduled", "Running")
    (one,) = ask(logs)
    assert (one.route, one.canary, one.minute, one.requests, one.errors) == (ROUTE, True, START, 1, 0)
    assert len(logs.asked) == 1


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Timeout", "Unknown"])
def test_a_query_that_fails_is_a_fault_and_no_empty_answer(status: str) -> None:
    logs = Logs(status)
    with pytest.raises(RemoteFault, match=status):
        ask(logs)


def test_an_answer_that_may_have_been_cut_off_is_asked_for_in_halves() -> None:
    logs = Logs(rows={240: ROWS, 120: ROWS, 60: 1})
    found = ask(logs, minutes=4)
    assert logs.asked[1:] == [
        (START, START + 120),
        (START, START + 60),
        (START + 60, START + 120),
        (START + 120, START + 240),
        (START + 120, START + 180),
        (START + 180, START + 240),
    ]
    assert [one.minute for one in found] == [START]


def test_a_minute_with_more_rows_than_an_answer_is_a_fault() -> None:
    with pytest.raises(RemoteFault, match="more than the 10,000 rows"):
        ask(Logs(rows={60: ROWS}))


def test_nothing_is_asked_about_no_minutes_and_no_routes() -> None:
    logs = Logs()
    assert answered(cast("AwsSession", logs), "/log", [], start=START, end=START + 60) == ()
    assert ask(logs, minutes=0) == ()
    assert logs.asked == []


def test_the_text_of_a_query_names_its_routes_as_long_as_there_is_room() -> None:
    assert 'route in ["GET /a", "POST /b"]' in query(["GET /a", "POST /b"])
    many = query([f"GET /service-{number}/{{id}}" for number in range(1_000)])
    assert "route in" not in many
    assert len(many) <= TEXT
    assert insights.WHEN in many
