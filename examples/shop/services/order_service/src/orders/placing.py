"""How an order comes to be: once for each idempotency key, at the catalog's prices."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from shop_common.problems import Fault, Problem, conflict, invalid

from orders.model import Line, NewOrder, Order
from orders.repository import AlreadyPlacedError, ContendedError, NotAvailableError, UnknownUserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders.model import Offer
    from orders.repository import Orders

_KEYS = uuid.UUID("7d1c51a0-5f0c-4f2a-9a3e-0b6f7f1f0a11")
"""Namespace of the ids that are made from idempotency keys; any constant would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An order, and whether it had been placed before by the same request."""

    order: Order
    replayed: bool


def place(orders: Orders, wanted: NewOrder, key: str | None) -> Placed:
    """Place an order; the same wishes under the same key give the same order, however often they come.

    A key makes the order's id, so DynamoDB itself refuses the second one: no window between look and write.

    Raises:
        Problem: 422 for a customer or product that does not exist, or a key that was used for other wishes;
            409 when stock or price do not allow it, or others are quicker.

    """
    order_id = str(uuid.uuid5(_KEYS, f"{wanted.user_id}/{key}") if key else uuid.uuid4())
    if key and (earlier := orders.get(order_id)):
        return _replay(earlier, wanted)
    order = _order(order_id, wanted, orders.offers([line.product_id for line in wanted.lines]))
    try:
        orders.place(order)
    except AlreadyPlacedError:
        earlier = orders.get(order_id)
        if earlier is None:
            raise
        return _replay(earlier, wanted)
    except UnknownUserError as error:
        raise invalid(
            "There is no customer with this id.",
            [Fault(pointer="#/user_id", detail="unknown customer")],
            kind="unknown-user",
        ) from error
    except NotAvailableError as error:
        raise conflict(
            f"Product {error.product_id} is short in stock or has another price by now.",
            kind="not-available",
        ) from error
    except ContendedError as error:
        raise Problem(
            status=HTTPStatus.CONFLICT,
            kind="contended",
            detail="Another order takes the same stock at this instant; send the request again.",
            headers={"Retry-After": "1"},
        ) from error
    return Placed(order=order, replayed=False)


def _replay(earlier: Order, wanted: NewOrder) -> Placed:
    if earlier.fingerprint != wanted.fingerprint():
        raise invalid("This Idempotency-Key was used for another order.", kind="key-reused")
    return Placed(order=earlier, replayed=True)


def _order(order_id: str, wanted: NewOrder, offers: Mapping[str, Offer]) -> Order:
    unknown = [
        Fault(pointer=f"#/lines/{place}/product_id", detail="unknown product")
        for place, line in enumerate(wanted.lines)
        if line.product_id not in offers
    ]
    if unknown:
        raise invalid("The catalog does not have all of these products.", unknown, kind="unknown-product")
    lines = [
        Line(
            product_id=line.product_id,
            name=offers[line.product_id].name,
            quantity=line.quantity,
            price_cents=offers[line.product_id].price_cents,
        )
        for line in wanted.lines
    ]
    return Order(
        id=order_id,
        user_id=wanted.user_id,
        lines=lines,
        total_cents=sum(line.quantity * line.price_cents for line in lines),
        placed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        fingerprint=wanted.fingerprint(),
    )
