"""Callers at a steady rate, through everything that moves traffic: none of them may notice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from journeys.shop import until, well
from journeys.traffic import HEALTHY, REAL, Client

if TYPE_CHECKING:
    from journeys.shop import Shop


def hears(client: Client, text: str) -> None:
    """Wait until it has: a release may have come and gone between two of its questions."""
    until(lambda: any(text in body for body in client.bodies("/users/nobody")), f"a caller hears {text}")


def test_no_request_fails_through_deploys_switches_and_rollbacks(shop: Shop) -> None:
    with Client(shop, {**HEALTHY, **REAL}) as client:
        first = shop.live_release()
        shop.reword("One.")
        shop.shipped()
        hears(client, "One.")
        well(shop.run("rollback", "-e", "dev"))
        shop.reword("Two.")
        shop.shipped("--strategy", "blue-green")
        well(shop.run("switch", "-e", "dev"))
        hears(client, "Two.")
        shop.append("packages/common/src/shop_common/problems.py", "\n# All Python services change.\n")
        shop.shipped()
        well(shop.run("rollback", "-e", "dev", "--to", first))
        until(lambda: all(sum(client.bodies(route).values()) > 10 for route in client.routes), "every route is asked")

    assert client.failed == [], client.explained
    heard = {json.loads(body)["detail"] for body in client.bodies("/users/nobody") if body}
    assert heard >= {"There is no customer with this id.", "One.", "Two."}, "the client saw every release"


def test_no_request_fails_while_terraform_changes_what_runs(shop: Shop) -> None:
    with Client(shop, {**HEALTHY, **REAL}) as client:
        shop.edit("penstock.toml", "memory = 256", "memory = 320")
        shop.edit("services/user_service/service.toml", '"GET /users",', '"GET /users",\n  "GET /customers",')
        shop.reword("Three.")
        shop.shipped("--slot", "staging")
        apply = ("apply", "-auto-approve", "-input=false", "-no-color", "-var", "slot=production")
        well(shop.terraform(*apply))
        well(shop.terraform(*apply))
        assert shop.wording() == "Three."
        well(shop.run("rollback", "-e", "dev"))

    assert client.failed == [], client.explained
    assert any("Three." in body for body in client.bodies("/users/nobody"))
