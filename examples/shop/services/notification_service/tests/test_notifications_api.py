"""The notifications' API, on notifications in memory."""

from __future__ import annotations

import pytest
from notifications.api import create_app
from notifications.in_memory import InMemoryNotifications
from notifications.model import Notification
from shop_common.testing import Caller


@pytest.fixture
def notifications() -> InMemoryNotifications:
    return InMemoryNotifications()


@pytest.fixture
def call(notifications: InMemoryNotifications) -> Caller:
    return Caller(create_app(notifications).resolve)


def notification(number: int, user: str) -> Notification:
    return Notification(
        id=f"e{number}",
        user_id=user,
        order_id=f"o{number}",
        message="placed",
        created_at=f"2026-01-0{number}T00:00:00.000+00:00",
        signature="0" * 64,
    )


def test_a_customer_sees_her_own_newest_first(call: Caller, notifications: InMemoryNotifications) -> None:
    for number, user in ((1, "ada"), (2, "eve"), (3, "ada")):
        notifications.add(notification(number, user))
    first = call("GET", "/notifications?user=ada&limit=1").json
    second = call("GET", f"/notifications?user=ada&limit=1&cursor={first['cursor']}").json
    assert [one["id"] for page in (first, second) for one in page["notifications"]] == ["e3", "e1"]
    assert second["cursor"] is None


@pytest.mark.parametrize("query", ["", "?user=", "?user=ada&limit=0", "?user=ada%23", "?user=ada&x=1"])
def test_a_query_that_makes_no_sense_is_refused(call: Caller, query: str) -> None:
    refused = call("GET", f"/notifications{query}")
    assert refused.status == 422
    assert refused.headers["content-type"] == "application/problem+json"


def test_notifications_cannot_be_posted(call: Caller) -> None:
    refused = call("POST", "/notifications", {})
    assert (refused.status, refused.headers["allow"]) == (405, "GET")


def test_deep_health_tells_whether_the_store_answers(
    call: Caller, notifications: InMemoryNotifications
) -> None:
    notifications.reachable = False
    assert call("GET", "/notifications/health").json["service"] == "notification_service"
    assert call("GET", "/notifications/health?deep=1").status == 503
