"""What a customer is, and what callers may send and get."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from shop_common.validation import Input

_EMAIL = re.compile(r"[^@\s]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def _normal_email(text: str) -> str:
    """Return an address in the form in which it is unique; only a mail to it proves that it exists."""
    address = text.lower()
    if not _EMAIL.fullmatch(address):
        message = "this is not an e-mail address"
        raise ValueError(message)
    return address


Email = Annotated[str, Field(max_length=254), AfterValidator(_normal_email)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewUser(Input):
    """The body of POST and PUT."""

    email: Email
    name: Name


class UserChange(Input):
    """The body of PATCH: what is left out stays as it is."""

    email: Email | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.email is None and self.name is None:
            message = "say what to change: email, name or both"
            raise ValueError(message)
        return self


class UserQuery(Input):
    """The query string of GET /users: either one address, or a page of the list."""

    email: Email | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=2048)] | None = None


class User(BaseModel):
    """A customer; ``version`` counts changes, so that two writers cannot overwrite each other unseen."""

    model_config = ConfigDict(frozen=True)

    id: str
    email: str
    name: str
    created_at: str
    updated_at: str
    version: int


class UserList(BaseModel):
    """A page of customers."""

    users: list[User]
    cursor: str | None


def create(wanted: NewUser) -> User:
    """Make a new customer, with an id that nobody can guess."""
    now = _now()
    return User(
        id=str(uuid.uuid4()),
        email=wanted.email,
        name=wanted.name,
        created_at=now,
        updated_at=now,
        version=1,
    )


def change(user: User, wanted: NewUser | UserChange) -> User:
    """Return the customer with what was asked for, one version on."""
    return user.model_copy(
        update={
            "email": wanted.email or user.email,
            "name": wanted.name or user.name,
            "updated_at": _now(),
            "version": user.version + 1,
        }
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
