"""What a notification is, and what callers may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from shop_common.validation import Input

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class PlacedOrder(BaseModel):
    """What the worker reads of an order in the stream; more may stand there, order_service decides that."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)  # errors are logged, orders are private

    id: str
    user_id: str
    total_cents: int
    placed_at: str


class Notification(BaseModel):
    """Something that a customer is told. ``id`` is the stream event's, so one event is told once."""

    model_config = ConfigDict(frozen=True)

    id: str
    user_id: str
    order_id: str
    message: str
    created_at: str
    signature: str
    """HMAC-SHA256 of the other members: a mail gateway can tell that the shop wrote them."""


class NotificationQuery(Input):
    """The query string of GET /notifications."""

    user: Id
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=2048)] | None = None


class NotificationList(BaseModel):
    """A page of notifications, newest first."""

    notifications: list[Notification]
    cursor: str | None
