"""`penstock abort`: the candidate in the idle slot is none any more, and the traffic that it had goes back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, Inconclusive, Refused
from penstock.model.events import NothingToDo
from penstock.model.release import Pointer
from penstock.operations.engine import reach
from penstock.operations.orders import is_driven, tell
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.warmth import follow
from penstock.release.reconcile import Settled

if TYPE_CHECKING:
    from penstock.operations.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """How an abort ended. `release` is what waited or had a share, None when nothing did; `live` has the traffic."""

    environment: str
    release: str | None
    live: str | None
    changed: bool


def abort(world: World, *, why: str = "") -> Aborted:
    """Withdraw the candidate: it gets no traffic, and no `switch` and no `terraform apply -var slot=production` does.

    The slot keeps its versions, so that a deploy of the same files offers it again without publishing. Raises
    UsageError when nothing was ever deployed.
    """
    name = world.workspace.environment.name
    require_deployed(world)
    rollout = RolloutStore(world.objects).under_way()
    if rollout is not None and is_driven(world):
        # Its driver has let go meanwhile, and we took it back: as was asked.
        with suppress(CameBack, Inconclusive, Refused):
            if tell(world, "abort", why=why).outcome == "promoted":
                return _too_late(world, rollout.release)
        return Aborted(environment=name, release=rollout.release, live=rollout.stable, changed=True)
    said = f"aborted by {world.identity.caller()}" + (f": {why}" if why else "")
    with exclusive(world, "abort", withdraws=said) as session:
        live = (session.pointer() or Pointer()).live_release
        if rollout is not None and live == rollout.release:
            return _too_late(world, live)
        if rollout is not None:  # it has lost its driver, and went back when the lease was taken
            session.record("aborting", {"release": rollout.release, "why": why})
            follow(world, session)
            return Aborted(environment=name, release=rollout.release, live=rollout.stable, changed=True)
        pointer = session.pointer() or Pointer()
        if pointer.candidate is None:
            world.events.emit(NothingToDo(reason=f"no release waits beside {pointer.live_release}"))
            return Aborted(environment=name, release=None, live=pointer.live_release, changed=False)
        waited = pointer.slot(pointer.candidate).release
        session.record("aborting", {"release": waited, "slot": pointer.candidate, "why": why})
        reach(session, Settled(withdrawn=True), (f.physical for f in world.workspace.functions))
        follow(world, session)
        return Aborted(environment=name, release=waited, live=pointer.live_release, changed=True)


def _too_late(world: World, live: str) -> Aborted:
    name = world.workspace.environment.name
    reason = f"release {live} has all traffic already; to go back: penstock rollback -e {name}"
    world.events.emit(NothingToDo(reason=reason))
    return Aborted(environment=name, release=None, live=live, changed=False)
