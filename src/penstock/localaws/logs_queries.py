"""CloudWatch Logs query definitions (saved Insights queries)."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from penstock.localaws.services import ServiceError, answer
from penstock.localaws.state import Store, add_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings


def install(ministack: Ministack, _settings: Settings) -> None:
    """Answer the three operations on query definitions; the rest of Logs is ministack's."""
    definitions = Store(ministack)
    add_state(ministack, "penstock_query_definitions", definitions)

    def put(body: dict[str, Any]) -> dict[str, Any]:
        identity = body.get("queryDefinitionId") or str(uuid.uuid4())
        if body.get("queryDefinitionId") and identity not in definitions:
            raise ServiceError("ResourceNotFoundException", f"there is no query definition {identity}")
        kept = {name: value for name, value in body.items() if name != "clientToken"}
        definitions[identity] = {
            **kept,
            "lastModified": int(time.time() * 1000),
            "queryDefinitionId": identity,
        }
        return {"queryDefinitionId": identity}

    def describe(body: dict[str, Any]) -> dict[str, Any]:
        prefix = body.get("queryDefinitionNamePrefix") or ""
        return {"queryDefinitions": [d for d in definitions.values() if d["name"].startswith(prefix)]}

    def delete(body: dict[str, Any]) -> dict[str, Any]:
        if definitions.pop(body["queryDefinitionId"], None) is None:
            raise ServiceError("ResourceNotFoundException", f"there is no query definition {body['queryDefinitionId']}")
        return {"success": True}

    operations: Mapping[str, Callable[[dict[str, Any]], Any]] = {
        "DeleteQueryDefinition": delete,
        "DescribeQueryDefinitions": describe,
        "PutQueryDefinition": put,
    }

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_request(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
        ) -> Response:
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            if operation in operations:
                return answer(ministack, operations, operation, body)
            found: Response = await original(method, path, headers, body, query_params)
            return found

        return handle_request

    ministack.wrap(ministack.logs, "handle_request", "(method, path, headers, body, query_params)", around)
