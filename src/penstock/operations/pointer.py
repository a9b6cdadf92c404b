"""Reading the environment's pointer: which slot is live, which waits, what each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.release import Pointer

if TYPE_CHECKING:
    from penstock.operations.world import World


def read_pointer(world: World) -> Pointer | None:
    """The environment's pointer, or None before the first deploy."""
    text = world.parameters.get(pointer_name(world))
    return Pointer.from_text(text) if text else None


def pointer_name(world: World) -> str:
    """The parameter that holds the pointer."""
    return f"{world.workspace.pointer_prefix}pointer"
