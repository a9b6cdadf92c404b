"""`penstock abort`: the candidate in the idle slot is none any more, and the traffic that it had goes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.events import NothingToDo
from penstock.model.release import Pointer
from penstock.operations.engine import names_of, settle_all
from penstock.operations.history import read_history
from penstock.operations.holder import in_turn
from penstock.operations.moves import take_back
from penstock.operations.orders import is_driven, order, told_of_the_order
from penstock.operations.pointer import read_pointer
from penstock.operations.recall import recall
from penstock.operations.rollout import undo
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.store import ReleaseStore
from penstock.operations.warmth import follow
from penstock.release.reconcile import Settled

if TYPE_CHECKING:
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
    require_deployed(world)
    rollout = RolloutStore(world.objects).under_way()
    if rollout is None:
        return in_turn(world, lock_timeout, lambda: _abort(world, why))
    ended = end_rollout(world, rollout, why=why, lock_timeout=lock_timeout)
    if ended is not None:
        return ended
    name = world.workspace.environment.name
    reason = f"release {rollout.release} has all traffic already; to go back: penstock rollback -e {name}"
    world.events.emit(NothingToDo(reason=reason))
    return Aborted(environment=name, release=None, live=rollout.release, changed=False)


def end_rollout(world: World, rollout: Rollout, *, why: str, lock_timeout: float) -> Aborted | None:
    """All traffic back from the rollout under way; None when its release has been promoted already.

    Who drives it is told. Raises Locked when a driver that is gone may still have calls under way after `lock_timeout`
    seconds.
    """
    if is_driven(world):
        recall(world, rollout.release, why=why)  # it may have all traffic already, and be tested
    taken = order(world, rollout, "abort", why=why)
    if taken is not None:
        return None if taken.outcome == "promoted" else _ended(rollout)
    with told_of_the_order("abort"):
        return in_turn(world, lock_timeout, lambda: _without_a_driver(world, rollout, why), beside=False)


def _abort(world: World, why: str) -> Aborted:
    name, said = world.workspace.environment.name, _said(world, why)
    with exclusive(world, "abort", withdraws=said, returns=True) as session:
        pointer = session.pointer() or Pointer()
        if (begun := read_history(world.objects).way_back(pointer)) is not None:
            bad, good = begun
            session.record("aborting", {"release": bad, "why": why})
            take_back(world, session, ReleaseStore(world.objects).require(bad), good, said)
            return Aborted(environment=name, release=bad, live=good, changed=True)
        if pointer.candidate is None:
            world.events.emit(NothingToDo(reason=f"no release waits beside {pointer.live_release}"))
            return Aborted(environment=name, release=None, live=pointer.live_release, changed=False)
        waited = pointer.waiting
        session.record("aborting", {"release": waited, "slot": pointer.candidate, "why": why})
        settle_all(world, session, names_of(world), Settled(withdrawn=True))
        follow(world, session)
        return Aborted(environment=name, release=waited, live=pointer.live_release, changed=True)


def _without_a_driver(world: World, rollout: Rollout, why: str) -> Aborted | None:
    """It goes back as the lease is taken, unless its promotion had begun already."""
    now = RolloutStore(world.objects).read()
    if now is None or now.id != rollout.id or now.outcome is not None:  # by whoever was waited for
        is_live = (read_pointer(world) or Pointer()).live_release == rollout.release
        return None if is_live else _ended(rollout)
    said = _said(world, why)
    with exclusive(world, "abort", withdraws=said, returns=True) as session:
        pointer = session.pointer() or Pointer()
        is_live = pointer.live_release == rollout.release
        if is_live and read_history(world.objects).way_back(pointer) is None:
            return None
        session.record("aborting", {"release": rollout.release, "why": why})
        if is_live:
            release = ReleaseStore(world.objects).require(rollout.release)
            undo(world, session, RolloutStore(world.objects), replace(rollout, reverting=said), release)
        else:
            follow(world, session)
    return _ended(rollout)


def _said(world: World, why: str) -> str:
    return f"aborted by {world.identity.caller()}" + (f": {why}" if why else "")


def _ended(rollout: Rollout) -> Aborted:
    return Aborted(environment=rollout.environment, release=rollout.release, live=rollout.stable, changed=True)
