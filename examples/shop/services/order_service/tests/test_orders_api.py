"""The orders' API, on orders and stock in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from orders.app import create_app
from orders.in_memory import InMemoryOrders
from orders.repository import ContendedError
from shop_common.testing import Caller

if TYPE_CHECKING:
    from orders.model import Order

WISH = {"user_id": "ada", "lines": [{"product_id": "tea", "quantity": 2}]}


@pytest.fixture
def orders() -> InMemoryOrders:
    orders = InMemoryOrders()
    orders.users = {"ada", "eve"}
    orders.sell("tea", price_cents=450, stock=5)
    orders.sell("cup", price_cents=900, stock=1)
    return orders


@pytest.fixture
def call(orders: InMemoryOrders) -> Caller:
    return Caller(create_app(orders).resolve)


def test_an_order_takes_stock_and_keeps_the_price(call: Caller, orders: InMemoryOrders) -> None:
    placed = call("POST", "/orders", WISH)
    assert placed.status == 201
    assert placed.json["total_cents"] == 900
    assert placed.json["lines"] == [{"product_id": "tea", "name": "Tea", "quantity": 2, "price_cents": 450}]
    assert orders.stock["tea"] == 3
    assert call("GET", placed.headers["location"]).json == placed.json


def test_callers_do_not_see_the_fingerprint(call: Caller) -> None:
    assert "fingerprint" not in call("POST", "/orders", WISH).json


def test_an_order_that_cannot_be_filled_takes_nothing(call: Caller, orders: InMemoryOrders) -> None:
    greedy = {"user_id": "ada", "lines": [*WISH["lines"], {"product_id": "cup", "quantity": 2}]}
    refused = call("POST", "/orders", greedy)
    assert (refused.status, refused.json["type"]) == (409, "urn:shop:problem:not-available")
    assert orders.stock == {"tea": 5, "cup": 1}
    assert call("GET", "/orders?user=ada").json["orders"] == []


def test_a_stranger_cannot_order(call: Caller, orders: InMemoryOrders) -> None:
    refused = call("POST", "/orders", {**WISH, "user_id": "nobody"})
    assert (refused.status, refused.json["type"]) == (422, "urn:shop:problem:unknown-user")
    assert orders.stock["tea"] == 5


def test_an_unknown_product_is_named_by_its_place(call: Caller) -> None:
    lines = [{"product_id": "tea", "quantity": 1}, {"product_id": "unicorn", "quantity": 1}]
    refused = call("POST", "/orders", {"user_id": "ada", "lines": lines})
    assert refused.status == 422
    assert [fault["pointer"] for fault in refused.json["errors"]] == ["#/lines/1/product_id"]


def test_a_repeated_request_gives_the_same_order_and_takes_stock_once(
    call: Caller, orders: InMemoryOrders
) -> None:
    key = {"Idempotency-Key": "cart-17"}
    first = call("POST", "/orders", WISH, key)
    again = call("POST", "/orders", WISH, key)
    assert (first.status, again.status) == (201, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json == first.json
    assert orders.stock["tea"] == 3


def test_the_same_key_of_another_customer_is_another_order(call: Caller) -> None:
    key = {"Idempotency-Key": "cart-17"}
    first = call("POST", "/orders", WISH, key)
    other = call("POST", "/orders", {**WISH, "user_id": "eve"}, key)
    assert other.status == 201
    assert other.json["id"] != first.json["id"]


def test_a_key_reused_for_other_wishes_is_refused(call: Caller) -> None:
    key = {"Idempotency-Key": "cart-17"}
    call("POST", "/orders", WISH, key)
    other = {"user_id": "ada", "lines": [{"product_id": "tea", "quantity": 1}]}
    refused = call("POST", "/orders", other, key)
    assert (refused.status, refused.json["type"]) == (422, "urn:shop:problem:key-reused")


class SlowToShow(InMemoryOrders):
    """Two requests with one key arrive together: the first look of the second finds nothing yet."""

    looks = 0

    def get(self, order_id: str) -> Order | None:
        self.looks += 1
        return None if self.looks <= 2 else super().get(order_id)


def test_two_requests_at_once_with_one_key_are_one_order() -> None:
    orders = SlowToShow()
    orders.users = {"ada"}
    orders.sell("tea", price_cents=450, stock=5)
    call = Caller(create_app(orders).resolve)
    key = {"Idempotency-Key": "cart-17"}
    first, second = call("POST", "/orders", WISH, key), call("POST", "/orders", WISH, key)
    assert (first.status, second.status) == (201, 200)
    assert second.json == first.json
    assert orders.stock["tea"] == 3


class DearerByTheMinute(InMemoryOrders):
    """The catalog's price changes between reading it and buying."""

    def place(self, order: Order) -> None:
        self.sell("tea", price_cents=500, stock=self.stock["tea"])
        super().place(order)


def test_nobody_pays_a_price_that_has_just_changed() -> None:
    orders = DearerByTheMinute()
    orders.users = {"ada"}
    orders.sell("tea", price_cents=450, stock=5)
    call = Caller(create_app(orders).resolve)
    assert call("POST", "/orders", WISH).status == 409
    assert orders.stock["tea"] == 5


class Crowded(InMemoryOrders):
    """Others take the same stock all the time."""

    def place(self, order: Order) -> None:
        raise ContendedError(order.id)


def test_when_others_are_quicker_the_caller_is_told_to_try_again() -> None:
    orders = Crowded()
    orders.sell("tea", price_cents=450, stock=5)
    refused = Caller(create_app(orders).resolve)("POST", "/orders", WISH)
    assert (refused.status, refused.json["type"]) == (409, "urn:shop:problem:contended")
    assert refused.headers["retry-after"] == "1"


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "naïve"])
def test_a_key_that_is_no_token_is_refused(call: Caller, key: str) -> None:
    assert call("POST", "/orders", WISH, {"Idempotency-Key": key}).status == 400


def test_a_customers_orders_come_newest_first_page_by_page(call: Caller) -> None:
    placed = [call("POST", "/orders", WISH).json["id"], call("POST", "/orders", WISH).json["id"]]
    one = {"user_id": "eve", "lines": [{"product_id": "cup", "quantity": 1}]}
    call("POST", "/orders", one)
    first = call("GET", "/orders?user=ada&limit=1").json
    second = call("GET", f"/orders?user=ada&limit=1&cursor={first['cursor']}").json
    seen = [order["id"] for page in (first, second) for order in page["orders"]]
    assert sorted(seen) == sorted(placed)
    assert first["orders"][0]["placed_at"] >= second["orders"][0]["placed_at"]
    assert second["cursor"] is None


def test_a_cursor_does_not_open_another_customers_list(call: Caller) -> None:
    call("POST", "/orders", WISH)
    call("POST", "/orders", WISH)
    cursor = call("GET", "/orders?user=ada&limit=1").json["cursor"]
    assert call("GET", f"/orders?user=eve&cursor={cursor}").status == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"user_id": "ada"}, "#/lines"),
        ({"user_id": "ada", "lines": []}, "#/lines"),
        ({"user_id": "email#ada@example.com", "lines": WISH["lines"]}, "#/user_id"),
        ({"user_id": "ada", "lines": [{"product_id": "tea", "quantity": 0}]}, "#/lines/0/quantity"),
        ({"user_id": "ada", "lines": [{"product_id": "tea", "quantity": 1.5}]}, "#/lines/0/quantity"),
        ({"user_id": "ada", "lines": [*WISH["lines"], *WISH["lines"]]}, "#"),
    ],
)
def test_a_bad_order_is_a_problem_that_says_where(call: Caller, body: object, pointer: str) -> None:
    refused = call("POST", "/orders", body)
    assert refused.status == 422
    assert [fault["pointer"] for fault in refused.json["errors"]] == [pointer]


def test_orders_are_listed_for_somebody(call: Caller) -> None:
    assert call("GET", "/orders").status == 422


def test_an_unknown_order_is_not_found(call: Caller) -> None:
    assert call("GET", "/orders/nothing").status == 404


def test_deep_health_tells_whether_the_store_answers(call: Caller, orders: InMemoryOrders) -> None:
    orders.reachable = False
    assert call("GET", "/orders/health").json["service"] == "order_service"
    assert call("GET", "/orders/health?deep=1").status == 503
