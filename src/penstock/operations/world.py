"""What every verb is given: the ports of one environment, and who and where we are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.model.artifact import Artifact, Recipe, Target
    from penstock.model.plan import Objection, Plan
    from penstock.model.workspace import Workspace
    from penstock.ports import (
        Alarms,
        Clock,
        Commands,
        EventSink,
        Files,
        Functions,
        Gateway,
        Health,
        Identity,
        Interpreters,
        Metrics,
        Notices,
        ObjectStore,
        Parameters,
        Schedules,
        Secrets,
        Signer,
        Terraform,
        Webhooks,
    )


class Builds(Protocol):
    """Makes artifacts. The adapter runs uv and esbuild; what it runs is decided in `build/`."""

    def recipes(self, workspace: Workspace, targets: Mapping[str, Target]) -> Mapping[str, Recipe]:
        """The recipe of every unit, from the files as they are now."""

    def build(
        self, workspace: Workspace, units: Sequence[str] | None, targets: Mapping[str, Target]
    ) -> tuple[Artifact, ...]:
        """Artifacts of these units (all: None). Raises BuildFailed with everything that failed."""


class Confirm(Protocol):
    """Asks the person; without a terminal nobody is asked and the answer is no."""

    def __call__(self, plan: Plan, objections: Sequence[Objection]) -> bool:
        """Whether to go on with exactly this plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the code comes from: git's commit and branch (empty outside a repository), and whether CI runs us."""

    commit: str
    branch: str
    dirty: bool
    ci: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that one verb may do to one environment."""

    root: Path
    workspace: Workspace
    origin: Origin
    run: str
    """Id of this run of the command; intents and effects carry it."""
    host: str
    """This machine; see `model.ledger.machine`."""
    clock: Clock
    events: EventSink
    files: Files
    commands: Commands
    interpreters: Interpreters
    identity: Identity
    objects: ObjectStore
    functions: Functions
    gateway: Gateway
    parameters: Parameters
    schedules: Schedules
    secrets: Secrets
    signer: Signer
    health: Health
    metrics: Metrics
    alarms: Alarms
    notices: Notices
    webhooks: Webhooks
    traffic_clock: Clock
    """The clock that metrics bear the time of: a `StoreClock`, unless the embedded AWS was told to run faster."""
    terraform: Terraform
    builds: Callable[[], Builds]
    """Asked for only when something is built: a rollback must not wait for builders to be loaded."""
    modules: Callable[[], Mapping[str, bytes]]
    """The HCL modules that ship with Penstock, by path below `infra/modules`."""
    controller: Callable[[], bytes]
    """The code of the controller function that goes with this version of Penstock: a ZIP."""
    process_alive: Callable[[int], bool]
    """Whether a process of this host, by id, is still there."""

    @property
    def infra(self) -> Path:
        """The folder of this environment's Terraform root."""
        return self.root / "infra" / "environments" / self.workspace.environment.name
