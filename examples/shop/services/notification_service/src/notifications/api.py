"""The notifications' HTTP interface, and its function's entry point."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from shop_common.http import Api, create_api, json_response
from shop_common.validation import read_query

from notifications.dynamo import DynamoNotifications
from notifications.model import NotificationList, NotificationQuery

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from notifications.repository import Notifications

logger = Logger(service="notification_service")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway."""
    return _api().resolve(event, context)


def create_app(notifications: Notifications) -> Api:
    """Connect the routes of service.toml with a store of notifications."""
    api = create_api(
        service="notification_service",
        health="/notifications/health",
        deep_check=notifications.check,
        logger=logger,
    )

    @api.get("/notifications")
    def _list() -> Response[str]:
        query = read_query(api.current_event, NotificationQuery)
        page = notifications.page_of(query.user, limit=query.limit, cursor=query.cursor)
        body = NotificationList(notifications=list(page.entries), cursor=page.cursor)
        return json_response(HTTPStatus.OK, body)

    return api


@functools.cache
def _api() -> Api:
    """Build the API once per container, at the first request: importing this module needs no environment."""
    return create_app(DynamoNotifications.from_environment())
