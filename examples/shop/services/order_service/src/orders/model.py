"""What an order is, and what callers may send and get."""

from __future__ import annotations

import hashlib
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from shop_common.validation import Input

MOST_LINES = 25
"""Lines of one order. With the customer and the order itself far below DynamoDB's 100 items a transaction
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html)."""

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class WantedLine(Input):
    """So many of one product."""

    product_id: Id
    quantity: Annotated[int, Field(ge=1, le=1000)]


class NewOrder(Input):
    """The body of POST /orders. Prices are the shop's to know."""

    user_id: Id
    lines: Annotated[list[WantedLine], Field(min_length=1, max_length=MOST_LINES)]

    @model_validator(mode="after")
    def _each_product_once(self) -> Self:
        if len({line.product_id for line in self.lines}) < len(self.lines):
            message = "name each product once, with the whole quantity"
            raise ValueError(message)
        return self

    def fingerprint(self) -> str:
        """Return the same text for the same wishes, whatever the order of their lines."""
        lines = sorted(f"{line.product_id}*{line.quantity}" for line in self.lines)
        return hashlib.sha256("\n".join([self.user_id, *lines]).encode()).hexdigest()


class OrderQuery(Input):
    """The query string of GET /orders."""

    user: Id
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=2048)] | None = None


class Offer(BaseModel):
    """A product as the catalog offers it at this moment."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    price_cents: int


class Line(BaseModel):
    """A line of an order, at the price for which it was sold."""

    model_config = ConfigDict(frozen=True)

    product_id: str
    name: str
    quantity: int
    price_cents: int


class Order(BaseModel):
    """A placed order; money is in cents, times are UTC."""

    model_config = ConfigDict(frozen=True)

    id: str
    user_id: str
    lines: list[Line]
    total_cents: int
    status: str = "placed"
    placed_at: str
    fingerprint: str = Field(exclude=True)
    """Of the wishes it came from: tells a repeated request from a reused key. Not shown to callers."""


class OrderList(BaseModel):
    """A page of orders, newest first."""

    orders: list[Order]
    cursor: str | None
