"""What a deploy wants to run: the release, the ZIPs it is made of, and what Terraform is to put there for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.operations.assemble import assemble, only_services
from penstock.operations.terraform import wanted_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.artifact import Artifact, Target
    from penstock.model.plan import Plan
    from penstock.model.release import Pointer, Release
    from penstock.operations.terraform import Shape
    from penstock.operations.way_back import WayBack
    from penstock.operations.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """What the person asked for."""

    services: tuple[str, ...] = ()
    """Only these; empty for all."""
    plan_only: bool = False
    auto_approve: bool = False
    strategy: str | None = None
    """Instead of the environment's."""
    source: World | None = None
    """The environment whose live release is promoted; None builds from the files."""
    allow_destroy: tuple[str, ...] = ()
    """Addresses of data-bearing resources that may go."""
    detach: bool = False
    """Leave the walk to the controller in the account."""
    lock_timeout: float = 0.0
    """Seconds to wait for a command, or a rollout of the controller's, that is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """How a deploy ended. `live` is False when the release waits in the idle slot, or was only planned."""

    environment: str
    release: str
    changed: bool
    live: bool
    url: str | None
    plan: Plan | None = None
    forecast: str | None = None
    """What the judge will be able to tell on the way, where it was only planned."""
    back: WayBack | None = None
    """How traffic comes back from it; None where nothing is to go back to."""
    detached: bool = False
    """Whether the controller in the account takes it to traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to run, as the files say or another environment's release does."""

    release: Release
    whole: Release
    """The same with all services as the files say, whatever `--service` asks for."""
    artifacts: tuple[Artifact, ...]
    shape: Shape
    strategy: str


def wanted(world: World, request: DeployRequest, targets: Mapping[str, Target], pointer: Pointer | None) -> Wanted:
    """Build, or read the source environment's release; nothing of the environment is changed."""
    strategy = request.strategy or world.workspace.environment.rollout.strategy
    shape = wanted_shape(world)
    if request.source is not None:
        from penstock.operations.promote import release_from  # noqa: PLC0415 - start-up counts

        release = release_from(world, request.source, targets)
        return Wanted(
            release=release,
            whole=release,
            artifacts=(),
            shape=shape,
            strategy=strategy,
        )
    artifacts = world.builds().build(world.workspace, None, targets)
    whole = release = assemble(world, artifacts)
    if request.services:
        release = only_services(whole, live_release(world, pointer), request.services)
    return Wanted(
        release=release,
        whole=whole,
        artifacts=artifacts,
        shape=shape,
        strategy=strategy,
    )


def live_release(world: World, pointer: Pointer | None) -> Release | None:
    """The release that traffic goes to, or None before the first."""
    if pointer is None or pointer.live_release is None:
        return None
    from penstock.operations.store import ReleaseStore  # noqa: PLC0415 - start-up counts

    return ReleaseStore(world.objects).get(pointer.live_release)
