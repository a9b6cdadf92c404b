"""Answers of Lambda proxy integrations: a failing or malformed one is 502, one that Lambda refused 500, as on AWS.

Neither tells why. References:
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html and
https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_KEYS = frozenset({"body", "cookies", "headers", "isBase64Encoded", "multiValueHeaders", "statusCode"})
_BAD_GATEWAY = {
    "body": '{"message": "Internal server error"}',
    "headers": {"Content-Type": "application/json", "x-amzn-ErrorType": "InternalServerErrorException"},
    "statusCode": 502,
}
_NOT_INVOKED = {**_BAD_GATEWAY, "statusCode": 500}
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, _settings: Settings) -> None:
    """Judge a function's answer before ministack shapes it."""

    def around(_original: Callable[..., Any]) -> Callable[..., Any]:
        def lambda_proxy_response(result: Mapping[str, Any]) -> tuple[Any, Any]:
            if result.get("throttle"):
                return dict(_NOT_INVOKED), None
            if result.get("error"):
                return dict(_BAD_GATEWAY), None
            problem = malformed(result.get("body"))
            if problem:
                log.warning("malformed Lambda proxy response: %s", problem)
                return dict(_BAD_GATEWAY), None
            return {**result["body"], "body": result["body"].get("body") or ""}, None

        return lambda_proxy_response

    ministack.wrap(ministack.apigateway, "_lambda_proxy_response", "(result)", around)


def malformed(answer: Any) -> str | None:
    """What API Gateway would refuse in a function's answer; None when it is fine."""
    if not isinstance(answer, dict):
        return f"a JSON object is needed, not {type(answer).__name__}"
    unknown = sorted(set(answer) - _KEYS)
    if unknown:
        return f"unknown keys: {', '.join(unknown)}"
    try:
        int(answer["statusCode"])
    except (KeyError, TypeError, ValueError):
        return "statusCode is missing or no number"
    if not isinstance(answer.get("body", ""), (str, type(None))):
        return "body must be a string"
    return None
