"""Where orders are kept: the port, and what can stand in an order's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shop_common.dynamo import Page

    from orders.model import Offer, Order


class UnknownUserError(Exception):
    """There is no customer with the order's user id."""


class AlreadyPlacedError(Exception):
    """An order with this id exists: the same request arrived before."""


class NotAvailableError(Exception):
    """A product is gone, is short in stock, or has another price by now."""

    def __init__(self, product_id: str) -> None:
        super().__init__(product_id)
        self.product_id = product_id


class ContendedError(Exception):
    """Another order takes the same stock at this instant; nothing was written."""


class Orders(Protocol):
    """Keeps orders, and takes what they need from the catalog's stock."""

    def offers(self, product_ids: Sequence[str]) -> Mapping[str, Offer]:
        """Return what the catalog offers, by product id; unknown ids are left out."""

    def place(self, order: Order) -> None:
        """Check the customer, take the stock and store the order: all of it or nothing.

        Raises:
            AlreadyPlacedError: there is an order with this id.
            UnknownUserError: there is no such customer.
            NotAvailableError: some product cannot be sold so, at this price.
            ContendedError: it may work in a moment.

        """

    def get(self, order_id: str) -> Order | None:
        """Return the order, or None."""

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Order]:
        """Return up to ``limit`` orders of a customer, newest first; raises Problem for a bad cursor."""

    def check(self) -> None:
        """Touch the store, and raise when it cannot be reached."""
