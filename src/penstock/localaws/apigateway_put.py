"""PutRestApi and ImportRestApi: a REST API from one OpenAPI document, as `aws_api_gateway_rest_api.body` sends it.

Reference: https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html and the extensions
``x-amazon-apigateway-*`` in https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_METHODS = frozenset({"get", "post", "put", "delete", "patch", "head", "options"})
_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_PATH_OF_ONE_API = 2


def install(ministack: Ministack, _settings: Settings) -> None:
    """Answer ``PUT /restapis/{id}`` and ``POST /restapis?mode=import`` before ministack's router sees them."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_request(
            method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
        ) -> Response:
            parts = [part for part in path.split("/") if part]
            if parts[:1] == ["restapis"]:
                if method == "PUT" and len(parts) == _PATH_OF_ONE_API:
                    return _put(ministack, parts[1], body, query_params)
                if method == "POST" and len(parts) == 1 and _first(query_params, "mode") == "import":
                    return _import(ministack, body)
            answer: Response = await original(method, path, headers, body, query_params)
            return answer

        return handle_request

    ministack.wrap(ministack.apigateway, "handle_request", "(method, path, headers, body, query_params)", around)


def _first(query: Mapping[str, Any], name: str) -> str:
    value = query.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _document(body: bytes) -> dict[str, Any]:
    document = json.loads(body or b"null")
    if not isinstance(document, dict) or not ("openapi" in document or "swagger" in document):
        raise ValueError("the body is not an OpenAPI document in JSON")
    return document


def _import(ministack: Ministack, body: bytes) -> Response:
    gateway = ministack.apigateway
    try:
        document = _document(body)
    except ValueError as error:
        return _bad_request(ministack, str(error))
    _, _, created = gateway._create_rest_api({"name": str((document.get("info") or {}).get("title", "imported"))})
    api_id = json.loads(created)["id"]
    _write(ministack, api_id, document, merge=False)
    answer: Response = gateway._v1_response(gateway._rest_api_view(gateway._rest_apis[api_id]), 201)
    return answer


def _put(ministack: Ministack, api_id: str, body: bytes, query: Mapping[str, Any]) -> Response:
    gateway = ministack.apigateway
    if api_id not in gateway._rest_apis:
        missing: Response = gateway._v1_error("NotFoundException", "Invalid API identifier specified", 404)
        return missing
    try:
        document = _document(body)
    except ValueError as error:
        return _bad_request(ministack, str(error))
    _write(ministack, api_id, document, merge=_first(query, "mode") == "merge")
    answer: Response = gateway._get_rest_api(api_id)
    return answer


def _bad_request(ministack: Ministack, message: str) -> Response:
    answer: Response = ministack.apigateway._v1_error("BadRequestException", f"Invalid OpenAPI input: {message}", 400)
    return answer


def _write(ministack: Ministack, api_id: str, document: Mapping[str, Any], *, merge: bool) -> None:
    """Make the API's draft what the document says; paths that stay keep their resource ids, as on AWS."""
    gateway = ministack.apigateway
    resources = gateway._resources[api_id]
    ids = {resource["path"]: resource_id for resource_id, resource in resources.items()}
    root = ids["/"]
    if not merge:
        for resource_id in [resource_id for resource_id in resources if resource_id != root]:
            del resources[resource_id]
        resources[root]["resourceMethods"] = {}
        gateway._authorizers_v1[api_id] = {}
    _write_api(gateway._rest_apis[api_id], document)
    schemes = gateway._import_security_schemes(api_id, document)
    for path, item in sorted((document.get("paths") or {}).items()):
        resource_id = _resource(gateway, api_id, root, path, ids)
        for method, operation in item.items():
            if method.lower() in _METHODS or method == _ANY:
                name = "ANY" if method == _ANY else method.upper()
                place = (api_id, resource_id, name)
                settings = _settings(gateway, operation or {}, schemes, document.get("security"))
                _operation(gateway, place, operation or {}, settings)


def _write_api(api: dict[str, Any], document: Mapping[str, Any]) -> None:
    info = document.get("info") or {}
    if info.get("title"):
        api["name"] = str(info["title"])
    if info.get("version"):
        api["version"] = str(info["version"])
    if info.get("description"):
        api["description"] = str(info["description"])
    if "x-amazon-apigateway-binary-media-types" in document:
        api["binaryMediaTypes"] = list(document["x-amazon-apigateway-binary-media-types"])
    if "x-amazon-apigateway-policy" in document:
        api["policy"] = json.dumps(document["x-amazon-apigateway-policy"])


def _resource(gateway: Any, api_id: str, root: str, path: str, ids: Mapping[str, str]) -> str:
    resources = gateway._resources[api_id]
    parent, whole = root, ""
    for segment in [segment for segment in path.split("/") if segment]:
        whole = f"{whole}/{segment}"
        found = next(
            (i for i, r in resources.items() if r.get("parentId") == parent and r.get("pathPart") == segment), None
        )
        if found is None:
            _, _, created = gateway._create_resource(api_id, parent, {"pathPart": segment})
            found = str(json.loads(created)["id"])
            kept = ids.get(whole)
            if kept is not None and kept not in resources:
                resource = resources.pop(found)
                resource["id"] = kept
                resources[kept] = resource
                found = kept
        parent = found
    return parent


def _settings(
    gateway: Any, operation: Mapping[str, Any], schemes: Mapping[str, Any], default_security: Any
) -> dict[str, Any]:
    settings: dict[str, Any] = gateway._method_security(operation.get("security", default_security), schemes)
    if (operation.get("x-amazon-apigateway-auth") or {}).get("type"):
        settings["authorizationType"] = operation["x-amazon-apigateway-auth"]["type"]
    settings["operationName"] = operation.get("operationId", "")
    settings["requestParameters"] = _request_parameters(operation)
    return settings


def _operation(
    gateway: Any, place: tuple[str, str, str], operation: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Write one method; ``place`` is the API, the resource and the HTTP method."""
    gateway._put_method(*place, settings)
    for status, response in (operation.get("responses") or {}).items():
        headers = {f"method.response.header.{name}": False for name in (response or {}).get("headers") or {}}
        gateway._put_method_response(*place, str(status), {"responseParameters": headers})
    integration = operation.get(_INTEGRATION)
    if integration:
        _integration(gateway, place, integration)


def _request_parameters(operation: Mapping[str, Any]) -> dict[str, bool]:
    places = {"path": "path", "query": "querystring", "header": "header"}
    return {
        f"method.request.{places[parameter['in']]}.{parameter['name']}": bool(parameter.get("required"))
        for parameter in operation.get("parameters") or []
        if parameter.get("in") in places
    }


def _integration(gateway: Any, place: tuple[str, str, str], integration: Mapping[str, Any]) -> None:
    data = {key: value for key, value in integration.items() if key not in {"type", "responses"}}
    data["type"] = str(integration.get("type", "")).upper()
    if "passthroughBehavior" in data:
        data["passthroughBehavior"] = str(data["passthroughBehavior"]).upper()
    gateway._put_integration(*place, data)
    for pattern, response in (integration.get("responses") or {}).items():
        status = str(response.get("statusCode", "200"))
        selection = "" if pattern == "default" else pattern
        gateway._put_integration_response(*place, status, {**response, "selectionPattern": selection})
