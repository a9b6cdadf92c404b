"""`penstock abort`: the candidate in the idle slot is none any more, and the traffic that it had goes back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, Inconclusive, Refused
from penstock.model.events import NothingToDo
from penstock.model.release import Pointer
from penstock.operations.engine import reach
from penstock.operations.history import read_history
from penstock.operations.holder import in_turn
from penstock.operations.orders import is_driven, tell, told_of_the_order
from penstock.operations.recall import recall
from penstock.operations.rollout import undo
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.store import ReleaseStore
from penstock.operations.switch import take_back
from penstock.operations.warmth import follow
from penstock.release.reconcile import Settled

if TYPE_CHECKING:
    from penstock.operations.history import History
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.state import Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """How an abort ended. `release` is what waited or had a share, None when nothing did; `live` has the traffic."""

    environment: str
    release: str | None
    live: str | None
    changed: bool


def abort(world: World, *, why: str = "", lock_timeout: float = 0.0) -> Aborted:
    """Withdraw the candidate: it gets no traffic, and no `switch` and no `terraform apply -var slot=production` does.

    The slot keeps its versions, so that a deploy of the same files offers it again without publishing. Raises
    UsageError when nothing was ever deployed. Whoever changes the environment is waited for `lock_timeout` seconds; who
    drives a rollout of the candidate is told, and waited for in any case.
    """
    name = world.workspace.environment.name
    require_deployed(world)
    rollout = RolloutStore(world.objects).under_way()
    if rollout is not None and is_driven(world):
        recall(world, rollout.release, why=why)  # it may have all traffic already, and be tested
        # Its driver has let go meanwhile, and we took it back: as was asked.
        with suppress(CameBack, Inconclusive, Refused):
            if tell(world, "abort", why=why).outcome == "promoted":
                return _too_late(world, rollout.release)
        return Aborted(environment=name, release=rollout.release, live=rollout.stable, changed=True)
    if rollout is None:
        return in_turn(world, lock_timeout, lambda: _abort(world, None, why))
    store = RolloutStore(world.objects)
    store.order(rollout, "abort", by=world.identity.caller(), why=why, at=world.clock.now())
    with told_of_the_order("abort"):
        return _abort(world, rollout, why)


def _abort(world: World, rollout: Rollout | None, why: str) -> Aborted:
    name = world.workspace.environment.name
    said = f"aborted by {world.identity.caller()}" + (f": {why}" if why else "")
    with exclusive(world, "abort", withdraws=said, returns=True) as session:
        if rollout is not None:
            return _without_a_driver(world, session, rollout, said, why)
        pointer = session.pointer() or Pointer()
        if (begun := _begun(read_history(world.objects), pointer)) is not None:
            bad, good = begun
            session.record("aborting", {"release": bad, "why": why})
            take_back(world, session, ReleaseStore(world.objects).require(bad), good, said)
            return Aborted(environment=name, release=bad, live=good, changed=True)
        if pointer.candidate is None:
            world.events.emit(NothingToDo(reason=f"no release waits beside {pointer.live_release}"))
            return Aborted(environment=name, release=None, live=pointer.live_release, changed=False)
        waited = pointer.slot(pointer.candidate).release
        session.record("aborting", {"release": waited, "slot": pointer.candidate, "why": why})
        reach(session, Settled(withdrawn=True), (f.physical for f in world.workspace.functions))
        follow(world, session)
        return Aborted(environment=name, release=waited, live=pointer.live_release, changed=True)


def _begun(history: History, pointer: Pointer) -> tuple[str, str] | None:
    """What a crash left with all traffic before it was found well, or on its way back, and what that goes back to."""
    promotion = history.cut_short(pointer)
    if promotion is not None and promotion.origin is not None:
        return promotion.target, promotion.origin
    move = history.move
    goes_back = move is not None and move.rollback and pointer.slot(pointer.idle).release == move.target
    if move is not None and goes_back and move.origin is not None and move.origin == pointer.live_release:
        return move.origin, move.target
    return None


def _without_a_driver(world: World, session: Session, rollout: Rollout, said: str, why: str) -> Aborted:
    """It went back when the lease was taken, unless its promotion had begun already."""
    pointer = session.pointer() or Pointer()
    begun = read_history(world.objects).cut_short(pointer)
    if pointer.live_release == rollout.release and begun is None:
        return _too_late(world, rollout.release)
    session.record("aborting", {"release": rollout.release, "why": why})
    if pointer.live_release == rollout.release:
        release = ReleaseStore(world.objects).require(rollout.release)
        undo(world, session, RolloutStore(world.objects), replace(rollout, reverting=said), release)
    else:
        follow(world, session)
    return Aborted(
        environment=world.workspace.environment.name, release=rollout.release, live=rollout.stable, changed=True
    )


def _too_late(world: World, live: str) -> Aborted:
    name = world.workspace.environment.name
    reason = f"release {live} has all traffic already; to go back: penstock rollback -e {name}"
    world.events.emit(NothingToDo(reason=reason))
    return Aborted(environment=name, release=None, live=live, changed=False)
