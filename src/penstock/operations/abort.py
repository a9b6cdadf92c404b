"""`penstock abort`: the release that waits in the idle slot is no candidate any more; traffic stays where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.events import NothingToDo
from penstock.model.release import Pointer
from penstock.operations.engine import reach
from penstock.operations.session import exclusive, require_deployed
from penstock.release.reconcile import Settled

if TYPE_CHECKING:
    from penstock.operations.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """How an abort ended. `release` is what waited, None when nothing did; `live` keeps its traffic."""

    environment: str
    release: str | None
    live: str | None
    changed: bool


def abort(world: World) -> Aborted:
    """Withdraw the candidate: neither `switch` nor `terraform apply -var slot=production` goes to it any more.

    The slot keeps its versions, so that a deploy of the same files offers it again without publishing. Raises
    UsageError when nothing was ever deployed.
    """
    name = world.workspace.environment.name
    require_deployed(world)
    with exclusive(world, "abort") as session:
        pointer = session.pointer() or Pointer()
        if pointer.candidate is None:
            world.events.emit(NothingToDo(reason=f"no release waits beside {pointer.live_release}"))
            return Aborted(environment=name, release=None, live=pointer.live_release, changed=False)
        waited = pointer.slot(pointer.candidate).release
        session.record("aborting", {"release": waited, "slot": pointer.candidate})
        reach(session, Settled(withdrawn=True), (f.physical for f in world.workspace.functions))
        return Aborted(environment=name, release=waited, live=pointer.live_release, changed=True)
