"""Broken code never gets a call: it is found out beside the live release, by name and with its own last words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from journeys.account import difference, state
from journeys.shop import USERS_APP
from journeys.traffic import HEALTHY

if TYPE_CHECKING:
    from journeys.shop import Ended, Shop
    from journeys.traffic import Client

ORDERS_APP = "services/order_service/src/orders/app.py"
NOTIFICATIONS_API = "services/notification_service/src/notifications/api.py"
WORKER = "services/notification_service/src/notifications/worker.py"

INSTEAD = """
def _broken(event: dict[str, Any], context: LambdaContext) -> Any:
    {}


handler = _broken
"""
"""Code at the end of a module that answers every call instead of its handler."""
CRASHES = '\nraise RuntimeError("no such thing")\n'
SLEEPS = INSTEAD.format("import time\n    time.sleep(60)")
SCANS = INSTEAD.format('import boto3\n    boto3.client("dynamodb").scan(TableName="shop-dev-orders")')
SORRY = INSTEAD.format('print("out of order")\n    return {"statusCode": 503, "body": "sorry"}')


CHECKS = {
    USERS_APP: "preview GET /users/health",
    ORDERS_APP: "preview GET /orders/health",
    NOTIFICATIONS_API: "preview GET /notifications/health",
    WORKER: "invoke notification_service-worker:",
}
"""The check that finds what is wrong with a function, by its module."""


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            (
                (USERS_APP, CRASHES, ("HTTP 502", "RuntimeError", "no such thing")),
                (ORDERS_APP, SLEEPS, ("HTTP 50", "Task timed out after 10.00 seconds")),
                (WORKER, CRASHES, ("RuntimeError", "no such thing")),
            ),
            id="one crashes when it starts, one takes too long, one without a route crashes",
        ),
        pytest.param(
            (
                (USERS_APP, SCANS, ("HTTP 502", "AccessDeniedException", "dynamodb:Scan")),
                (ORDERS_APP, "\ndel handler\n", ("HTTP 502", "Runtime.HandlerNotFound", "handler")),
                (NOTIFICATIONS_API, SORRY, ("HTTP 503: sorry", "out of order")),
            ),
            id="one lacks a grant, one has no handler, one answers with a server error",
        ),
    ],
)
def test_broken_code_gets_no_traffic_and_its_reason_is_told(
    shop: Shop, callers: Client, broken: tuple[tuple[str, str, tuple[str, ...]], ...]
) -> None:
    live = shop.live_release()
    before = state(shop)
    for path, code, _ in broken:
        shop.append(path, code)
    ended = shop.deploy()

    assert ended.status == 5, ended
    assert ended.stdout == ""
    for path, _, words in broken:
        told = told_of(CHECKS[path], ended)
        assert [word for word in words if word not in told] == [], (path, told)
    assert "no traffic has moved" in ended.stderr

    assert all(len(callers.bodies(route)) == 1 for route in HEALTHY), "only the live versions answered"
    assert shop.live_release() == live
    changed = difference(before, state(shop))
    assert [line for line in changed if line.endswith((":live", ":green"))] == [], "nothing that traffic goes through"


def told_of(check: str, ended: Ended) -> str:
    """The line of a check that failed, and those below it up to the next check's."""
    lines = ended.stderr.splitlines()
    (begin,) = [number for number, line in enumerate(lines) if line.startswith(f"  {check}")]
    others = [number for number, line in enumerate(lines) if re.match(r"  (preview|invoke) ", line) and number > begin]
    return "\n".join(lines[begin : min(others, default=len(lines))])


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        pytest.param("users.application.handler", 2, id="no such module, says the configuration"),
        pytest.param("users.app.handle", 1, id="no such name, says the build"),
    ],
)
def test_a_handler_that_cannot_be_there_is_refused_before_anything_is_published(
    shop: Shop, handler: str, status: int
) -> None:
    before = state(shop)
    shop.edit("services/user_service/service.toml", "users.app.handler", handler)
    ended = shop.deploy()
    assert ended.status == status, ended
    assert handler in ended.stderr
    assert difference(before, state(shop)) == []


@pytest.mark.usefixtures("callers")
def test_the_deploy_after_a_broken_one_works(shop: Shop) -> None:
    code = (shop.root / USERS_APP).read_text()
    shop.append(USERS_APP, '\nraise RuntimeError("no such thing")\n')
    assert shop.deploy().status == 5

    shop.write(USERS_APP, code)
    again = shop.shipped()
    assert "nothing to do" in again.stderr, "the live release is what the files say"

    shop.reword("The right words.")
    shop.shipped()
    assert shop.wording() == "The right words."
