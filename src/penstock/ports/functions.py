"""Lambda's code, versions and aliases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionState:
    """A function's `$LATEST`, or one published version. `code_sha256` is hex, whatever AWS encodes."""

    name: str
    version: str
    code_sha256: str
    revision: str
    architecture: str
    runtime: str
    memory: int
    timeout: int
    handler: str
    description: str = ""
    last_update: str = "Successful"
    """Successful, InProgress or Failed."""
    state: str = "Active"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasState:
    """Where an alias points: the main version, and further ones with their share (0 to 1)."""

    name: str
    version: str
    revision: str
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a direct invocation brought. `error` is None, or AWS's `Unhandled` and the like."""

    status: int
    payload: str
    error: str | None
    version: str
    log_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """Environments that an alias keeps warm: how many were asked for, and whether they are there."""

    requested: int
    status: str
    """IN_PROGRESS, READY or FAILED."""
    reason: str = ""


@runtime_checkable
class Functions(Protocol):
    """Lambda's code, versions and aliases. Names are physical; the configuration belongs to Terraform."""

    def get(self, name: str, qualifier: str = "$LATEST") -> FunctionState | None:
        """The state, or None when function or qualifier is not there."""

    def update_code(self, name: str, *, bucket: str, key: str, architecture: str, revision: str) -> FunctionState:
        """Set `$LATEST`'s code; wait until the update has ended. Raises Conflict when the revision has moved."""

    def publish(self, name: str, *, code_sha256: str, revision: str, description: str) -> FunctionState:
        """Make `$LATEST` a version, if it still has that code and revision; wait until it is Active.

        The answer carries that description; doing it again without a change gives the same version. Raises Conflict
        when code or revision have moved.
        """

    def versions(self, name: str) -> Sequence[FunctionState]:
        """All published versions, oldest first."""

    def aliases(self, name: str) -> Mapping[str, AliasState]:
        """All aliases by name."""

    def set_alias(
        self,
        name: str,
        alias: str,
        version: str,
        *,
        revision: str | None = None,
        weights: Mapping[str, float] = {},
    ) -> AliasState:
        """Point the alias at a version, and at one other for a share of its calls (0 to 1), which `weights` names.

        Without weights all calls go to the one version. Lambda allows one further version, no `$LATEST` beside it, and
        only versions with the same role and dead-letter queue; it refuses weights of an alias that has provisioned
        concurrency. Raises Conflict when the revision has moved, RemoteFault for what Lambda refuses.
        """

    def invoke(self, name: str, qualifier: str, payload: str) -> Invocation:
        """Call synchronously and wait for the answer."""

    def delete_version(self, name: str, version: str) -> None:
        """Delete a published version; done when it is not there. Raises Conflict while an alias points at it."""

    def provisioned(self, name: str, alias: str) -> Provisioned | None:
        """What the alias keeps warm; None when it keeps nothing, or is not there."""

    def provision(self, name: str, alias: str, count: int) -> None:
        """Let the alias keep so many environments warm; `provisioned` tells when they are there.

        Raises RemoteFault for what Lambda refuses: an alias with weights, or on `$LATEST`.
        """

    def unprovision(self, name: str, alias: str) -> None:
        """Let the alias keep nothing warm; done when it does not."""
