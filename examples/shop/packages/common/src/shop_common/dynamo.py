"""DynamoDB as these services use it: plain dicts in and out, one client per container, pages by cursor."""

from __future__ import annotations

import base64
import functools
import json
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shop_common.problems import malformed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Entry]):
    """A part of a list; ``cursor`` fetches the next part, and is None on the last one."""

    entries: Sequence[Entry]
    cursor: str | None


@functools.cache
def client() -> DynamoDBClient:
    """Return the container's DynamoDB client; endpoint, region and credentials come from the environment.

    A call that hangs is given up well within a function's timeout, so that it is retried and not billed.
    """
    # Lambda supplies boto3. It costs 0.2 s to import: tests and health checks do without.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("dynamodb", config=config)


def table_name(table: str) -> str:
    """Return the physical name of a table that service.toml owns or uses.

    Raises:
        KeyError: service.toml does not mention the table.

    """
    return os.environ[f"TABLE_{table.upper()}"]


def to_item(values: Mapping[str, object]) -> dict[str, AttributeValueTypeDef]:
    """Write a plain dict as an item; members that are None are left out."""
    return {name: to_attribute(value) for name, value in values.items() if value is not None}


def from_item(item: Mapping[str, AttributeValueTypeDef]) -> dict[str, Any]:
    """Read an item as a plain dict; numbers become int, or Decimal when they have a fraction."""
    return {name: from_attribute(value) for name, value in item.items()}


def to_attribute(value: object) -> AttributeValueTypeDef:
    """Write one value in DynamoDB's typed form.

    Raises:
        TypeError: floats and other types that DynamoDB would not give back unchanged.

    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case dict():
            return {"M": {str(name): to_attribute(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [to_attribute(member) for member in value]}
        case _:
            message = f"{type(value).__name__} cannot be stored in DynamoDB"
            raise TypeError(message)


def from_attribute(attribute: AttributeValueTypeDef) -> object:
    """Read one value from DynamoDB's typed form."""
    match attribute:
        case {"S": text}:
            return text
        case {"N": number}:
            return int(number) if number.lstrip("-").isdigit() else Decimal(number)
        case {"BOOL": flag}:
            return flag
        case {"M": members}:
            return {name: from_attribute(member) for name, member in members.items()}
        case {"L": members}:
            return [from_attribute(member) for member in members]
        case {"NULL": _}:
            return None
        case _:
            message = f"an attribute of type {', '.join(attribute)} is not used here"
            raise TypeError(message)


def to_cursor(last_key: Mapping[str, AttributeValueTypeDef] | None) -> str | None:
    """Write DynamoDB's LastEvaluatedKey as text that fits a URL; None when there is no next page."""
    if not last_key:
        return None
    return base64.urlsafe_b64encode(json.dumps(from_item(last_key)).encode()).decode().rstrip("=")


def from_cursor(
    cursor: str | None, *, names: frozenset[str], fixed: Mapping[str, str] | None = None
) -> dict[str, AttributeValueTypeDef] | None:
    """Read a cursor as an ExclusiveStartKey; None when there is none.

    Args:
        cursor: what the caller sent; it may be anything.
        names: the attributes that a key of this list has; all of them are strings.
        fixed: attributes whose value the request itself decides, such as the partition that is listed.

    Raises:
        Problem: 400 when it is not a cursor of this list.

    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise malformed("The cursor is not one that this list gave.") from error
    fits = (
        isinstance(key, dict) and key.keys() == names and all(isinstance(part, str) for part in key.values())
    )
    if not fits or any(key[name] != value for name, value in (fixed or {}).items()):
        raise malformed("The cursor is not one that this list gave.")
    return to_item(key)
