"""Collecting what nothing refers to: versions, API deployments, artifacts and releases beyond the last ten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault
from penstock.operations.build_cache import forget
from penstock.operations.engine import observe
from penstock.operations.history import read_history
from penstock.operations.provenance import STATEMENT
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.steps import note, step
from penstock.operations.store import ReleaseStore
from penstock.release.retain import ARTIFACTS, KEEP, Prunable, kept_releases, prunable

if TYPE_CHECKING:
    from penstock.operations.session import Session
    from penstock.operations.world import World


def prune(world: World, *, keep: int = KEEP, dry_run: bool = False) -> Prunable:
    """Delete what nothing needs; what that is.

    Args:
        world: the environment.
        keep: how many of the newest releases can always come back.
        dry_run: only say it.
    """
    require_deployed(world)
    with exclusive(world, "prune") as session:
        found = _find(world, keep)
        if not dry_run:
            _delete(world, session, found)
        return found


def collect(world: World, session: Session) -> None:
    """At the end of a deploy, when enough has piled up; a fault here is not the deploy's."""
    try:
        _collect(world, session)
    except RemoteFault as fault:
        note(world, f"what nothing refers to was not collected: {fault.what}")


def _collect(world: World, session: Session) -> None:
    if len(ReleaseStore(world.objects).ids()) <= KEEP:
        return
    found = _find(world, KEEP)
    if not found.is_empty:
        with step(world, "collect what nothing refers to") as handle:
            _delete(world, session, found)
            handle.detail = (
                f"{len(found.versions)} versions, {sum(key.endswith('.zip') for key in found.artifacts)} artifacts, "
                f"{len(found.releases)} releases"
            )


def _find(world: World, keep: int) -> Prunable:
    releases = ReleaseStore(world.objects)
    everything = releases.ids()
    promoted = [promotion.release for promotion in reversed(read_history(world.objects).promotions)]
    observed = observe(world, (function.physical for function in world.workspace.functions))
    kept_ids = kept_releases(promoted, observed.pointer, keep=keep)
    kept = [release for release in map(releases.get, sorted(kept_ids)) if release is not None]
    return prunable(observed, kept, all_releases=everything, artifacts=world.objects.list(ARTIFACTS))


def _delete(world: World, session: Session, found: Prunable) -> None:
    session.record(
        "pruned",
        {
            "versions": [list(version) for version in found.versions],
            "deployments": [list(deployment) for deployment in found.deployments],
            "artifacts": list(found.artifacts),
            "releases": list(found.releases),
        },
    )
    session.hold()  # who has it by now may need what was spare when the list was made
    for name, version in found.versions:
        session.keep()
        world.functions.delete_version(name, version)
    for api, deployment in found.deployments:
        session.keep()
        world.gateway.delete_deployment(api, deployment)
    # Releases before artifacts: a release must never point at bytes that are gone.
    for release in found.releases:
        session.keep()
        ReleaseStore(world.objects).delete(release)
    # Statements before what they vouch for: where a statement is, an upload takes the rest to be there as well.
    for key in sorted(found.artifacts, key=lambda key: not key.endswith(STATEMENT)):
        if key.endswith(STATEMENT):
            session.keep()
            forget(world.objects, key)
        session.keep()
        world.objects.erase(key)  # the bytes of a ZIP can be built again, and would be paid for as old versions
