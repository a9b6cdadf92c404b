"""What is there, as read back from AWS; and what it would be after an effect.

`after` projects one effect onto an observation. Reconciling uses it to plan a switch behind a load in one pass, and
tests use it to show that a reached state needs nothing more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.release.effects import (
    EnsureVersion,
    FreezeLatest,
    MakeDeployment,
    SetAlias,
    SetCanary,
    SetStage,
    ShareAlias,
    WritePointer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.model.release import FunctionRelease, Pointer, Slot
    from penstock.ports import AliasState, FunctionState, StageState
    from penstock.release.effects import Effect

CONFIG_LENGTH = 12
"""Hex digits of a configuration's digest that fit a version's description."""
UNPUBLISHED = "$LATEST"
LIVE_STAGE = "live"
PREVIEW_STAGE = "preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSeen:
    """A published version. `config` is the digest's first twelve digits, empty when it is not ours."""

    number: str
    artifact: str
    config: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSeen:
    """Where an alias points; `shares` are the percents of its calls that other versions get."""

    version: str
    revision: str
    shares: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSeen:
    """A function's published versions, oldest first, and its aliases."""

    versions: tuple[VersionSeen, ...] = ()
    aliases: Mapping[str, AliasSeen] = field(default_factory=dict)

    def find(self, wanted: FunctionRelease, *, preferred: Slot | None = None) -> str | None:
        """Number of a version with that code and configuration, or None.

        There may be several of equal content. The one that the preferred alias, or else any alias, is at already
        spares a move; then the newest.
        """
        content = (wanted.artifact, wanted.config[:CONFIG_LENGTH], wanted.architecture)
        equal = [v.number for v in self.versions if (v.artifact, v.config, v.architecture) == content]
        aliases = ([preferred] if preferred else []) + sorted(self.aliases)
        found = (self.aliases[alias].version for alias in aliases if alias in self.aliases)
        return next((number for number in found if number in equal), equal[-1] if equal else None)

    def at(self, alias: str) -> str | None:
        """The version that all calls of the alias go to; None when there is none or it is weighted."""
        found = self.aliases.get(alias)
        return None if found is None or found.shares else found.version


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySeen:
    """What a stage's canary serves, and its share of the requests in percent."""

    deployment: str
    slot: str | None
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeen:
    """What a stage serves."""

    deployment: str
    slot: str | None
    canary: CanarySeen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSeen:
    """A REST API: its stage (None when Terraform has not made it) and the documents of its deployments.

    `deployments` maps the id to the digest of the document, empty for one that the engine did not make.
    """

    id: str
    stage: StageSeen | None = None
    deployments: Mapping[str, str] = field(default_factory=dict)

    def find(self, digest: str, *, preferred: str | None = None) -> str | None:
        """Id of a deployment of that document, the preferred one if it is; None when there is none."""
        if preferred is not None and self.deployments.get(preferred) == digest:
            return preferred
        return min((key for key, found in self.deployments.items() if found == digest), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One environment. An API is None when the workspace has no routes."""

    pointer_name: str
    pointer: Pointer
    functions: Mapping[str, FunctionSeen]
    """By physical name; those that the caller asked for."""
    live: ApiSeen | None = None
    preview: ApiSeen | None = None


# ------------------------------------------------------------------------------------------ from the ports' values


def version_description(release: str, config: str) -> str:
    """What a version's description says: which release it was made for, and which configuration it froze."""
    return f"penstock release={release} config={config[:CONFIG_LENGTH]}"


def deployment_description(digest: str) -> str:
    """What a deployment's description says: the digest of the document that it froze."""
    return f"penstock api={digest}"


def document_digest(description: str) -> str:
    """The inverse of `deployment_description`; empty for a deployment of somebody else."""
    found = re.search(r"\bapi=([0-9a-f]{64})\b", description)
    return found[1] if found else ""


def function_seen(versions: Iterable[FunctionState], aliases: Mapping[str, AliasState]) -> FunctionSeen:
    """What the Functions port tells about one function."""
    return FunctionSeen(
        versions=tuple(
            VersionSeen(
                number=version.version,
                artifact=version.code_sha256,
                config=_config(version.description),
                architecture=version.architecture,
            )
            for version in versions
        ),
        aliases={
            name: AliasSeen(
                version=alias.version,
                revision=alias.revision,
                shares={version: round(share * 100) for version, share in alias.weights.items()},
            )
            for name, alias in aliases.items()
        },
    )


def api_seen(api_id: str, stage: StageState | None, deployments: Mapping[str, str]) -> ApiSeen:
    """What the Gateway port tells about one REST API."""
    return ApiSeen(
        id=api_id,
        stage=None
        if stage is None
        else StageSeen(
            deployment=stage.deployment,
            slot=stage.variables.get("slot"),
            canary=None
            if stage.canary is None
            else CanarySeen(
                deployment=stage.canary.deployment,
                slot=stage.canary.variables.get("slot"),
                percent=round(stage.canary.percent),
            ),
        ),
        deployments={key: document_digest(description) for key, description in deployments.items()},
    )


# ------------------------------------------------------------------------------------------ projection


def after(observed: Observed, effects: Iterable[Effect]) -> Observed:
    """The observation as it would be after these effects; ids that only AWS knows are the effects' symbols."""
    for effect in effects:
        observed = _after_one(observed, effect)
    return observed


def _after_one(observed: Observed, effect: Effect) -> Observed:  # noqa: PLR0911 - one arm per effect
    match effect:
        case EnsureVersion():
            seen = observed.functions[effect.function]
            version = VersionSeen(
                number=effect.symbol,
                artifact=effect.artifact,
                config=effect.config[:CONFIG_LENGTH],
                architecture=effect.architecture,
            )
            return _with_function(observed, effect.function, replace(seen, versions=(*seen.versions, version)))
        case FreezeLatest():
            seen = observed.functions[effect.function]
            frozen = VersionSeen(number=effect.symbol, artifact="", config="", architecture="")
            return _with_function(observed, effect.function, replace(seen, versions=(*seen.versions, frozen)))
        case SetAlias():
            seen = observed.functions[effect.function]
            alias = AliasSeen(version=effect.version, revision="")
            return _with_function(
                observed, effect.function, replace(seen, aliases={**seen.aliases, effect.alias: alias})
            )
        case ShareAlias():
            seen = observed.functions[effect.function]
            shared = AliasSeen(version=effect.version, revision="", shares={effect.candidate: effect.percent})
            return _with_function(
                observed, effect.function, replace(seen, aliases={**seen.aliases, effect.alias: shared})
            )
        case SetCanary():
            canary = CanarySeen(deployment=effect.deployment, slot=effect.slot, percent=effect.percent)
            return _with_api(observed, effect.api, lambda api: _with_canary(api, canary))
        case MakeDeployment():
            return _with_api(observed, effect.api, lambda api: _deployed(api, effect.symbol, effect.digest))
        case SetStage():
            stage = StageSeen(deployment=effect.deployment, slot=effect.slot)
            return _with_api(observed, effect.api, lambda api: replace(api, stage=stage))
        case WritePointer():
            return replace(observed, pointer=effect.pointer)


def _deployed(api: ApiSeen, deployment: str, digest: str) -> ApiSeen:
    return replace(api, deployments={**api.deployments, deployment: digest})


def _with_canary(api: ApiSeen, canary: CanarySeen) -> ApiSeen:
    return api if api.stage is None else replace(api, stage=replace(api.stage, canary=canary))


def _with_function(observed: Observed, name: str, seen: FunctionSeen) -> Observed:
    return replace(observed, functions={**observed.functions, name: seen})


def _with_api(observed: Observed, api_id: str, change: Callable[[ApiSeen], ApiSeen]) -> Observed:
    if observed.live is not None and observed.live.id == api_id:
        return replace(observed, live=change(observed.live))
    if observed.preview is not None and observed.preview.id == api_id:
        return replace(observed, preview=change(observed.preview))
    return observed


def _config(description: str) -> str:
    found = re.search(rf"\bconfig=([0-9a-f]{{{CONFIG_LENGTH}}})\b", description)
    return found[1] if found else ""
