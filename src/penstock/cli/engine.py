"""What the verbs need of `penstock.api`: one environment of one workspace, ready to be worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.cli.settings import Settings
    from penstock.model.artifact import Artifact
    from penstock.model.plan import Plan
    from penstock.model.workspace import Secret
    from penstock.operations.status import Status
    from penstock.operations.world import Confirm


class Reached(Protocol):
    """Where a verb that ships has come to."""

    @property
    def url(self) -> str | None:
        """The URL that answers; None before anything is live."""

    @property
    def release(self) -> str | None:
        """The release that traffic goes to."""

    @property
    def plan(self) -> Plan | None:
        """The plan, where only a plan was asked for."""


class Engine(Protocol):
    """The verbs that change or look at an environment."""

    def build(self, names: Sequence[str], *, clean: bool) -> Sequence[Artifact]:
        """Build `packages`, `services`, some by name, or (none given) everything."""

    def deploy(
        self,
        *,
        services: Sequence[str],
        plan_only: bool,
        auto_approve: bool,
        strategy: str | None,
        slot: str | None,
        source: str | None,
        allow_destroy: Sequence[str],
        confirm: Confirm,
    ) -> Reached:
        """Make the environment what the files say, or what another environment's release is."""

    def switch(self, *, auto_approve: bool, confirm: Confirm) -> Reached:
        """Send traffic to the candidate in the idle slot."""

    def rollback(self, *, to: str | None, services: Sequence[str]) -> Reached:
        """Send traffic to an earlier release."""

    def releases(self) -> Sequence[Mapping[str, Any]]:
        """All releases, newest first."""

    def status(self) -> Status:
        """What is live, and how it does."""

    def unlock(self, *, force: bool) -> str:
        """Free a lease or a lock that a dead process left; what was done, in words."""

    def set_secret(self, name: str, value: str) -> None:
        """Give a secret its value."""

    def list_secrets(self) -> Sequence[tuple[Secret, bool]]:
        """Every secret, and whether it has a value."""


def open_engine(settings: Settings) -> Engine:
    """The environment of the flags. Raises UsageError, WorkspaceInvalid, LocalAwsFault."""
    from penstock.api import Penstock  # noqa: PLC0415 - start-up counts

    return Penstock.open(settings.root, settings.chosen_environment(), events=settings.events, environ=settings.environ)
