"""Routes → the one OpenAPI document that is an environment's API.

API Gateway imports it as a whole, exports it for free, and its digest is part of a release: routes shift, and come
back, together with the code behind them.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from penstock.infra.naming import integration_uri

if TYPE_CHECKING:
    from penstock.model.workspace import Function, Route, Workspace

_PLACEHOLDER = re.compile(r"\{([^{}+]+)\+?\}")


def api_document(workspace: Workspace) -> dict[str, Any]:
    """The OpenAPI 3.0 document of all routes, with API Gateway's integrations. Without routes, `paths` is empty."""
    paths: dict[str, dict[str, Any]] = {}
    for function in workspace.functions:
        for route in function.routes:
            paths.setdefault(route.path, {})[_verb(route)] = _operation(workspace, function, route)
    return {
        "openapi": "3.0.1",
        "info": {"title": workspace.api_name, "version": "1"},
        "paths": {path: dict(sorted(operations.items())) for path, operations in sorted(paths.items())},
    }


def api_digest(workspace: Workspace) -> str:
    """SHA-256, hex, of the document."""
    text = json.dumps(api_document(workspace), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def route_digests(workspace: Workspace) -> dict[str, str]:
    """SHA-256, hex, of what the document says of each function with routes, by its key; what it says of all counts."""
    document = api_document(workspace)
    frame = {name: value for name, value in document.items() if name != "paths"}
    found = {}
    for function in workspace.functions:
        own = [[str(route), document["paths"][route.path][_verb(route)]] for route in sorted(function.routes, key=str)]
        if own:
            text = json.dumps([frame, own], sort_keys=True, separators=(",", ":"))
            found[function.key] = hashlib.sha256(text.encode()).hexdigest()
    return found


def resource_count(workspace: Workspace) -> int:
    """How many of API Gateway's resources the document makes: one for every path segment, and the root."""
    nodes: set[tuple[str, ...]] = {()}
    for function in workspace.functions:
        for route in function.routes:
            segments = tuple(part for part in route.path.split("/") if part)
            nodes |= {segments[:length] for length in range(1, len(segments) + 1)}
    return len(nodes)


def _verb(route: Route) -> str:
    return "x-amazon-apigateway-any-method" if route.method == "ANY" else route.method.lower()


def _operation(workspace: Workspace, function: Function, route: Route) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(route.path)
    ]
    operation: dict[str, Any] = {
        "responses": {"default": {"description": f"What {function.key} answers"}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": integration_uri(workspace, function),
        },
    }
    return {"parameters": parameters, **operation} if parameters else operation
