"""The customers' HTTP interface, and the function's entry point."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from shop_common.http import Api, create_api, json_response, no_content
from shop_common.problems import conflict, not_found
from shop_common.validation import read_body, read_query

from users.dynamo import DynamoUsers
from users.model import NewUser, User, UserChange, UserList, UserQuery, change, create
from users.repository import ChangedMeanwhileError, EmailTakenError

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from users.repository import Users

logger = Logger(service="user_service")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway."""
    return _api().resolve(event, context)


def create_app(users: Users) -> Api:  # noqa: C901  (a list of routes; none of them branches twice)
    """Connect the routes of service.toml with a store of customers."""
    api = create_api(
        service="user_service",
        health="/users/health",
        deep_check=users.check,
        logger=logger,
        problems={
            EmailTakenError: conflict("Another customer has this e-mail address.", kind="email-taken"),
            ChangedMeanwhileError: conflict(
                "Somebody else changed this customer at the same moment; read it again.",
                kind="changed-meanwhile",
            ),
        },
    )

    def known(user_id: str) -> User:
        user = users.get(user_id)
        if user is None:
            raise not_found("There is no customer with this id.")
        return user

    @api.post("/users")
    def _create() -> Response[str]:
        user = create(read_body(api.current_event, NewUser))
        users.add(user)
        logger.info("customer created", extra={"user_id": user.id})
        return json_response(HTTPStatus.CREATED, user, headers={"Location": f"/users/{user.id}"})

    @api.get("/users")
    def _list() -> Response[str]:
        query = read_query(api.current_event, UserQuery)
        if query.email is not None:
            found = users.find(query.email)
            return json_response(HTTPStatus.OK, UserList(users=[found] if found else [], cursor=None))
        page = users.page(limit=query.limit, cursor=query.cursor)
        return json_response(HTTPStatus.OK, UserList(users=list(page.entries), cursor=page.cursor))

    @api.get("/users/<user_id>")
    def _get(user_id: str) -> Response[str]:
        return json_response(HTTPStatus.OK, known(user_id))

    @api.put("/users/<user_id>")
    def _replace(user_id: str) -> Response[str]:
        return store(known(user_id), read_body(api.current_event, NewUser))

    @api.patch("/users/<user_id>")
    def _update(user_id: str) -> Response[str]:
        return store(known(user_id), read_body(api.current_event, UserChange))

    @api.delete("/users/<user_id>")
    def _delete(user_id: str) -> Response[str]:
        users.remove(known(user_id))
        logger.info("customer deleted", extra={"user_id": user_id})
        return no_content()

    def store(old: User, wanted: NewUser | UserChange) -> Response[str]:
        new = change(old, wanted)
        users.replace(old, new)
        return json_response(HTTPStatus.OK, new)

    return api


@functools.cache
def _api() -> Api:
    """Build the API once per container, at the first request: importing this module needs no environment."""
    return create_app(DynamoUsers.from_environment())
