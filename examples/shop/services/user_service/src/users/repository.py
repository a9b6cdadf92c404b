"""Where customers are kept: the port, and its two implementations' common words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shop_common.dynamo import Page

    from users.model import User


class EmailTakenError(Exception):
    """Another customer has this address."""


class ChangedMeanwhileError(Exception):
    """Somebody else changed or deleted the customer since it was read."""


class Users(Protocol):
    """Keeps customers; addresses are unique."""

    def add(self, user: User) -> None:
        """Add a new customer; raises EmailTakenError."""

    def get(self, user_id: str) -> User | None:
        """Return the customer, or None."""

    def find(self, email: str) -> User | None:
        """Return the customer with this address, or None."""

    def page(self, *, limit: int, cursor: str | None) -> Page[User]:
        """Return up to ``limit`` customers; raises Problem for a cursor that is none."""

    def replace(self, old: User, new: User) -> None:
        """Store ``new`` where ``old`` is; raises EmailTakenError, ChangedMeanwhileError."""

    def remove(self, user: User) -> None:
        """Forget the customer; raises ChangedMeanwhileError."""

    def check(self) -> None:
        """Touch the store, and raise when it cannot be reached."""
