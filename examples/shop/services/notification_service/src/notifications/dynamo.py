"""Notifications in DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, client, from_cursor, from_item, table_name, to_cursor, to_item

from notifications.model import Notification

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

_BY_USER = "by_user"
_KEY_OF_INDEX = frozenset({"id", "user_id", "created_at"})


class DynamoNotifications:
    """The port ``Notifications`` on one DynamoDB table."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    @classmethod
    def from_environment(cls) -> DynamoNotifications:
        """Take client and table from the function's environment."""
        return cls(client(), table_name("notifications"))

    def add(self, notification: Notification) -> bool:
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item(notification.model_dump()),
                ConditionExpression="attribute_not_exists(id)",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Notification]:
        request: QueryInputTypeDef = {
            "TableName": self._table,
            "IndexName": _BY_USER,
            "KeyConditionExpression": "user_id = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if start := from_cursor(cursor, names=_KEY_OF_INDEX, fixed={"user_id": user_id}):
            request["ExclusiveStartKey"] = start
        found = self._dynamodb.query(**request)
        return Page(
            entries=[Notification.model_validate(from_item(item)) for item in found["Items"]],
            cursor=to_cursor(found.get("LastEvaluatedKey")),
        )

    def check(self) -> None:
        self._dynamodb.get_item(TableName=self._table, Key={"id": {"S": "health"}})
