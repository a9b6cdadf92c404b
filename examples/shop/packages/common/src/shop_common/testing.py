"""What tests of HTTP functions need: the event that API Gateway sends, and a context."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The part of Lambda's context object that the services read."""

    function_name: str = "shop-test-service"
    function_version: str = "7"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:111111111111:function:shop-test-service:blue"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a caller sees of a response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:  # noqa: ANN401  (JSON has no narrower type)
        """The body, read as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls a handler the way API Gateway's proxy integration does."""

    handler: Callable[[dict[str, Any], Any], dict[str, Any]]

    def __call__(
        self, method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; ``body`` is written as JSON unless it is text already."""
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        response = self.handler(rest_event(method, url, text, headers), Context())
        received = {
            **{name: values[0] for name, values in response.get("multiValueHeaders", {}).items()},
            **response.get("headers", {}),
        }
        return Answer(
            status=response["statusCode"],
            headers={name.lower(): value for name, value in received.items()},
            text=response.get("body") or "",
        )


def rest_event(
    method: str, url: str, body: str | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Build the event of a REST API's proxy integration (payload format 1.0)."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    many: dict[str, list[str]] = {}
    for name, value in query:
        many.setdefault(name, []).append(value)
    return {
        "resource": parts.path,
        "path": parts.path,
        "httpMethod": method,
        "headers": dict(headers or {}),
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": many or None,
        "pathParameters": None,
        "stageVariables": {"slot": "blue"},
        "requestContext": {
            "stage": "live",
            "requestId": "00000000-0000-4000-8000-000000000000",
            "identity": {"sourceIp": "127.0.0.1"},
            "httpMethod": method,
            "path": parts.path,
        },
        "body": body,
        "isBase64Encoded": False,
    }
