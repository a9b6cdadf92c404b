"""API Gateway in memory: documents, deployments as snapshots, stages."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.ports import CanaryState, HttpAnswer, StageState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALL = 100.0
"""Percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call that reached a stage: what served it, the document as it was deployed, and what was asked.

    For a request that the canary got, `stage` has the canary's deployment and variables.
    """

    stage: StageState
    document: str
    method: str
    path: str
    canary: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(slots=True)
class _Api:
    name: str
    document: str
    deployments: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Description and document by id."""
    stages: dict[str, StageState] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    """Percent by stage that the canary is owed: shares are exact instead of random, so that tests can count."""


class FakeGateway:
    """REST APIs of one account; safe to share between threads.

    Args:
        behaviour: answers calls; by default 200 with the name of the slot that served it.
    """

    def __init__(self, behaviour: Callable[[Request], HttpAnswer] | None = None) -> None:
        self._lock = threading.RLock()
        self._apis: dict[str, _Api] = {}
        self._made = 0
        self.behaviour = behaviour or _echo

    # ------------------------------------------------------------------------ what Terraform does

    def configure(self, name: str, document: str, *, stage: str = "live", slot: str = "blue") -> str:
        """Create the API with a first deployment and a stage, or replace its document; its id."""
        with self._lock:
            found = self.find(name)
            if found is not None:
                self._apis[found].document = document
                return found
            api_id = self._id("api")
            self._apis[api_id] = _Api(name=name, document=document)
            first = self.deploy(api_id, "")
            self._apis[api_id].stages[stage] = StageState(
                api_id=api_id, stage=stage, deployment=first, variables={"slot": slot}
            )
            return api_id

    def document(self, api_id: str, deployment: str) -> str:
        """The document that a deployment froze."""
        return self._api(api_id).deployments[deployment][1]

    # ------------------------------------------------------------------------ the port

    def find(self, name: str) -> str | None:
        """Id of the REST API of that name, or None."""
        with self._lock:
            return next((api_id for api_id, api in self._apis.items() if api.name == name), None)

    def deploy(self, api_id: str, description: str) -> str:
        """Make a deployment (a snapshot of the API's document) without touching a stage; its id."""
        with self._lock:
            api = self._api(api_id)
            deployment = self._id("dep")
            api.deployments[deployment] = (description, api.document)
            return deployment

    def deployments(self, api_id: str) -> Mapping[str, str]:
        """Descriptions of all deployments by id."""
        with self._lock:
            return {key: description for key, (description, _) in self._api(api_id).deployments.items()}

    def delete_deployment(self, api_id: str, deployment: str) -> None:
        """Delete a deployment; done when it is not there. Raises Conflict while a stage or its canary serves it."""
        with self._lock:
            api = self._api(api_id)
            if any(deployment in _served(stage) for stage in api.stages.values()):
                raise Conflict("active stages point to this deployment", where=f"{api_id}/{deployment}")
            api.deployments.pop(deployment, None)

    def stage(self, api_id: str, stage: str) -> StageState | None:
        """What the stage serves, or None."""
        with self._lock:
            found = self._apis.get(api_id)
            return found.stages.get(stage) if found else None

    def set_stage(self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str]) -> StageState:
        """Make the stage serve that deployment with those variables, without a canary; what it then serves."""
        with self._lock:
            before = self._stage(api_id, stage, deployment)
            after = replace(before, deployment=deployment, variables={**before.variables, **variables}, canary=None)
            return self._put(after)

    def set_canary(
        self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str], percent: float
    ) -> StageState:
        """Send that share of the stage's requests to that deployment with exactly those other variables."""
        with self._lock:
            before = self._stage(api_id, stage, deployment)
            if not 0 <= percent <= ALL:
                raise RemoteFault(f"BadRequestException: percent {percent:g}", where=f"{api_id}/{stage}")
            canary = CanaryState(percent=percent, deployment=deployment, variables=dict(variables))
            return self._put(replace(before, canary=canary))

    def clear_canary(self, api_id: str, stage: str) -> StageState:
        """Take the canary away; done when there is none."""
        with self._lock:
            return self._put(replace(self._stage(api_id, stage), canary=None))

    def call(
        self, api_id: str, stage: str, method: str, path: str, *, headers: Mapping[str, str] = {}, body: str = ""
    ) -> HttpAnswer:
        """Ask `behaviour`; 403 for a stage that is not there, as AWS answers."""
        with self._lock:
            found = self.stage(api_id, stage)
            if found is None:
                return HttpAnswer(status=403, body='{"message":"Forbidden"}', headers={}, seconds=0.0)
            canary = self._draw(found)
            if canary is not None:
                variables = {**found.variables, **canary.variables}
                found = replace(found, deployment=canary.deployment, variables=variables)
            request = Request(
                stage=found,
                document=self.document(api_id, found.deployment),
                method=method,
                path=path,
                canary=canary is not None,
                headers=dict(headers),
                body=body,
            )
        return self.behaviour(request)

    def url(self, api_id: str, api_name: str, stage: str) -> str:
        """A URL that nothing answers at."""
        return f"http://fake.invalid/{api_id}/{api_name}/{stage}"

    def _api(self, api_id: str) -> _Api:
        found = self._apis.get(api_id)
        if found is None:
            raise NotFound("NotFoundException: no such REST API", where=api_id)
        return found

    def _stage(self, api_id: str, stage: str, deployment: str | None = None) -> StageState:
        """The stage as it is, for a call that names this deployment."""
        api = self._api(api_id)
        found = api.stages.get(stage)
        if found is None:
            raise NotFound("NotFoundException: no such stage", where=f"{api_id}/{stage}")
        if deployment is not None and deployment not in api.deployments:
            raise RemoteFault("BadRequestException: no such deployment", where=f"{api_id}/{deployment}")
        return found

    def _put(self, state: StageState) -> StageState:
        self._api(state.api_id).stages[state.stage] = state
        return state

    def _draw(self, state: StageState) -> CanaryState | None:
        """The canary when this request is one of its share."""
        if state.canary is None:
            return None
        shares = self._api(state.api_id).shares
        owed = shares.get(state.stage, 0.0) + state.canary.percent
        shares[state.stage] = owed % ALL
        return state.canary if owed >= ALL else None

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._made:04d}"


def _served(stage: StageState) -> set[str]:
    return {stage.deployment} | ({stage.canary.deployment} if stage.canary else set())


def _echo(request: Request) -> HttpAnswer:
    return HttpAnswer(status=200, body=request.stage.variables.get("slot", ""), headers={}, seconds=0.0)
