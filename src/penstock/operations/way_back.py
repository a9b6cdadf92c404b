"""The way back from what has just gone live, so that nobody is told to type what would be refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import PenstockError, Refused
from penstock.operations.history import read_history
from penstock.operations.pointer import read_pointer
from penstock.operations.removals import made_again, refuse_what_is_missing
from penstock.operations.store import ReleaseStore
from penstock.operations.targets import target_of

if TYPE_CHECKING:
    from penstock.operations.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The release that a rollback goes to, and what to type.

    Args:
        release: it.
        how: the command; where that would be refused, what brings the release back instead.
        refused: why `penstock rollback` would be refused; empty where it would not be.
    """

    release: str
    how: str
    refused: str = ""


def way_back(world: World) -> WayBack | None:
    """How traffic comes back from the live release; None where there is nothing to go back to, or nobody can tell.

    Asked by the rules of `rollback` itself. What cannot be read is no reason for a deploy that is done to fail.
    """
    name = world.workspace.environment.name
    try:
        pointer = read_pointer(world)
        if pointer is None or pointer.live_release is None:
            return None
        live, history = ReleaseStore(world.objects).require(pointer.live_release), read_history(world.objects)
        target = target_of(world, live, None, history)
    except PenstockError:
        return None
    try:
        refuse_what_is_missing(world, target, live, history)
    except Refused as refused:
        return WayBack(release=target.id, how=made_again(target, name), refused=refused.what)
    except PenstockError:
        return None
    return WayBack(release=target.id, how=f"penstock rollback -e {name}")
