"""Changing what Terraform owns: settings, grants, routes, whole services; each comes and goes with its release."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from journeys.account import difference, state
from journeys.shop import USERS_APP, well

if TYPE_CHECKING:
    from journeys.shop import Shop

pytestmark = pytest.mark.usefixtures("callers")
USERS_TOML = "services/user_service/service.toml"
ORDERS_TOML = "services/order_service/service.toml"
HEALTH = 'health = "GET /users/health"\n'
GATEWAY_KNOWS_NO_SUCH_ROUTE = 403


def test_settings_and_grants_come_with_a_release_and_go_with_it(shop: Shop) -> None:
    before = state(shop)
    shop.edit(USERS_TOML, HEALTH, HEALTH + 'memory = 320\nenv = { GREETING = "hello" }\n')
    shop.append(USERS_TOML, '\n[uses.tables]\nproducts = "read"\n')
    shop.shipped()

    live = _live(shop, "shop-dev-user_service")
    assert live["MemorySize"] == 320
    assert live["Environment"]["Variables"]["GREETING"] == "hello"
    assert live["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"
    assert live["Environment"]["Variables"]["TABLE_PRODUCTS"] == "shop-dev-products"
    assert "dynamodb:GetItem" in _may(shop, "user_service", "table/shop-dev-products")
    changes = difference(before, state(shop))
    assert not [line for line in changes if "artifacts/" in line], "the code is the same"
    assert [line for line in changes if "version" in line] == ["added version shop-dev-user_service:3"]

    well(shop.run("rollback", "-e", "dev"))
    assert _live(shop, "shop-dev-user_service")["MemorySize"] == 256
    assert shop.plans_nothing()

    shop.shipped()
    assert _live(shop, "shop-dev-user_service")["MemorySize"] == 320


def test_a_grant_is_not_taken_from_the_release_that_still_serves(shop: Shop) -> None:
    assert shop.buy().status == 201
    shop.edit(ORDERS_TOML, 'products = "read-write"', 'products = "read"')
    shop.shipped("--slot", "staging")
    assert shop.buy().status == 201, "the live release takes stock, whatever the next one may do"

    well(shop.run("switch", "-e", "dev"))
    assert shop.plans_nothing()
    well(shop.run("rollback", "-e", "dev"))
    assert shop.buy().status == 201, "what can be gone back to keeps what it needs"


def test_a_grant_that_no_release_to_go_back_to_needs_any_more_is_gone_with_the_next_deploy(shop: Shop) -> None:
    shop.edit(ORDERS_TOML, 'products = "read-write"', 'products = "read"')
    shop.shipped()
    shop.reword("Another release.")
    shop.shipped()
    assert "dynamodb:UpdateItem" in _may(shop, "order_service", "table/shop-dev-products"), "a rollback needs it"
    shop.reword("A third one.")
    shop.shipped()
    assert "dynamodb:UpdateItem" not in _may(shop, "order_service", "table/shop-dev-products")
    assert "dynamodb:GetItem" in _may(shop, "order_service", "table/shop-dev-products")
    refused = shop.buy()
    assert refused.status == 500, refused
    assert shop.plans_nothing()


def test_routes_come_and_go_with_their_release(shop: Shop) -> None:
    assert shop.get("/customers").status == GATEWAY_KNOWS_NO_SUCH_ROUTE
    shop.edit(USERS_TOML, '"GET /users",', '"GET /users",\n  "GET /customers",')
    shop.edit(USERS_TOML, '  "DELETE /users/{id}",\n', "")
    shop.edit(USERS_APP, '    @api.get("/users")\n', '    @api.get("/customers")\n    @api.get("/users")\n')
    shop.shipped()
    assert shop.get("/customers").json == {"users": [], "cursor": None}
    assert shop.request("DELETE", "/users/nobody").status == GATEWAY_KNOWS_NO_SUCH_ROUTE

    well(shop.run("rollback", "-e", "dev"))
    assert shop.get("/customers").status == GATEWAY_KNOWS_NO_SUCH_ROUTE
    assert shop.request("DELETE", "/users/nobody").status == 404
    assert shop.plans_nothing()


def test_a_service_comes_and_goes_and_the_others_do_not_notice(shop: Shop) -> None:
    shop.write(
        "services/greeting_service/service.toml",
        'handler = "greetings.handler"\nroutes = ["GET /greetings"]\nhealth = "GET /greetings/health"\n',
    )
    shop.write("services/greeting_service/requirements.txt", "")
    shop.write(
        "services/greeting_service/greetings.py",
        'def handler(event, context):\n    return {"statusCode": 200, "body": "hello"}\n',
    )
    before = state(shop)
    shop.shipped()
    assert shop.get("/greetings").body == "hello"
    published = [line for line in difference(before, state(shop)) if line.startswith("added version")]
    assert {line.rpartition(":")[0] for line in published} == {"added version shop-dev-greeting_service"}

    for name in ("service.toml", "requirements.txt", "greetings.py"):
        (shop.root / "services/greeting_service" / name).unlink()
    (shop.root / "services/greeting_service").rmdir()
    shop.shipped()
    assert shop.get("/greetings").status == GATEWAY_KNOWS_NO_SUCH_ROUTE
    assert shop.get("/users/health").status == 200
    assert not [name for name in state(shop) if "greeting" in name], "nothing of it is left"
    assert shop.plans_nothing()


def _live(shop: Shop, function: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.client("lambda").get_function_configuration(FunctionName=function, Qualifier="live")
    return found


def _may(shop: Shop, service: str, resource: str) -> set[str]:
    """The actions that a service's role is granted on a resource."""
    role = shop.client("iam").get_role_policy(RoleName=f"shop-dev-{service}", PolicyName="service")
    document = role["PolicyDocument"]
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return {
        action
        for statement in statements
        if any(str(arn).endswith(resource) for arn in _list(statement["Resource"]))
        for action in _list(statement["Action"])
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
