"""The few things that the engine does to an environment, as frozen values.

One function decides them (`reconcile`), another does them (`operations.execute`), and the ledger keeps them as JSON,
so that showing and doing cannot disagree. Each sets absolute state: doing it twice is doing it once.

An id that AWS has yet to give out (a version's number, a deployment's id) is named by a symbol that begins with `@`
in the effects behind the one that makes it; whoever does them puts the id in its place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.release import LIVE_ALIAS, Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT = 12
"""Hex digits of a digest that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureVersion:
    """Publish a function's code, with the configuration that Terraform has given it, as an immutable version."""

    function: str
    artifact: str
    config: str
    release: str
    architecture: str
    runtime: str
    timeout: int

    @property
    def symbol(self) -> str:
        """Stands for the version's number until AWS has given it out."""
        return f"@version:{self.function}:{self.artifact[:SHORT]}:{self.config[:SHORT]}"

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"publish {self.function} from artifact {self.artifact[:SHORT]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeLatest:
    """Publish a function's `$LATEST` as it is, so that aliases on it do not follow the next code."""

    function: str

    @property
    def symbol(self) -> str:
        """Stands for the version's number until AWS has given it out."""
        return f"@frozen:{self.function}"

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"keep the aliases of {self.function} on what they run"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAlias:
    """Point an alias at one version."""

    function: str
    alias: str
    version: str
    revision: str | None = None
    """The alias's revision as it was seen; a move in between is a Conflict."""

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        version = "its new version" if self.version.startswith("@") else f"version {self.version}"
        verb = "send callers of" if self.alias == LIVE_ALIAS else "point"
        return f"{verb} {self.function}:{self.alias} to {version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAlias:
    """Let an alias send a share of its calls, in percent, to the candidate's version, and the rest where it points."""

    function: str
    alias: str
    version: str
    candidate: str
    percent: int
    revision: str | None = None
    """The alias's revision as it was seen; a move in between is a Conflict."""

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"send {self.percent} % of the calls of {self.function}:{self.alias} to version {self.candidate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDeployment:
    """Freeze a REST API's document, which Terraform has put there, as a deployment."""

    api: str
    digest: str

    @property
    def symbol(self) -> str:
        """Stands for the deployment's id until AWS has given it out."""
        return f"@deployment:{self.api}:{self.digest[:SHORT]}"

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"freeze the routes {self.digest[:SHORT]} of API {self.api}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStage:
    """Make a stage serve a deployment and a slot, without a canary, in one action."""

    api: str
    stage: str
    deployment: str
    slot: str

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"serve slot {self.slot} at stage {self.stage} of API {self.api}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCanary:
    """Send a share of a stage's requests, in percent, to another slot with its own deployment, in one action."""

    api: str
    stage: str
    deployment: str
    slot: str
    percent: int

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        return f"send {self.percent} % of stage {self.stage} of API {self.api} to slot {self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePointer:
    """Write down which slot is live, which waits, and what each holds."""

    name: str
    pointer: Pointer

    def describe(self) -> str:
        """One sentence for people, without a full stop."""
        pointer = self.pointer
        held = pointer.slot(pointer.idle).release or "no release for certain"
        waits = ", which waits for traffic" if pointer.candidate else ""
        live = pointer.live_release or "no release"
        return f"note that {pointer.live} is live with {live}, {pointer.idle} holds {held}{waits}"


Effect = EnsureVersion | FreezeLatest | SetAlias | ShareAlias | MakeDeployment | SetStage | SetCanary | WritePointer

KINDS: Mapping[str, type[Effect]] = {
    "ensure-version": EnsureVersion,
    "freeze-latest": FreezeLatest,
    "set-alias": SetAlias,
    "share-alias": ShareAlias,
    "make-deployment": MakeDeployment,
    "set-stage": SetStage,
    "set-canary": SetCanary,
    "write-pointer": WritePointer,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def to_json(effect: Effect) -> dict[str, Any]:
    """Plain JSON for the ledger; `effect` names the kind."""
    name = _NAMES[type(effect)]
    if isinstance(effect, WritePointer):
        return {"effect": name, "name": effect.name, "pointer": effect.pointer.to_text()}
    return {"effect": name, **asdict(effect)}


def from_json(data: Mapping[str, Any]) -> Effect:
    """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
    fields = {key: value for key, value in data.items() if key != "effect"}
    kind = KINDS[data["effect"]]
    if kind is WritePointer:
        return WritePointer(name=fields["name"], pointer=Pointer.from_text(fields["pointer"]))
    return kind(**fields)
