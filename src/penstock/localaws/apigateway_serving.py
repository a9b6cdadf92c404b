"""What a stage serves: its deployment's snapshot, with its stage variables and its canary settings.

ministack serves the API's draft. Here every deployment keeps a snapshot of resources and authorizers, and each
request is answered from one `View`: the deployment (the stage's, or the canary's), with stage variables put into
integration URIs. The draw for the canary is made once a request, so authorization and integration agree.

Reference: https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html
"""

from __future__ import annotations

import contextvars
import copy
import functools
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.localaws import access_logs, metrics
from penstock.localaws.policies import install_for_api_gateway
from penstock.localaws.state import Store, add_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_KEPT_TREES = 256
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one request sees of one API: the tree of a deployment and the effective stage."""

    api_id: str
    stage_name: str
    stage: Mapping[str, Any]
    deployment_id: str
    resources: Mapping[str, Any]
    authorizers: Mapping[str, Any]
    canary: bool


def install(ministack: Ministack, settings: Settings) -> None:
    """Snapshot at CreateDeployment; serve each execute-api request from a `View`."""
    serving = Serving(ministack)
    gateway = ministack.apigateway
    add_state(ministack, "penstock_deployments", serving.snapshots)
    view_of = serving.current
    gateway._resources = _viewed(gateway._resources, view_of, lambda view: view.resources)
    gateway._authorizers_v1 = _viewed(gateway._authorizers_v1, view_of, lambda view: view.authorizers)
    gateway._stages_v1 = _viewed(gateway._stages_v1, view_of, lambda view: {view.stage_name: view.stage})
    ministack.wrap(gateway, "_create_deployment", "(api_id, data)", serving.around_create_deployment)
    ministack.wrap(gateway, "_delete_deployment", "(api_id, deployment_id)", serving.around_delete_deployment)
    ministack.wrap(gateway, "_delete_rest_api", "(api_id)", serving.around_delete_rest_api)
    ministack.wrap(
        ministack.app,
        "_handle_execute_api_request",
        "(host, path, method, headers, body, query_params, raw_path=, raw_query_string=)",
        serving.around_execute,
    )
    install_for_api_gateway(ministack, serving)
    metrics.install_for_api_gateway(ministack, serving)
    access_logs.install_for_api_gateway(ministack, settings, serving)


class Serving:
    """Deployment snapshots and the view of the request under way."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self.snapshots = Store(ministack)
        self._view: contextvars.ContextVar[View | None] = contextvars.ContextVar("penstock_view", default=None)
        self._tree = functools.lru_cache(maxsize=_KEPT_TREES)(self._build_tree)

    def current(self) -> View | None:
        """The view of the request under way in this context."""
        return self._view.get()

    def owner(self, api_id: str) -> tuple[str, str] | None:
        """The account and region of an API, in whatever account it is."""
        for account, region, stored in self._ministack.apigateway._rest_apis.to_dict():
            if stored == api_id:
                return account, region
        return None

    def around_create_deployment(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Keep the draft as it is at CreateDeployment; put ``canarySettings`` on the stage when given."""

        def create_deployment(api_id: str, data: dict[str, Any]) -> Response:
            gateway = self._ministack.apigateway
            canary = data.get("canarySettings")
            stage_name = data.get("stageName")
            refused = self._canary_refusal(api_id, stage_name) if canary else None
            if refused is not None:
                return refused
            live = gateway._stages_v1.get(api_id, {}).get(stage_name) if canary and stage_name else None
            before = set(gateway._deployments_v1.get(api_id) or {})
            answer: Response = original(api_id, {**data, "stageName": None} if live is not None else data)
            created = set(gateway._deployments_v1.get(api_id) or {}) - before
            for deployment_id in created:
                self.snapshots[deployment_id] = {
                    "resources": copy.deepcopy(dict(gateway._resources.get(api_id, {}))),
                    "authorizers": copy.deepcopy(dict(gateway._authorizers_v1.get(api_id, {}))),
                }
                if live is not None and canary:
                    live["canarySettings"] = {
                        "percentTraffic": float(canary.get("percentTraffic", 0)),
                        "deploymentId": deployment_id,
                        "stageVariableOverrides": dict(canary.get("stageVariableOverrides") or {}),
                        "useStageCache": bool(canary.get("useStageCache", False)),
                    }
            return answer

        return create_deployment

    def _canary_refusal(self, api_id: str, stage_name: Any) -> Response | None:
        """A canary needs a stage that is there."""
        gateway = self._ministack.apigateway
        if api_id not in gateway._rest_apis or stage_name in gateway._stages_v1.get(api_id, {}):
            return None
        wrong = (
            f"Stage {stage_name} must already be created before making a canary release deployment"
            if stage_name
            else "Non null and non empty stageName must be provided for canary deployment. Provided value is "
            f"{'null' if stage_name is None else ''}"
        )
        answer: Response = gateway._v1_error(
            "BadRequestException", f"Invalid deployment content specified.{wrong}", _BAD_REQUEST
        )
        return answer

    def around_delete_deployment(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse to delete a deployment that a stage or a canary uses, as AWS does."""

        def delete_deployment(api_id: str, deployment_id: str) -> Response:
            gateway = self._ministack.apigateway
            for stage in (gateway._stages_v1.get(api_id) or {}).values():
                used = {stage.get("deploymentId"), (stage.get("canarySettings") or {}).get("deploymentId")}
                if deployment_id in used:
                    refused: Response = gateway._v1_error(
                        "BadRequestException",
                        "Active stages pointing to this deployment must be moved or deleted",
                        400,
                    )
                    return refused
            answer: Response = original(api_id, deployment_id)
            self.snapshots.pop(deployment_id, None)
            return answer

        return delete_deployment

    def around_delete_rest_api(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Forget the snapshots of a deleted API."""

        def delete_rest_api(api_id: str) -> Response:
            for deployment_id in list(self._ministack.apigateway._deployments_v1.get(api_id) or {}):
                self.snapshots.pop(deployment_id, None)
            answer: Response = original(api_id)
            return answer

        return delete_rest_api

    def around_execute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Answer a data-plane request from the view of its stage, in the account that owns the API."""
        app = self._ministack.app

        async def handle_execute_api_request(host: str, path: str, *arguments: Any, **keywords: Any) -> Response | None:
            parsed = app._parse_execute_api_url(host, path)
            owner = self.owner(parsed[0]) if parsed else None
            if parsed is None or owner is None:
                passed: Response | None = await original(host, path, *arguments, **keywords)
                return passed
            with self._ministack.responses.request_scope(*owner):
                token = self._view.set(self._draw(parsed[0], parsed[1]))
                try:
                    answer: Response | None = await original(host, path, *arguments, **keywords)
                    return answer
                finally:
                    self._view.reset(token)

        return handle_execute_api_request

    def _draw(self, api_id: str, stage_name: str) -> View | None:
        gateway = self._ministack.apigateway
        stage = (gateway._stages_v1.get(api_id) or {}).get(stage_name)
        if stage is None:
            return None
        variables = dict(stage.get("variables") or {})
        deployment_id = stage.get("deploymentId", "")
        settings = stage.get("canarySettings") or {}
        percent = float(settings.get("percentTraffic") or 0)
        canary = random.random() * 100 < percent  # noqa: S311 - traffic is shared out, nothing is guarded
        if canary:
            variables.update(settings.get("stageVariableOverrides") or {})
            deployment_id = settings.get("deploymentId") or deployment_id
        if deployment_id not in self.snapshots:
            return None  # a deployment made before it could be snapshotted: the draft stands in
        tree = self._tree(*self._ministack.responses_scope(), deployment_id, tuple(sorted(variables.items())))
        return View(
            api_id=api_id,
            stage_name=stage_name,
            stage={**stage, "variables": variables},
            deployment_id=deployment_id,
            resources=tree["resources"],
            authorizers=tree["authorizers"],
            canary=canary,
        )

    def _build_tree(
        self, _account: str, _region: str, deployment_id: str, variables: tuple[tuple[str, str], ...]
    ) -> dict[str, Any]:
        """A deployment never changes, so its tree with variables filled in is built once."""
        tree: dict[str, Any] = copy.deepcopy(self.snapshots[deployment_id])
        values = dict(variables)
        for resource in tree["resources"].values():
            for method in (resource.get("resourceMethods") or {}).values():
                integration = method.get("methodIntegration") or {}
                for field in ("uri", "credentials"):
                    if integration.get(field):
                        integration[field] = _VARIABLE.sub(
                            lambda found: values.get(found.group(1), ""), integration[field]
                        )
        return tree


def _viewed(store: Any, view: Callable[[], View | None], part: Callable[[View], Mapping[str, Any]]) -> Any:
    """The store with one difference: while a view is set, ``get`` of its API answers with the view's part."""

    class Viewed(type(store)):  # type: ignore[misc]
        __slots__ = ()

        def get(self, key: Any, default: Any = None) -> Any:
            current = view()
            if current is not None and current.api_id == key:
                return part(current)
            return super().get(key, default)

        def get_scoped(self, account_id: str, region: str, key: Any, default: Any = None) -> Any:
            current = view()
            if current is not None and current.api_id == key:
                return part(current)
            return super().get_scoped(account_id, region, key, default)

    viewed = Viewed()
    viewed._data = store._data
    return viewed
