"""Where notifications are kept: the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shop_common.dynamo import Page

    from notifications.model import Notification


class Notifications(Protocol):
    """Keeps notifications."""

    def add(self, notification: Notification) -> bool:
        """Keep a notification; False when one with its id was there before, which then stays as it is."""

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Notification]:
        """Return up to ``limit`` of a customer's, newest first; raises Problem for a bad cursor."""

    def check(self) -> None:
        """Touch the store, and raise when it cannot be reached."""
