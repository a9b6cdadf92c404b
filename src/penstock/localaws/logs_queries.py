"""CloudWatch Logs Insights: saved queries (query definitions), and those that count."""

from __future__ import annotations

import functools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from penstock.localaws import insights
from penstock.localaws.services import ServiceError, answer
from penstock.localaws.state import Store, add_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings


def install(ministack: Ministack, _settings: Settings) -> None:
    """Answer the three operations on query definitions, and queries with `stats`; the rest of Logs is ministack's."""
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
            known = {**operations, **_counting(ministack, operation, body)}
            if operation in known:
                return answer(ministack, known, operation, body)
            found: Response = await original(method, path, headers, body, query_params)
            return found

        return handle_request

    ministack.wrap(ministack.logs, "handle_request", "(method, path, headers, body, query_params)", around)


def _counting(
    ministack: Ministack, operation: str, body: bytes
) -> Mapping[str, Callable[[dict[str, Any]], Mapping[str, str]]]:
    """What answers a query with `stats`; empty for anything else."""
    if operation != "StartQuery" or not insights.counts(str(json.loads(body).get("queryString"))):
        return {}
    return {operation: functools.partial(_start, ministack)}


def _start(ministack: Ministack, body: Mapping[str, Any]) -> Mapping[str, str]:
    """Answer a query with `stats`; the answer lies where ministack keeps those of its own."""
    logs = ministack.logs
    names = logs._resolve_query_log_groups(body)
    missing = [name for name in names if name not in logs._log_groups]
    if not names or missing:
        code = "ResourceNotFoundException" if missing else "InvalidParameterException"
        raise ServiceError(code, f"The specified log group does not exist: {', '.join(missing)}")
    records = logs._collect_query_records(names, body["startTime"], body["endTime"])
    events = [insights.Event(at=record["_timestamp_ms"], message=record["@message"]) for record in records]
    try:
        rows, matched = insights.answer(body["queryString"], events, body.get("limit"))
    except ValueError as error:
        raise ServiceError("MalformedQueryException", str(error)) from error
    identity = str(uuid.uuid4())
    size = sum(len(event.message) for event in events)
    statistics = {"recordsMatched": matched, "recordsScanned": len(events), "bytesScanned": size}
    logs._queries[identity] = {
        "queryId": identity,
        "queryString": body["queryString"],
        "startTime": body["startTime"],
        "endTime": body["endTime"],
        "results": rows,
        "statistics": {name: float(count) for name, count in statistics.items()},
        "status": "Complete",
    }
    return {"queryId": identity}
