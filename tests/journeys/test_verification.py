"""Broken code never gets a call: it is found out beside the live release, by name and with its own last words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from journeys.account import difference, state
from journeys.shop import USERS_APP
from journeys.traffic import HEALTHY

if TYPE_CHECKING:
    from collections.abc import Callable

    from journeys.shop import Shop
    from journeys.traffic import Client

WORKER = "services/notification_service/src/notifications/worker.py"
USERS_CHECK, WORKER_CHECK = "preview GET /users/health", "invoke notification_service-worker:"

INSTEAD = """
def _broken(event: dict[str, Any], context: LambdaContext) -> Any:
    {}


handler = _broken
"""
"""Code at the end of a module that answers every call instead of its handler."""


def breaks(path: str, code: str) -> Callable[[Shop], None]:
    return lambda shop: shop.append(path, code)


@pytest.mark.parametrize(
    ("spoil", "check", "words"),
    [
        pytest.param(
            breaks(USERS_APP, '\nraise RuntimeError("no such thing")\n'),
            USERS_CHECK,
            ["HTTP 502", "RuntimeError", "no such thing"],
            id="it crashes when it starts",
        ),
        pytest.param(
            breaks(USERS_APP, INSTEAD.format("import time\n    time.sleep(60)")),
            USERS_CHECK,
            ["HTTP 50", "Task timed out after 10.00 seconds"],
            id="it takes longer than its timeout",
        ),
        pytest.param(
            breaks(
                USERS_APP,
                INSTEAD.format('import boto3\n    boto3.client("dynamodb").scan(TableName="shop-dev-orders")'),
            ),
            USERS_CHECK,
            ["HTTP 502", "AccessDeniedException", "dynamodb:Scan"],
            id="it lacks a grant",
        ),
        pytest.param(
            breaks(USERS_APP, "\ndel handler\n"),
            USERS_CHECK,
            ["HTTP 502", "Runtime.HandlerNotFound", "handler"],
            id="its handler is not there",
        ),
        pytest.param(
            breaks(USERS_APP, INSTEAD.format('print("out of order")\n    return {"statusCode": 503, "body": "sorry"}')),
            USERS_CHECK,
            ["HTTP 503: sorry", "out of order"],
            id="it answers with a server error",
        ),
        pytest.param(
            breaks(WORKER, '\nraise RuntimeError("no such thing")\n'),
            WORKER_CHECK,
            ["RuntimeError", "no such thing"],
            id="a function without a route crashes when it starts",
        ),
    ],
)
def test_broken_code_gets_no_traffic_and_its_reason_is_told(
    shop: Shop, callers: Client, spoil: Callable[[Shop], None], check: str, words: list[str]
) -> None:
    live = shop.live_release()
    before = state(shop)
    spoil(shop)
    ended = shop.deploy()

    assert ended.status == 5, ended
    assert ended.stdout == ""
    (where,) = [line for line in ended.stderr.splitlines() if line.startswith(f"  {check}")]
    told = ended.stderr[ended.stderr.index(where) :]
    assert [word for word in words if word not in told] == [], told
    assert "no traffic has moved" in ended.stderr

    assert all(len(callers.bodies(route)) == 1 for route in HEALTHY), "only the live versions answered"
    assert shop.live_release() == live
    changed = difference(before, state(shop))
    assert [line for line in changed if line.endswith((":live", ":green"))] == [], "nothing that traffic goes through"


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
