"""Access logs of stages: one line a request in the stage's format, in its log group.

Variables are AWS's for REST APIs. One that has no value is ``-``; ``$context.isCanaryRequest`` has one only while the
stage has a canary. Requests of a canary are written to the group ``<name>/Canary`` as well, when there is one.

References: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
and https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html (logs of a canary).
"""

from __future__ import annotations

import contextvars
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.localaws.log_writer import write_events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.apigateway_serving import Serving, View
    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
_ABSENT = "-"
_EXECUTE = "(request, api_id, stage_name, method, path, headers, body, query_params, owner_account_id, owner_region)"


@dataclass(slots=True)
class Exchange:
    """What becomes known of a request while it is served."""

    method: str
    path: str
    headers: Mapping[str, Any]
    began: float
    request: Mapping[str, Any] = field(default_factory=dict)
    """ministack's own notes: resource path, request id."""
    error: Any = None
    """API Gateway's own error, when the answer is one."""
    integration_began: float | None = None
    integration_ended: float | None = None
    integration_status: int | None = None
    """What the function answered; its own status, not that of the invocation."""


def install_for_api_gateway(ministack: Ministack, settings: Settings, serving: Serving) -> None:
    """Take notes of every request of a stage that has an access log, and write its line."""
    access_logs = AccessLogs(ministack, settings, serving)
    gateway = ministack.apigateway
    ministack.wrap(
        gateway,
        "handle_execute",
        "(api_id, stage_name, method, path, headers, body, query_params)",
        access_logs.around_handle,
    )
    ministack.wrap(gateway, "_execute_in_scope", _EXECUTE, access_logs.around_execute)
    ministack.wrap(
        gateway, "_call_lambda_raw", "(function_ref, event, *, account_id=, region=)", access_logs.around_invoke
    )


class AccessLogs:
    """The wrappers, sharing the notes of the request under way."""

    def __init__(self, ministack: Ministack, settings: Settings, serving: Serving) -> None:
        self._ministack = ministack
        self._clock = settings.clock
        self._serving = serving
        self._exchange: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("exchange", default=None)

    def around_handle(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The whole request: begin the notes, write the line."""

        async def handle_execute(
            api_id: str, stage_name: str, method: str, path: str, headers: Mapping[str, Any], *rest: Any
        ) -> Response:
            view = self._serving.current()
            settings = (view.stage.get("accessLogSettings") or {}) if view is not None else {}
            if view is None or not settings.get("destinationArn") or not settings.get("format"):
                plain: Response = await original(api_id, stage_name, method, path, headers, *rest)
                return plain
            exchange = Exchange(method=method, path=path, headers=headers or {}, began=time.time())
            token = self._exchange.set(exchange)
            try:
                answer: Response = await original(api_id, stage_name, method, path, headers, *rest)
            finally:
                self._exchange.reset(token)
            facts = self._facts(view, exchange, answer)
            self._write(settings, view, facts, int(self._clock.of(exchange.began) * 1000))
            return answer

        return handle_execute

    def around_execute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Where ministack notes what it finds; its answer is an error of API Gateway's own, or a response."""

        async def execute(request: dict[str, Any], *rest: Any) -> Any:
            answer = await original(request, *rest)
            exchange = self._exchange.get()
            if exchange is not None:
                exchange.request = request
                exchange.error = answer if hasattr(answer, "response_type") else None
            return answer

        return execute

    def around_invoke(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The integration's time and status. An authorizer's invocation comes before and is written over."""

        async def invoke(function_ref: Any, event: Any, **where: Any) -> Any:
            began = time.time()
            result, problem = await original(function_ref, event, **where)
            exchange = self._exchange.get()
            if exchange is not None:
                exchange.integration_began, exchange.integration_ended = began, time.time()
                exchange.integration_status = _function_status(result)
            return result, problem

        return invoke

    def _facts(self, view: View, exchange: Exchange, answer: Response) -> dict[str, str]:
        """Every variable that has a value."""
        account, _ = self._ministack.responses_scope()
        request_id = str(exchange.request.get("request_id") or "")
        at = self._clock.of(exchange.began)
        facts: dict[str, Any] = {
            "accountId": account,
            "apiId": view.api_id,
            "deploymentId": view.deployment_id,
            "domainName": exchange.headers.get("host"),
            "extendedRequestId": request_id,
            "httpMethod": exchange.method,
            "identity.sourceIp": str(exchange.headers.get("x-forwarded-for") or "127.0.0.1").split(",")[0].strip(),
            "identity.userAgent": exchange.headers.get("user-agent"),
            "isCanaryRequest": str(view.canary).lower() if view.stage.get("canarySettings") else None,
            "path": f"/{view.stage_name}{exchange.path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at)),
            "requestTimeEpoch": int(at * 1000),
            "resourcePath": exchange.request.get("resource_path"),
            "responseLatency": int((time.time() - exchange.began) * 1000),
            "responseLength": len(answer[2] or b""),
            "stage": view.stage_name,
            "status": answer[0],
        }
        if exchange.error is not None:
            facts |= {
                "error.message": exchange.error.message,
                "error.messageString": json.dumps(exchange.error.message),
                "error.responseType": exchange.error.response_type,
            }
        if exchange.integration_began is not None and exchange.integration_ended is not None:
            latency = int((exchange.integration_ended - exchange.integration_began) * 1000)
            facts |= {
                "integration.integrationStatus": 200,
                "integration.latency": latency,
                "integration.status": exchange.integration_status,
                "integrationLatency": latency,
                "integrationStatus": 200,
            }
        return {name: str(value) for name, value in facts.items() if value is not None and value != ""}

    def _write(self, settings: Mapping[str, Any], view: View, facts: Mapping[str, str], at: int) -> None:
        line = rendered(str(settings["format"]), facts)
        group = str(settings["destinationArn"]).partition(":log-group:")[2].removesuffix(":*")
        stream = f"{view.api_id}-{view.stage_name}"
        write_events(self._ministack, group, stream, [(at, line)])
        if view.canary:
            write_events(self._ministack, f"{group}/Canary", stream, [(at, line)])


def rendered(text: str, facts: Mapping[str, str]) -> str:
    """The format with its variables filled in; those without a value are ``-``."""
    return _VARIABLE.sub(lambda found: facts.get(found.group(1), _ABSENT), text).strip()


def _function_status(result: Any) -> int | None:
    body = result.get("body") if isinstance(result, dict) and not result.get("error") else None
    try:
        return int(body["statusCode"]) if isinstance(body, dict) else None
    except (KeyError, TypeError, ValueError):
        return None
