"""What must be kept, and what may go: versions, deployments, artifacts, releases and grants.

Kept is what an alias, a stage or the pointer refers to, and everything that the last K releases need to come back.
What Penstock did not make is never collected.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.release import SLOTS
from penstock.release.observed import CONFIG_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.model.release import Pointer, Release
    from penstock.release.observed import ApiSeen, Observed

KEEP = 10
"""Releases that can always come back."""
ARTIFACTS = "artifacts/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """What may be deleted. Everything is sorted."""

    versions: tuple[tuple[str, str], ...] = ()
    """Physical function name and version's number."""
    deployments: tuple[tuple[str, str], ...] = ()
    """API's id and deployment's id."""
    artifacts: tuple[str, ...] = ()
    """Keys in the bucket: ZIPs, with their SBOMs and statements."""
    releases: tuple[str, ...] = ()
    """Ids."""

    @property
    def is_empty(self) -> bool:
        """True when nothing may go."""
        return not (self.versions or self.deployments or self.artifacts or self.releases)


def kept_releases(newest_first: Sequence[str], pointer: Pointer, *, keep: int = KEEP) -> frozenset[str]:
    """Ids of the releases to keep: the newest ones, and those that the slots hold.

    Args:
        newest_first: all releases' ids, by their last promotion (or creation).
        pointer: of the environment.
        keep: how many of the newest.
    """
    unique = list(dict.fromkeys(newest_first))
    held = {pointer.slot(slot).release for slot in SLOTS}
    return frozenset(unique[:keep]) | frozenset(release for release in held if release is not None)


def prunable(
    observed: Observed, kept: Iterable[Release], *, all_releases: Iterable[str], artifacts: Iterable[str]
) -> Prunable:
    """What nothing refers to.

    Args:
        observed: all functions of the environment with all their versions, and both APIs.
        kept: the releases to keep, whole (see `kept_releases`).
        all_releases: ids of all releases in the bucket.
        artifacts: keys of all artifacts in the bucket, and of what belongs to them.
    """
    kept = tuple(kept)
    contents = {
        (function.physical, function.artifact, function.config[:CONFIG_LENGTH])
        for release in kept
        for function in release.functions.values()
    }
    needed = {function.artifact for release in kept for function in release.functions.values()}
    documents = {release.api for release in kept}
    referenced = {observed.pointer.slot(slot).deployment for slot in SLOTS}
    apis = [api for api in (observed.live, observed.preview) if api is not None]
    return Prunable(
        versions=tuple(
            (name, version.number)
            for name, seen in sorted(observed.functions.items())
            for version in seen.versions
            if version.config  # others' versions carry none
            and version.number not in {alias.version for alias in seen.aliases.values()}
            and not any(alias.shares for alias in seen.aliases.values())
            and (name, version.artifact, version.config) not in contents
        ),
        deployments=tuple(
            (api.id, deployment)
            for api in apis
            for deployment in sorted(_spare_deployments(api, documents))
            if deployment not in referenced
        ),
        artifacts=tuple(sorted(key for key in artifacts if _digest_of(key) not in needed)),
        releases=tuple(sorted(set(all_releases) - {release.id for release in kept})),
    )


def retained_grants(
    may_serve: Iterable[Release], configured: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Grants that a release which may serve still needs though the configuration has dropped them, by service.

    Roles are not versioned by Lambda: taking a grant away takes it from the version that still serves. So it stays
    until no such release needs it. Sorted, without duplicates; services without any are left out.

    Args:
        may_serve: the live release, and the one that a rollback goes to.
        configured: statements by service, as the configuration now gives them.
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for release in may_serve:
        for service, statements in release.grants.items():
            if service not in configured:
                continue  # its whole module stays until the release is gone, grants and all
            now = {_canonical(statement) for statement in configured.get(service, ())}
            for statement in statements:
                text = _canonical(statement)
                if text not in now:
                    found.setdefault(service, {})[text] = statement
    return {
        service: tuple(statement for _, statement in sorted(statements.items()))
        for service, statements in sorted(found.items())
    }


def missing_grants(
    target: Release, live: Release, retained: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Grants of the target, by service, that are neither the live release's nor retained.

    A service that the live release has not is left out: whether it can come back is told by what was removed.
    """
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for service, statements in sorted(target.grants.items()):
        if service not in live.grants:
            continue
        there = {_canonical(one) for one in (*live.grants[service], *retained.get(service, ()))}
        missing = tuple(one for one in statements if _canonical(one) not in there)
        found |= {service: missing} if missing else {}
    return found


def retained_text(grants: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Canonical JSON, as it lies in the parameter `retained`."""
    return json.dumps(
        {service: list(found) for service, found in grants.items()}, sort_keys=True, separators=(",", ":")
    )


def _digest_of(key: str) -> str:
    """The artifact that a ZIP, an SBOM or a statement belongs to: `artifacts/<digest>.cdx.json`."""
    return key.removeprefix(ARTIFACTS).partition(".")[0]


def _spare_deployments(api: ApiSeen, documents: set[str]) -> Iterable[str]:
    serving = api.stage.deployment if api.stage else None
    return (
        deployment
        for deployment, digest in api.deployments.items()
        if digest and digest not in documents and deployment != serving
    )


def _canonical(statement: Mapping[str, Any]) -> str:
    return json.dumps(statement, sort_keys=True)
