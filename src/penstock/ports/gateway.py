"""API Gateway's REST APIs, their deployments, stages and canaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryState:
    """A canary of a stage: the share of requests, in percent, that another deployment serves.

    `variables` are the stage's variables that are other for those requests; the rest are the stage's own.
    """

    percent: float
    deployment: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """What a stage of a REST API serves, and its canary; None when it has none (one of 0 percent is one)."""

    api_id: str
    stage: str
    deployment: str
    variables: Mapping[str, str]
    canary: CanaryState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An HTTP response. `seconds` is the whole exchange."""

    status: int
    body: str
    headers: Mapping[str, str]
    seconds: float


@runtime_checkable
class Gateway(Protocol):
    """API Gateway's REST APIs, their deployments and stages."""

    def find(self, name: str) -> str | None:
        """Id of the REST API of that name, or None."""

    def deploy(self, api_id: str, description: str) -> str:
        """Make a deployment (a snapshot of the API's document) without touching a stage; its id."""

    def deployments(self, api_id: str) -> Mapping[str, str]:
        """Descriptions of all deployments by id."""

    def delete_deployment(self, api_id: str, deployment: str) -> None:
        """Delete a deployment; done when it is not there. Raises Conflict while a stage or its canary serves it."""

    def stage(self, api_id: str, stage: str) -> StageState | None:
        """What the stage serves, or None."""

    def set_stage(self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str]) -> StageState:
        """Make the stage serve that deployment with those variables, in one call; what it then serves.

        Variables that are not named keep their values. A canary gets no request from that same call on, and is then
        removed: this is how AWS documents its promotion, and it ends one that is not promoted just as well.
        """

    def set_canary(
        self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str], percent: float
    ) -> StageState:
        """Send that share of the stage's requests to that deployment with exactly those other variables.

        Creates the canary or moves it, in one call that takes effect as a whole. `percent` is 0 to 100. What the stage
        itself serves stays. Raises RemoteFault when there is no such stage or deployment.
        """

    def clear_canary(self, api_id: str, stage: str) -> StageState:
        """Take the canary away, so that the stage serves every request itself; done when there is none."""

    def call(
        self, api_id: str, stage: str, method: str, path: str, *, headers: Mapping[str, str] = {}, body: str = ""
    ) -> HttpAnswer:
        """Call a route through the stage, signed with the caller's credentials."""

    def url(self, api_id: str, api_name: str, stage: str) -> str:
        """The URL that unsigned callers use, without a slash at the end."""
