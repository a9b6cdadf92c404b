"""Notifications in a dict: the port ``Notifications`` for tests and for trying things out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, from_cursor, to_cursor, to_item

if TYPE_CHECKING:
    from notifications.model import Notification

_KEY = frozenset({"user_id", "created_at", "id"})


class InMemoryNotifications:
    """Keeps notifications as long as the process lives, under the same rules as DynamoDB."""

    def __init__(self) -> None:
        self.kept: dict[str, Notification] = {}
        self.reachable = True

    def add(self, notification: Notification) -> bool:
        self.check()
        return self.kept.setdefault(notification.id, notification) is notification

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Notification]:
        start = from_cursor(cursor, names=_KEY, fixed={"user_id": user_id})
        newest_first = sorted(
            (one for one in self.kept.values() if one.user_id == user_id),
            key=lambda one: (one.created_at, one.id),
            reverse=True,
        )
        if start:
            after = (start["created_at"].get("S", ""), start["id"].get("S", ""))
            newest_first = [one for one in newest_first if (one.created_at, one.id) < after]
        last = newest_first[limit - 1] if len(newest_first) > limit else None
        key = {"user_id": last.user_id, "created_at": last.created_at, "id": last.id} if last else None
        return Page(entries=newest_first[:limit], cursor=to_cursor(to_item(key) if key else None))

    def check(self) -> None:
        if not self.reachable:
            message = "the store is away"
            raise ConnectionError(message)
