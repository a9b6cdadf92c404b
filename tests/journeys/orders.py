"""Somebody orders something in the shop, and is told so."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journeys.shop import Shop

PRODUCT = {"name": "Lamp", "price_cents": 1999, "stock": 5}


def place_order(shop: Shop, environment: str = "dev") -> tuple[str, str]:
    """A new customer orders a new product: ids of the customer and of the order."""
    product = shop.post("/catalog", PRODUCT, environment=environment)
    assert product.status == 201, product
    email = f"{uuid.uuid4().hex}@example.com"
    user = shop.post("/users", {"name": "Grace", "email": email}, environment=environment)
    assert user.status == 201, user
    lines = [{"product_id": product.json["id"], "quantity": 1}]
    order = shop.post("/orders", {"user_id": user.json["id"], "lines": lines}, environment=environment)
    assert order.status == 201, order
    return user.json["id"], order.json["id"]


def notifications_of(shop: Shop, user: str, environment: str = "dev") -> list[dict[str, Any]]:
    """What the customer was told."""
    answer = shop.get(f"/notifications?user={user}", environment=environment)
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.json["notifications"]
    return found
