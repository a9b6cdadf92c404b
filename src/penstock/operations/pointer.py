"""Reading the environment's pointer: which slot is live, which waits, what each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.release import Pointer

if TYPE_CHECKING:
    from penstock.operations.world import World
    from penstock.ports import StageState

LIVE_STAGE = "live"


def read_pointer(world: World) -> Pointer | None:
    """The environment's pointer, or None before the first deploy."""
    text = world.parameters.get(pointer_name(world))
    return Pointer.from_text(text) if text else None


def live_stage(world: World) -> StageState | None:
    """What the live stage serves; None without an API."""
    api = world.gateway.find(world.workspace.api_name)
    return world.gateway.stage(api, LIVE_STAGE) if api else None


def live_url(world: World, api: str | None = None) -> str | None:
    """The URL that callers use, or None without an API; AWS is asked for the API's id where it is not given."""
    api = api or world.gateway.find(world.workspace.api_name)
    return world.gateway.url(api, world.workspace.api_name, LIVE_STAGE) if api else None


def agrees(pointer: Pointer, stage: StageState | None, *, shared: bool) -> bool:
    """Whether the stage serves what the pointer says, and shares with a candidate only while a rollout is under way.

    A driver that wakes up past its lease can still land the one call that it had begun.
    """
    if stage is None:
        return True
    noted = pointer.slot(pointer.live).deployment
    return (
        stage.variables.get("slot") == pointer.live
        and noted in (None, stage.deployment)
        and (shared or stage.canary is None)
    )


def pointer_name(world: World) -> str:
    """The parameter that holds the pointer."""
    return f"{world.workspace.pointer_prefix}pointer"
