"""The orders' HTTP interface, and the function's entry point."""

from __future__ import annotations

import functools
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from shop_common.http import Api, create_api, json_response
from shop_common.problems import malformed, not_found
from shop_common.validation import read_body, read_query

from orders.dynamo import DynamoOrders
from orders.model import NewOrder, OrderList, OrderQuery
from orders.placing import place

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from orders.repository import Orders

logger = Logger(service="order_service")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway."""
    return _api().resolve(event, context)


def create_app(orders: Orders) -> Api:
    """Connect the routes of service.toml with a store of orders."""
    api = create_api(service="order_service", health="/orders/health", deep_check=orders.check, logger=logger)

    @api.post("/orders")
    def _place() -> Response[str]:
        placed = place(orders, read_body(api.current_event, NewOrder), _idempotency_key(api))
        order = placed.order
        if placed.replayed:
            return json_response(HTTPStatus.OK, order, headers={"Idempotency-Replayed": "true"})
        logger.info("order placed", extra={"order_id": order.id, "total_cents": order.total_cents})
        return json_response(HTTPStatus.CREATED, order, headers={"Location": f"/orders/{order.id}"})

    @api.get("/orders")
    def _list() -> Response[str]:
        query = read_query(api.current_event, OrderQuery)
        page = orders.page_of(query.user, limit=query.limit, cursor=query.cursor)
        return json_response(HTTPStatus.OK, OrderList(orders=list(page.entries), cursor=page.cursor))

    @api.get("/orders/<order_id>")
    def _get(order_id: str) -> Response[str]:
        order = orders.get(order_id)
        if order is None:
            raise not_found("There is no order with this id.")
        return json_response(HTTPStatus.OK, order)

    return api


def _idempotency_key(api: Api) -> str | None:
    """Return what the caller calls this request, None when it has no name."""
    key = api.current_event.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise malformed("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


@functools.cache
def _api() -> Api:
    """Build the API once per container, at the first request: importing this module needs no environment."""
    return create_app(DynamoOrders.from_environment())
