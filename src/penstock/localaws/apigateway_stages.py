"""Stages as they read back on AWS: typed canary settings, checked deployments, the operations that promote a canary.

Reference: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html and the table of patch operations in
https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_CANARY = "canarySettings"
_LOGS = "accessLogSettings"
_BAD_REQUEST = 400
_FULL = 100.0


def install(ministack: Ministack, _settings: Settings) -> None:
    """Check and type what UpdateStage and CreateStage are given."""
    stages = Stages(ministack)
    ministack.wrap(ministack.apigateway, "_create_stage", "(api_id, data)", stages.around_create)
    ministack.wrap(ministack.apigateway, "_update_stage", "(api_id, stage_name, data)", stages.around_update)
    ministack.wrap(ministack.apigateway, "_take_token", "(slot, limits)", _around_throttle)


def _around_throttle(original: Callable[..., Any]) -> Callable[..., Any]:
    """-1 is what Terraform writes for a method without a limit of its own, not a limit of none at all."""

    def take_token(slot: Any, limits: Mapping[str, Any]) -> bool:
        given = [limits.get("rateLimit"), limits.get("burstLimit")]
        return any(limit is not None and float(limit) < 0 for limit in given) or bool(original(slot, limits))

    return take_token


class Stages:
    """The wrappers around creating and updating a stage."""

    def __init__(self, ministack: Ministack) -> None:
        self._gateway = ministack.apigateway

    def around_create(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A stage needs a name that is free and a deployment that exists."""
        gateway = self._gateway

        def create_stage(api_id: str, data: dict[str, Any]) -> Response:
            if api_id not in gateway._rest_apis:
                missing: Response = original(api_id, data)
                return missing
            name = data.get("stageName")
            if name in (gateway._stages_v1.get(api_id) or {}):
                taken: Response = gateway._v1_error("ConflictException", "Stage already exists", 409)
                return taken
            answer: Response = self._refusal(api_id, data.get("deploymentId")) or original(api_id, data)
            if answer[0] >= _BAD_REQUEST:
                return answer
            stage = gateway._stages_v1[api_id][name]
            if data.get(_CANARY):
                stage[_CANARY] = _typed(data[_CANARY], stage)
            made: Response = gateway._v1_response(_without_empty_logs(stage), 201)
            return made

        return create_stage

    def around_update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Expand ``copy``, refuse what AWS refuses before anything changes, keep canary settings typed."""
        gateway = self._gateway

        def update_stage(api_id: str, stage_name: str, data: dict[str, Any]) -> Response:
            stage = (gateway._stages_v1.get(api_id) or {}).get(stage_name)
            if stage is None:
                missing: Response = original(api_id, stage_name, data)
                return missing
            operations = [_expanded(operation, stage) for operation in data.get("patchOperations", [])]
            refused = self._refused(api_id, operations)
            if refused is not None:
                return refused
            answer: Response = original(api_id, stage_name, {**data, "patchOperations": operations})
            settings = stage.pop(_CANARY, None)
            if settings:
                stage[_CANARY] = _typed(settings, stage)
            return gateway._v1_response(_without_empty_logs(stage)) if answer[0] < _BAD_REQUEST else answer

        return update_stage

    def _refused(self, api_id: str, operations: Sequence[Mapping[str, Any]]) -> Response | None:
        problem = _problem(operations)
        if problem:
            wrong: Response = self._gateway._v1_error("BadRequestException", problem, _BAD_REQUEST)
            return wrong
        for operation in operations:
            if operation.get("path") in {"/deploymentId", "/canarySettings/deploymentId"} and "value" in operation:
                refused = self._refusal(api_id, operation["value"])
                if refused is not None:
                    return refused
        return None

    def _refusal(self, api_id: str, deployment_id: Any) -> Response | None:
        if deployment_id in (self._gateway._deployments_v1.get(api_id) or {}):
            return None
        answer: Response = self._gateway._v1_error(
            "BadRequestException", f"Invalid deployment id specified: {deployment_id}", _BAD_REQUEST
        )
        return answer


def _expanded(operation: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[str, Any]:
    """``copy`` from the canary becomes a ``replace`` by what the canary holds."""
    if operation.get("op") != "copy":
        return dict(operation)
    source = str(operation.get("from", ""))
    canary = stage.get(_CANARY) or {}
    if source == "/canarySettings/deploymentId":
        return {"op": "replace", "path": operation["path"], "value": canary.get("deploymentId", stage["deploymentId"])}
    if source == "/canarySettings/stageVariableOverrides":
        merged = {**(stage.get("variables") or {}), **(canary.get("stageVariableOverrides") or {})}
        return {"op": "replace", "path": operation["path"], "value": merged}
    return dict(operation)


def _problem(operations: Sequence[Mapping[str, Any]]) -> str | None:
    for operation in operations:
        path, value = str(operation.get("path", "")), operation.get("value")
        if operation.get("op") not in {"add", "remove", "replace"}:
            return f"Invalid patch operation specified: {operation.get('op')} {path}"
        if path == "/canarySettings/percentTraffic" and operation["op"] != "remove":
            try:
                percent = float(str(value))
            except ValueError:
                return f"Invalid percentTraffic: {value}"
            if not 0 <= percent <= _FULL:
                return f"Canary percent traffic must be between 0.0 and 100.0, got {value}"
    return None


def _without_empty_logs(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage without access logs has no such key: an empty one is a change that Terraform makes again and again."""
    if not stage.get(_LOGS):
        stage.pop(_LOGS, None)
    return stage


def _typed(settings: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "deploymentId": settings.get("deploymentId") or stage["deploymentId"],
        "percentTraffic": float(settings.get("percentTraffic") or 0.0),
        "stageVariableOverrides": dict(settings.get("stageVariableOverrides") or {}),
        "useStageCache": str(settings.get("useStageCache", False)).lower() == "true",
    }
