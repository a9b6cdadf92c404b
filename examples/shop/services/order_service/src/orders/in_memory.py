"""Orders, customers and stock in dicts: the port ``Orders`` for tests and for trying things out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, from_cursor, to_cursor, to_item

from orders.model import Offer
from orders.repository import AlreadyPlacedError, NotAvailableError, UnknownUserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders.model import Order

_KEY = frozenset({"user_id", "placed_at", "id"})


class InMemoryOrders:
    """Keeps everything as long as the process lives, under the same rules as DynamoDB."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.products: dict[str, Offer] = {}
        self.stock: dict[str, int] = {}
        self.reachable = True
        self._orders: dict[str, Order] = {}

    def sell(self, product_id: str, *, price_cents: int, stock: int) -> None:
        """Put a product into the catalog."""
        self.products[product_id] = Offer(id=product_id, name=product_id.title(), price_cents=price_cents)
        self.stock[product_id] = stock

    def offers(self, product_ids: Sequence[str]) -> Mapping[str, Offer]:
        return {name: self.products[name] for name in product_ids if name in self.products}

    def place(self, order: Order) -> None:
        if order.id in self._orders:
            raise AlreadyPlacedError(order.id)
        if order.user_id not in self.users:
            raise UnknownUserError(order.user_id)
        for line in order.lines:
            offer = self.products.get(line.product_id)
            if offer is None or offer.price_cents != line.price_cents:
                raise NotAvailableError(line.product_id)
            if self.stock[line.product_id] < line.quantity:
                raise NotAvailableError(line.product_id)
        for line in order.lines:
            self.stock[line.product_id] -= line.quantity
        self._orders[order.id] = order

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Order]:
        start = from_cursor(cursor, names=_KEY, fixed={"user_id": user_id})
        newest_first = sorted(
            (order for order in self._orders.values() if order.user_id == user_id),
            key=lambda order: (order.placed_at, order.id),
            reverse=True,
        )
        if start:
            after = (start["placed_at"].get("S", ""), start["id"].get("S", ""))
            newest_first = [order for order in newest_first if (order.placed_at, order.id) < after]
        last = newest_first[limit - 1] if len(newest_first) > limit else None
        key = {"user_id": last.user_id, "placed_at": last.placed_at, "id": last.id} if last else None
        return Page(entries=newest_first[:limit], cursor=to_cursor(to_item(key) if key else None))

    def check(self) -> None:
        if not self.reachable:
            message = "the store is away"
            raise ConnectionError(message)
