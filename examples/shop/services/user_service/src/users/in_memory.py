"""Customers in a dict: the port ``Users`` for tests and for trying things out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, from_cursor, to_cursor, to_item

from users.repository import ChangedMeanwhileError, EmailTakenError

if TYPE_CHECKING:
    from users.model import User

_KEY = frozenset({"id"})


class InMemoryUsers:
    """Keeps customers as long as the process lives, under the same rules as DynamoDB."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self.reachable = True

    def add(self, user: User) -> None:
        self._claim(user)
        self._users[user.id] = user

    def get(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    def find(self, email: str) -> User | None:
        return next((user for user in self._users.values() if user.email == email), None)

    def page(self, *, limit: int, cursor: str | None) -> Page[User]:
        start = from_cursor(cursor, names=_KEY)
        after = start["id"].get("S", "") if start else ""
        rest = sorted((user for user in self._users.values() if user.id > after), key=lambda user: user.id)
        more = len(rest) > limit
        return Page(
            entries=rest[:limit],
            cursor=to_cursor(to_item({"id": rest[limit - 1].id})) if more else None,
        )

    def replace(self, old: User, new: User) -> None:
        self._expect(old)
        self._claim(new)
        self._users[new.id] = new

    def remove(self, user: User) -> None:
        self._expect(user)
        del self._users[user.id]

    def check(self) -> None:
        if not self.reachable:
            message = "the store is away"
            raise ConnectionError(message)

    def _claim(self, user: User) -> None:
        holder = self.find(user.email)
        if holder is not None and holder.id != user.id:
            raise EmailTakenError

    def _expect(self, user: User) -> None:
        if self._users.get(user.id) != user:
            raise ChangedMeanwhileError
