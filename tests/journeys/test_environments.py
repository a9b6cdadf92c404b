"""dev, staging and production side by side: three accounts, the same shop, nothing shared."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from journeys.orders import notifications_of, place_order
from journeys.shop import ACCOUNTS, HEALTH_ROUTES, until, well

if TYPE_CHECKING:
    from journeys.shop import Shop

ENVIRONMENTS = tuple(ACCOUNTS)
OTHERS = tuple(route for route in HEALTH_ROUTES if not route.startswith("/users"))


def test_all_services_answer_in_all_environments_at_once(everywhere: Shop) -> None:
    asked = [(environment, route) for environment in ENVIRONMENTS for route in HEALTH_ROUTES]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: everywhere.get(one[1], environment=one[0]), asked))
    assert {one: answer.status for one, answer in zip(asked, answers, strict=True)} == dict.fromkeys(asked, 200)
    assert {answer.json["status"] for answer in answers} == {"ok"}


def test_what_is_written_in_one_environment_is_in_no_other(everywhere: Shop) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    made = everywhere.post("/users", {"name": "Ada", "email": email}, environment="staging")
    assert made.status == 201, made
    path = f"/users/{made.json['id']}"
    found = {environment: everywhere.get(path, environment=environment).status for environment in ENVIRONMENTS}
    assert found == {"dev": 404, "staging": 200, "production": 404}
    again = everywhere.post("/users", {"name": "Ada", "email": email}, environment="production")
    assert again.status == 201, "an address that is taken in staging is free in production"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_orders_notification_arrives_through_the_stream(everywhere: Shop, environment: str) -> None:
    user, order = place_order(everywhere, environment)
    until(lambda: notifications_of(everywhere, user, environment), f"a notification in {environment}", within=30)
    told = notifications_of(everywhere, user, environment)
    assert [notification["order_id"] for notification in told] == [order]
    for other in set(ENVIRONMENTS) - {environment}:
        assert notifications_of(everywhere, user, other) == []


def test_terraform_by_hand_finds_nothing_to_do_in_any_environment(everywhere: Shop) -> None:
    with ThreadPoolExecutor(len(ENVIRONMENTS)) as pool:
        assert list(pool.map(everywhere.plan_status, ENVIRONMENTS)) == [0, 0, 0]


def test_terraform_takes_one_service_and_penstock_brings_it_back(everywhere: Shop) -> None:
    gone = everywhere.terraform(
        "destroy", "-target=module.user_service", "-auto-approve", "-no-color", environment="production"
    )
    well(gone)
    assert "Destroy complete!" in gone.stdout
    assert everywhere.get("/users/health", environment="production").status >= 500
    for route in OTHERS:
        assert everywhere.get(route, environment="production").status == 200, route
    assert everywhere.get("/users/health", environment="staging").status == 200

    rest = well(everywhere.terraform("plan", "-destroy", "-no-color", environment="production"))
    assert "module.order_service.aws_lambda_function.this" in rest.stdout
    assert everywhere.plan_status("production") == 2, "what is missing is a change to make"

    everywhere.shipped("--auto-approve", environment="production")
    for route in HEALTH_ROUTES:
        assert everywhere.get(route, environment="production").status == 200, route
    assert everywhere.plan_status("production") == 0
