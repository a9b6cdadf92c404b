"""Orders in DynamoDB: one transaction over the tables of three services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop_common.dynamo import Page, client, from_cursor, from_item, table_name, to_cursor, to_item

from orders.model import Offer, Order
from orders.repository import AlreadyPlacedError, ContendedError, NotAvailableError, UnknownUserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef, TransactWriteItemTypeDef

    from orders.model import Line

_BY_USER = "by_user"
_KEY_OF_INDEX = frozenset({"id", "user_id", "placed_at"})
_ATTEMPTS = 5
"""Batches that DynamoDB may leave unfinished before we say that it is overloaded."""


class DynamoOrders:
    """The port ``Orders`` on the tables orders (ours), users and products (others')."""

    def __init__(self, dynamodb: DynamoDBClient, *, orders: str, users: str, products: str) -> None:
        self._dynamodb = dynamodb
        self._orders = orders
        self._users = users
        self._products = products

    @classmethod
    def from_environment(cls) -> DynamoOrders:
        """Take client and tables from the function's environment."""
        return cls(
            client(),
            orders=table_name("orders"),
            users=table_name("users"),
            products=table_name("products"),
        )

    def offers(self, product_ids: Sequence[str]) -> Mapping[str, Offer]:
        wanted = [to_item({"id": product_id}) for product_id in product_ids]
        found: dict[str, Offer] = {}
        for _ in range(_ATTEMPTS):
            answer = self._dynamodb.batch_get_item(
                RequestItems={self._products: {"Keys": wanted, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._products, []):
                offer = Offer.model_validate(from_item(item))
                found[offer.id] = offer
            left = answer.get("UnprocessedKeys", {}).get(self._products)
            if not left:
                return found
            wanted = [dict(key) for key in left["Keys"]]
        raise ContendedError

    def place(self, order: Order) -> None:
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[
                    self._put(order),
                    self._user_exists(order.user_id),
                    *(self._take(line) for line in order.lines),
                ]
            )
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            # The reasons stand in the order of the items above.
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            meanings = [
                AlreadyPlacedError(order.id),
                UnknownUserError(order.user_id),
                *(NotAvailableError(line.product_id) for line in order.lines),
            ]
            for reason, meaning in zip(reasons, meanings, strict=False):
                if reason == "ConditionalCheckFailed":
                    raise meaning from error
            if "TransactionConflict" in reasons:
                raise ContendedError from error
            raise
        except self._dynamodb.exceptions.TransactionInProgressException as error:
            raise ContendedError from error

    def get(self, order_id: str) -> Order | None:
        found = self._dynamodb.get_item(
            TableName=self._orders, Key={"id": {"S": order_id}}, ConsistentRead=True
        ).get("Item")
        return Order.model_validate(from_item(found)) if found else None

    def page_of(self, user_id: str, *, limit: int, cursor: str | None) -> Page[Order]:
        request: QueryInputTypeDef = {
            "TableName": self._orders,
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
            entries=[Order.model_validate(from_item(item)) for item in found["Items"]],
            cursor=to_cursor(found.get("LastEvaluatedKey")),
        )

    def check(self) -> None:
        self.get("health")

    def _put(self, order: Order) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._orders,
                "Item": to_item({**order.model_dump(), "fingerprint": order.fingerprint}),
                "ConditionExpression": "attribute_not_exists(id)",
            }
        }

    def _user_exists(self, user_id: str) -> TransactWriteItemTypeDef:
        return {
            "ConditionCheck": {
                "TableName": self._users,
                "Key": to_item({"id": user_id}),
                # By the address, because user_service keeps other items beside its customers.
                "ConditionExpression": "attribute_exists(email)",
            }
        }

    def _take(self, line: Line) -> TransactWriteItemTypeDef:
        return {
            "Update": {
                "TableName": self._products,
                "Key": to_item({"id": line.product_id}),
                # Sold at the price that was read, or not at all: nobody pays a price that has just changed.
                "ConditionExpression": "stock >= :quantity AND price_cents = :price",
                "UpdateExpression": "SET stock = stock - :quantity",
                "ExpressionAttributeValues": to_item(
                    {":quantity": line.quantity, ":price": line.price_cents}
                ),
            }
        }
