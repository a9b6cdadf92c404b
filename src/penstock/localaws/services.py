"""Registering a whole service that ministack does not have: JSON 1.1 by target header, or REST by path."""

from __future__ import annotations

import copy
import json
import re
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response


class ServiceError(Exception):
    """An error that the client sees under its AWS code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def register(
    ministack: Ministack,
    *,
    name: str,
    operations: Mapping[str, Callable[[dict[str, Any]], Any]],
    stores: Mapping[str, Any],
    target_prefix: str | None = None,
) -> None:
    """Add a service to ministack's registries: routing, handling, state. ``name`` is its credential scope."""
    module_name = f"penstock_{name.replace('-', '_')}"
    module = types.ModuleType(f"ministack.services.{module_name}")

    async def handle_request(
        _method: str, path: str, headers: Mapping[str, str], body: bytes, _query: Mapping[str, Any]
    ) -> Response:
        operation = headers.get("x-amz-target", "").rpartition(".")[2] or path.strip("/")
        return answer(ministack, operations, operation, body)

    def restore(data: Mapping[str, Any]) -> None:
        for key, store in stores.items():
            store.update(data.get(key, {}))

    def reset() -> None:
        for store in stores.values():
            store.clear()

    hooks: dict[str, Any] = {
        "get_state": lambda: copy.deepcopy(dict(stores)),
        "handle_request": handle_request,
        "load_persisted_state": restore,
        "reset": reset,
    }
    module.__dict__.update(hooks)
    app = ministack.app
    app._loaded_modules[module_name] = module
    app._state_map[module_name] = module_name
    app.SERVICE_REGISTRY[name] = {"module": module_name}
    app.SERVICE_HANDLERS[name] = app._lazy_handler(module_name)
    ministack.router.SERVICE_PATTERNS[name] = {
        "credential_scope": name,
        "host_patterns": [re.escape(name) + r"\."],
        "target_prefixes": [target_prefix] if target_prefix else [],
    }
    ministack.state_modules.append(module)


def answer(
    ministack: Ministack, operations: Mapping[str, Callable[[dict[str, Any]], Any]], operation: str, body: bytes
) -> Response:
    """Run one operation; its errors become AWS's JSON errors."""
    function = operations.get(operation)
    if function is None:
        return ministack.error("UnknownOperationException", f"the embedded AWS does not have {operation}", 400)
    try:
        result = function(json.loads(body or b"{}"))
    except ServiceError as error:
        return ministack.error(error.code, str(error), error.status)
    found: Response = ministack.responses.json_response({} if result is None else result)
    return found
