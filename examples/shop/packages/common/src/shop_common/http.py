"""The HTTP side of a function: Powertools' resolver, with problems for everything that goes wrong."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from shop_common.problems import CONTENT_TYPE, Problem, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.event_handler.exceptions import NotFoundError
    from pydantic import BaseModel


class Api(APIGatewayRestResolver):
    """A resolver that remembers its routes, so that a wrong method is 405 and not 404."""

    def __init__(self) -> None:
        super().__init__()
        self._methods: dict[str, set[str]] = {}

    def route(
        self,
        rule: str,
        method: str | list[str] | tuple[str],
        *args: Any,  # noqa: ANN401  (Powertools' own sixteen options, passed through)
        **kwargs: Any,  # noqa: ANN401
    ) -> Callable[..., Any]:
        """Register a route; the options are those of Powertools' ``ApiGatewayResolver.route``."""
        methods = [method] if isinstance(method, str) else method
        self._methods.setdefault(rule, set()).update(methods)
        return super().route(rule, method, *args, **kwargs)

    def methods_at(self, path: str) -> frozenset[str]:
        """Return the methods that ``path`` answers; empty when there is no such path."""
        return frozenset(
            method
            for rule, methods in self._methods.items()
            if _matches(rule.split("/"), path.split("/"))
            for method in methods
        )


def create_api(
    *,
    service: str,
    health: str,
    deep_check: Callable[[], object],
    logger: Logger,
    problems: Mapping[type[Exception], Problem] | None = None,
) -> Api:
    """Create a service's API: its health route, and a problem for every way to fail.

    Args:
        service: the service's name, as its folder is called.
        health: the path of the health route.
        deep_check: touches what the service needs (its tables) and raises when that fails. The health route
            runs it under ``?deep=1`` only: load balancers and deployments ask often, and pay per read.
        logger: gets the unexpected with its traceback; callers get a request id.
        problems: what callers are told when a store raises one of these exceptions.

    """
    api = Api()

    for kind, meaning in (problems or {}).items():
        api.exception_handler(kind)(lambda _, meaning=meaning: _problem(api, meaning))

    def _expected(problem: Problem) -> Response[str]:
        return _problem(api, problem)

    def _unexpected(error: Exception) -> Response[str]:
        logger.error("unexpected failure", exc_info=error)
        return _problem(
            api,
            Problem(
                status=HTTPStatus.INTERNAL_SERVER_ERROR,
                kind="internal",
                detail="Something failed on our side; it is logged under this request id.",
            ),
        )

    # Called, not used as decorators: Powertools leaves these two untyped.
    api.exception_handler(Problem)(_expected)
    api.exception_handler(Exception)(_unexpected)

    @api.not_found
    def _unrouted(_: NotFoundError) -> Response[str]:
        event = api.current_event
        allowed = api.methods_at(event.path)
        # Powertools takes no segment with, say, a # in it: such a path is nothing, whatever its shape.
        if not allowed or event.http_method in allowed:
            return _problem(api, not_found(f"There is nothing at {event.path}."))
        return _problem(
            api,
            Problem(
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                kind="method-not-allowed",
                detail=f"{event.path} does not answer {event.http_method}.",
                headers={"Allow": ", ".join(sorted(allowed))},
            ),
        )

    @api.get(health)
    def _health() -> Response[str]:
        if api.current_event.query_string_parameters.get("deep") == "1":
            try:
                deep_check()
            except Exception as error:
                logger.exception("deep health check failed")
                raise Problem(
                    status=HTTPStatus.SERVICE_UNAVAILABLE,
                    kind="unhealthy",
                    detail=f"{service} cannot reach what it needs; the log says what.",
                ) from error
        version = api.lambda_context.function_version
        return json_response(HTTPStatus.OK, {"status": "ok", "service": service, "version": version})

    return api


def json_response(
    status: HTTPStatus,
    body: BaseModel | Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    """Answer with JSON; a model is written by its own rules."""
    text = json.dumps(body) if not hasattr(body, "model_dump_json") else body.model_dump_json()
    return Response(
        status_code=status.value, content_type="application/json", body=text, headers=dict(headers or {})
    )


def no_content() -> Response[str]:
    """Answer that it is done and there is nothing to say."""
    return Response(status_code=HTTPStatus.NO_CONTENT.value, body="")


def _problem(api: Api, problem: Problem) -> Response[str]:
    return Response(
        status_code=problem.status.value,
        content_type=CONTENT_TYPE,
        body=problem.to_json(request_id=api.lambda_context.aws_request_id),
        headers=dict(problem.headers),
    )


def _matches(rule: list[str], path: list[str]) -> bool:
    """Say whether a rule's segments fit a path's; ``<name>`` stands for any one segment."""
    return len(rule) == len(path) and all(
        expected == given or (expected.startswith("<") and given != "")
        for expected, given in zip(rule, path, strict=True)
    )
