"""Customers in DynamoDB.

A customer's item has the customer's id as its key. Beside it stands a guard, an item whose id is
``email#<address>``: a secondary index cannot refuse duplicates, a conditional write on a guard can. Guards
have no attribute ``email``, so the index by_email holds customers only and serves the list as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, client, from_cursor, from_item, table_name, to_cursor, to_item

from users.model import User
from users.repository import ChangedMeanwhileError, EmailTakenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanInputTypeDef, TransactWriteItemTypeDef

    _Write = tuple[TransactWriteItemTypeDef, type[Exception]]

_BY_EMAIL = "by_email"
_KEY_OF_INDEX = frozenset({"id", "email"})


class DynamoUsers:
    """The port ``Users`` on one DynamoDB table."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    @classmethod
    def from_environment(cls) -> DynamoUsers:
        """Take client and table from the function's environment."""
        return cls(client(), table_name("users"))

    def add(self, user: User) -> None:
        self._write([(self._guard(user), EmailTakenError), (self._put(user), ChangedMeanwhileError)])

    def get(self, user_id: str) -> User | None:
        found = self._dynamodb.get_item(
            TableName=self._table, Key={"id": {"S": user_id}}, ConsistentRead=True
        ).get("Item")
        # A guard can be asked for by its id like any item; it is not a customer.
        return User.model_validate(from_item(found)) if found and "email" in found else None

    def find(self, email: str) -> User | None:
        found = self._dynamodb.query(
            TableName=self._table,
            IndexName=_BY_EMAIL,
            KeyConditionExpression="email = :email",
            ExpressionAttributeValues={":email": {"S": email}},
            Limit=1,
        )["Items"]
        return User.model_validate(from_item(found[0])) if found else None

    def page(self, *, limit: int, cursor: str | None) -> Page[User]:
        start = from_cursor(cursor, names=_KEY_OF_INDEX)
        request: ScanInputTypeDef = {"TableName": self._table, "IndexName": _BY_EMAIL, "Limit": limit}
        if start := from_cursor(cursor, names=_KEY_OF_INDEX):
            request["ExclusiveStartKey"] = start
        found = self._dynamodb.scan(**request)
        return Page(
            entries=[User.model_validate(from_item(item)) for item in found["Items"]],
            cursor=to_cursor(found.get("LastEvaluatedKey")),
        )

    def replace(self, old: User, new: User) -> None:
        writes: list[_Write] = [(self._put(new, replaces=old), ChangedMeanwhileError)]
        if old.email != new.email:
            writes += [(self._guard(new), EmailTakenError), (self._unguard(old), ChangedMeanwhileError)]
        self._write(writes)

    def remove(self, user: User) -> None:
        gone: TransactWriteItemTypeDef = {
            "Delete": {
                "TableName": self._table,
                "Key": {"id": {"S": user.id}},
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(user.version)}},
            }
        }
        self._write([(gone, ChangedMeanwhileError), (self._unguard(user), ChangedMeanwhileError)])

    def check(self) -> None:
        self.get("health")

    def _put(self, user: User, *, replaces: User | None = None) -> TransactWriteItemTypeDef:
        item = to_item(user.model_dump())
        if replaces is None:
            return {
                "Put": {
                    "TableName": self._table,
                    "Item": item,
                    "ConditionExpression": "attribute_not_exists(id)",
                }
            }
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(replaces.version)}},
            }
        }

    def _guard(self, user: User) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._table,
                "Item": to_item({"id": _guard_id(user), "user_id": user.id}),
                "ConditionExpression": "attribute_not_exists(id)",
            }
        }

    def _unguard(self, user: User) -> TransactWriteItemTypeDef:
        return {"Delete": {"TableName": self._table, "Key": to_item({"id": _guard_id(user)})}}

    def _write(self, writes: Sequence[_Write]) -> None:
        """Write all or nothing; each write brings the error that its failed condition means."""
        try:
            self._dynamodb.transact_write_items(TransactItems=[write for write, _ in writes])
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = error.response.get("CancellationReasons", [])
            for reason, (_, meaning) in zip(reasons, writes, strict=False):
                if reason.get("Code") == "ConditionalCheckFailed":
                    raise meaning from error
                if reason.get("Code") == "TransactionConflict":
                    raise ChangedMeanwhileError from error
            raise


def _guard_id(user: User) -> str:
    return f"email#{user.email}"
