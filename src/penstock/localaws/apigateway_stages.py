"""Stages as they read back on AWS: typed canary settings, checked deployments, the operations that promote a canary.

Reference: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html and the table of patch operations in
https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_CANARY = "canarySettings"
_LOGS = "accessLogSettings"
_BAD_REQUEST = 400
_FULL = 100.0
_REPLACED = ("deploymentId", "percentTraffic", "useStageCache")
_OVERRIDE = re.compile(r"stageVariableOverrides/[A-Za-z0-9_]+")
_COPIES = {"/deploymentId": f"/{_CANARY}/deploymentId", "/variables": f"/{_CANARY}/stageVariableOverrides"}
_PATHS = (*(f"/{_CANARY}/{name}" for name in _REPLACED), f"/{_CANARY}/stageVariableOverrides/{{variable_name}}")


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
            given = data.get("patchOperations", [])
            refused = self._refused(api_id, stage, given)
            if refused is not None:
                return refused
            operations = [_expanded(operation, stage) for operation in given]
            answer: Response = original(api_id, stage_name, {**data, "patchOperations": operations})
            settings = stage.pop(_CANARY, None)
            if settings:
                stage[_CANARY] = _typed(settings, stage)
            return gateway._v1_response(_without_empty_logs(stage)) if answer[0] < _BAD_REQUEST else answer

        return update_stage

    def _refused(
        self, api_id: str, stage: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]
    ) -> Response | None:
        for operation in operations:
            problem = problem_of(operation, stage) or self._logs_problem(operation)
            if problem:
                wrong: Response = self._gateway._v1_error("BadRequestException", problem, _BAD_REQUEST)
                return wrong
            if operation.get("path") in {"/deploymentId", f"/{_CANARY}/deploymentId"} and "value" in operation:
                refused = self._refusal(api_id, operation["value"])
                if refused is not None:
                    return refused
        return None

    def _logs_problem(self, operation: Mapping[str, Any]) -> str | None:
        """API Gateway writes access logs with a role that the account has to have been given."""
        if operation.get("path") != f"/{_LOGS}/destinationArn" or operation.get("op") == "remove":
            return None
        settings = self._gateway._account_settings.get("settings") or {}
        if settings.get("cloudwatchRoleArn"):
            return None
        return "CloudWatch Logs role ARN must be set in account settings to enable logging"

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
    canary = stage.get(_CANARY) or {}
    if operation["from"] == f"/{_CANARY}/deploymentId":
        return {"op": "replace", "path": operation["path"], "value": canary.get("deploymentId", stage["deploymentId"])}
    merged = {**(stage.get("variables") or {}), **(canary.get("stageVariableOverrides") or {})}
    return {"op": "replace", "path": operation["path"], "value": merged}


def problem_of(operation: Mapping[str, Any], stage: Mapping[str, Any]) -> str | None:
    """What API Gateway has against a patch operation; None when it is one that AWS documents for stages."""
    kind, path, value = operation.get("op"), str(operation.get("path", "")), operation.get("value")
    if kind == "copy":
        return _copy_problem(path, str(operation.get("from", "")), stage)
    if kind not in {"add", "remove", "replace"}:
        return f"Invalid patch operation specified: {kind} {path}"
    if path == f"/{_CANARY}" or path.startswith(f"/{_CANARY}/"):
        return _canary_problem(kind, path, value)
    return None


def _copy_problem(path: str, source: str, stage: Mapping[str, Any]) -> str | None:
    if path not in _COPIES or source not in _COPIES.values():
        return (
            f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are "
            f"[{', '.join(_COPIES)}] and valid copy:from are [{', '.join(_COPIES.values())}]"
        )
    return None if stage.get(_CANARY) else "Promotion not available. Canary does not exist."


def _canary_problem(kind: str, path: str, value: Any) -> str | None:
    """Replacing makes a canary where there is none; adding is not supported, and only all of it can be removed."""
    rest = path.removeprefix(f"/{_CANARY}").lstrip("/")
    override = _OVERRIDE.fullmatch(rest) is not None
    if kind == "remove":
        if not rest or override:
            return None
        return f"Cannot remove method setting {_CANARY}/{rest} because there is no method setting for this method "
    if not override and rest not in _REPLACED:
        return f"Invalid method setting path: {path}. Must be one of: [{', '.join(_PATHS)}]"
    if kind == "add":
        return f"Invalid add operation with path: {path}"
    return _value_problem(rest, value)


def _value_problem(name: str, value: Any) -> str | None:
    if name == "useStageCache" and str(value).lower() not in {"true", "false"}:
        return f"Invalid boolean value: {value}"
    if name != "percentTraffic":
        return None
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
    overrides = settings.get("stageVariableOverrides")
    return {
        "deploymentId": settings.get("deploymentId") or stage["deploymentId"],
        "percentTraffic": float(settings.get("percentTraffic") or 0.0),
        # Not there at all when there are none, as on AWS.
        **({"stageVariableOverrides": dict(overrides)} if overrides else {}),
        "useStageCache": str(settings.get("useStageCache", False)).lower() == "true",
    }
