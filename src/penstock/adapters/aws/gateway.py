"""API Gateway's REST APIs, their deployments and stages.

Patch operations are those that AWS documents for UpdateStage and for canaries:
https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch and
https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html. Control calls of API Gateway are
limited to 10 per second and CreateDeployment to one in 5 seconds; a throttled call is repeated by botocore with
growing pauses.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.http import exchange
from penstock.adapters.aws.light import PAGE, Unclear
from penstock.adapters.aws.sigv4 import UNRESERVED, Signer
from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.ports import CanaryState, HttpAnswer, StageState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_apigateway import APIGatewayClient

    from penstock.adapters.aws.session import AwsSession

LIVE_STAGE = "live"
CALL_TIMEOUT = 35.0
"""Seconds; API Gateway gives an integration 29."""
OVERRIDES = "/canarySettings/stageVariableOverrides"
IN_USE = "Active stages pointing to this deployment"
"""How API Gateway's BadRequestException begins for a deployment that a stage serves."""


class AwsGateway:
    """REST APIs of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def find(self, name: str) -> str | None:
        """Id of the REST API of that name, or None. Raises RemoteFault when there are several."""
        found = self._named(name)
        if len(found) > 1:
            raise RemoteFault(
                f"{len(found)} REST APIs have that name: {', '.join(sorted(found))}",
                where=f"apigateway:GetRestApis {name}",
                hint="delete the one that Terraform does not own",
            )
        return found[0] if found else None

    def deploy(self, api_id: str, description: str) -> str:
        """Make a deployment (a snapshot of the API's document) without touching a stage; its id."""
        with calling("apigateway:CreateDeployment", api_id):
            return self._client.create_deployment(restApiId=api_id, description=description)["id"]

    def deployments(self, api_id: str) -> Mapping[str, str]:
        """Descriptions of all deployments by id."""
        found: dict[str, str] = {}
        with calling("apigateway:GetDeployments", api_id):
            pages = self._client.get_paginator("get_deployments")
            for page in pages.paginate(restApiId=api_id, PaginationConfig={"PageSize": PAGE}):
                found.update((entry["id"], entry.get("description") or "") for entry in page.get("items", []))
        return found

    def delete_deployment(self, api_id: str, deployment: str) -> None:
        """Delete a deployment; done when it is not there. Raises Conflict while a stage or its canary serves it."""
        try:
            with calling("apigateway:DeleteDeployment", f"{api_id}/{deployment}"):
                self._client.delete_deployment(restApiId=api_id, deploymentId=deployment)
        except NotFound:
            return
        except RemoteFault as fault:
            if IN_USE in fault.what:
                raise Conflict(fault.what, where=fault.where) from fault
            raise

    def stage(self, api_id: str, stage: str) -> StageState | None:
        """What the stage serves, or None."""
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                entry = light.stage(api_id, stage)
                return _stage(api_id, entry) if entry is not None else None
        try:
            with calling("apigateway:GetStage", f"{api_id}/{stage}"):
                return _stage(api_id, self._client.get_stage(restApiId=api_id, stageName=stage))
        except NotFound:
            return None

    def set_stage(self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str]) -> StageState:
        """Make the stage serve that deployment with those variables, in one call; what it then serves.

        Variables that are not named keep their values. A canary of the stage gets no traffic from that same call on,
        and is removed by a second one, as AWS documents promotion.
        """
        before = self.stage(api_id, stage)
        operations = []
        if before is not None and before.canary is not None:
            operations.append(_replace("/canarySettings/percentTraffic", "0.0"))
        operations += [_replace(f"/variables/{name}", value) for name, value in sorted(variables.items())]
        operations.append(_replace("/deploymentId", deployment))
        after = self._patch(api_id, stage, operations)
        if after.canary is not None:
            after = self._patch(api_id, stage, [_remove("/canarySettings")])
        return after

    def set_canary(
        self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str], percent: float
    ) -> StageState:
        """Send that share of the stage's requests to that deployment with exactly those other variables.

        One PATCH, which API Gateway applies as a whole. The stage's cache stays out of it: an answer of one side
        would be given to callers of the other.
        """
        before = self.stage(api_id, stage)
        known = before.canary.variables if before is not None and before.canary is not None else {}
        operations = [_replace("/canarySettings/deploymentId", deployment)]
        operations += [_remove(f"{OVERRIDES}/{name}") for name in sorted(known.keys() - variables.keys())]
        operations += [_replace(f"{OVERRIDES}/{name}", value) for name, value in sorted(variables.items())]
        operations.append(_replace("/canarySettings/useStageCache", "false"))
        operations.append(_replace("/canarySettings/percentTraffic", f"{percent:g}"))
        return self._patch(api_id, stage, operations)

    def clear_canary(self, api_id: str, stage: str) -> StageState:
        """Take the canary away, so that the stage serves every request itself; done when there is none."""
        before = self.stage(api_id, stage)
        if before is not None and before.canary is None:
            return before
        return self._patch(api_id, stage, [_remove("/canarySettings")])

    def call(
        self, api_id: str, stage: str, method: str, path: str, *, headers: Mapping[str, str] = {}, body: str = ""
    ) -> HttpAnswer:
        """Call a route through the stage, signed with the caller's credentials."""
        access_key, secret_key, token = self._session.credentials()
        signer = Signer(
            access_key=access_key,
            secret_key=secret_key,
            token=token,
            region=self._session.region,
            service="execute-api",
        )
        route, _, query = path.partition("?")
        url = f"{self._base(api_id, stage)}{quote(route, safe='/%' + UNRESERVED)}" + (f"?{query}" if query else "")
        sent = {"accept": "application/json", **headers}
        signed = signer.headers(method, url, headers=sent, body=body.encode(), at=time.time())
        return exchange(
            method,
            url,
            headers=signed,
            body=body.encode(),
            timeout=CALL_TIMEOUT,
            proxies=self._session.endpoint is None,
        )

    def url(self, api_id: str, api_name: str, stage: str) -> str:
        """The URL that unsigned callers use, without a slash at the end."""
        if self._session.endpoint is None:
            return self._base(api_id, stage)
        return f"{self._session.endpoint}/@{api_name}" + ("" if stage == LIVE_STAGE else f":{stage}")

    @property
    def _client(self) -> APIGatewayClient:
        return self._session.client("apigateway")

    def _named(self, name: str) -> list[str]:
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                return [api for api, its_name in light.rest_apis().items() if its_name == name]
        found: list[str] = []
        with calling("apigateway:GetRestApis", name):
            for page in self._client.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": PAGE}):
                found += [api["id"] for api in page.get("items", []) if api.get("name") == name]
        return found

    def _base(self, api_id: str, stage: str) -> str:
        if self._session.endpoint is None:
            return f"https://{api_id}.execute-api.{self._session.region}.{_suffix(self._session.region)}/{stage}"
        return f"{self._session.endpoint}/restapis/{api_id}/{stage}/_user_request_"

    def _patch(self, api_id: str, stage: str, operations: list[Any]) -> StageState:
        with calling("apigateway:UpdateStage", f"{api_id}/{stage}"):
            return _stage(
                api_id, self._client.update_stage(restApiId=api_id, stageName=stage, patchOperations=operations)
            )


def _replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def _remove(path: str) -> dict[str, str]:
    return {"op": "remove", "path": path}


def _stage(api_id: str, entry: Mapping[str, Any]) -> StageState:
    canary = entry.get("canarySettings")
    return StageState(
        api_id=api_id,
        stage=entry["stageName"],
        deployment=entry.get("deploymentId") or "",
        variables=dict(entry.get("variables") or {}),
        canary=CanaryState(
            percent=float(canary.get("percentTraffic") or 0.0),
            deployment=canary.get("deploymentId") or "",
            variables=dict(canary.get("stageVariableOverrides") or {}),
        )
        if canary
        else None,
    )


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
