"""What an earlier run left half-done is finished, or taken back, before anybody changes the environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.events import Recovered
from penstock.model.release import Pointer
from penstock.operations.arrivals import book_arrival
from penstock.operations.callers import may_be_called_by_live
from penstock.operations.decided import read_decided
from penstock.operations.engine import are_many, names_of, settle_callers
from penstock.operations.history import read_history
from penstock.operations.late import looked_after, somebody_late
from penstock.operations.moves import take_back
from penstock.operations.pointer import pointer_name, read_pointer
from penstock.operations.rollout_store import RolloutStore, unmark
from penstock.operations.store import ReleaseStore
from penstock.operations.warmth import follow
from penstock.release.effects import WritePointer
from penstock.release.reconcile import Settled, distrusted, left, reconcile
from penstock.rollout.strategies import ALL

if TYPE_CHECKING:
    from penstock.operations.history import History
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.release.effects import Effect
    from penstock.release.observed import Observed
    from penstock.rollout.state import Rollout


def repair(
    world: World, session: Session, *, resuming: str | None = None, why: str = "", returns: bool = False
) -> None:
    """Finish what a crash left between two effects: the pointer wins over stages and `live` aliases.

    A rollout that nobody goes on with goes back: `why`, or because its driver is gone. Traffic that was to go back, and
    could not, does so. A promotion that was cut short is finished, unless somebody wants its release back: what has cut
    it short may still be there. A command that `returns` is left to take back what is to go, and so is who goes on.
    """
    rollouts, late = RolloutStore(world.objects), somebody_late(world)
    rollout = rollouts.under_way()
    observed = _trusted(world, session, rollout)
    goes_on = rollout is not None and rollout.release == resuming and _can_go_on(rollout, observed.pointer)
    history = read_history(world.objects)  # which nobody but us books in, and we do so at the end
    back = _way_back(world, rollout, history, observed.pointer, returns=returns)
    if back is not None:
        book_arrival(world, session, observed.pointer, history)
        if not returns and not goes_on:
            _take_back(world, session, rollout, back, why, history)
            repair(world, session, resuming=resuming, why=why)
        return
    ended = history.way_back_to_end(observed.pointer)
    if rollout is not None and ended is not None and not returns and not goes_on:  # else whoever watches a bake ends it
        _take_back(world, session, rollout, ended, why, history)
        repair(world, session, resuming=resuming, why=why)
        return
    goal = Settled(shared=goes_on, withdrawn=rollout is not None and not goes_on)
    effects = reconcile(observed, goal)
    is_live = rollout is not None and observed.pointer.live_release == rollout.release
    if rollout is not None and not goes_on:
        rollout = rollout if is_live else replace(rollout, reverting=why or "its driver was gone")
        what = "its driver was gone; it has all traffic" if is_live else f"goes back: {rollout.reverting}"
        session.record("rollout", {"release": rollout.release, "what": what, "weight": rollout.weight})
    live = observed.pointer.live_release
    is_promoting = goes_on and bool(effects) and history.is_promoting(live)
    _let_consumers_go_first(world, session, rollout if is_promoting else None, goal)
    session.execute(effects)
    if late or not (goes_on or (rollout is None and history.rests_on(live))):
        effects += _settle_callers(world, session, rollout, goal)
    if effects:
        done = "; ".join(effect.describe() for effect in effects)
        told = why if rollout is not None and why else "an earlier run or a change by hand was unfinished"
        world.events.emit(Recovered(what=f"{told}: {done}"))
    if not goes_on:
        unmark(world, session)
    if effects or late or (rollout is not None and not goes_on):
        follow(world, session)
    if rollout is not None and not goes_on:
        now = world.traffic_clock.now()
        rollouts.save(rollout.ended("promoted" if is_live else "reverted", at=now), session)
    book_arrival(world, session, observed.pointer, history)
    looked_after(world, late)


def _let_consumers_go_first(world: World, session: Session, rollout: Rollout | None, goal: Settled) -> None:
    """As in the promotion that this goes on with, if there is one: they are to understand what HTTP callers write."""
    names = _concerned(world, rollout)
    if rollout is not None and are_many(names):
        settle_callers(world, session, may_be_called_by_live(world, names), goal, can_wait=True)


def _settle_callers(world: World, session: Session, rollout: Rollout | None, goal: Settled) -> tuple[Effect, ...]:
    """What is left when HTTP callers are where they belong.

    Nothing is, unless functions are so many that they were not looked at together with the stages.
    """
    names = _concerned(world, rollout)
    return settle_callers(world, session, names, goal) if are_many(names) else ()


def _concerned(world: World, rollout: Rollout | None) -> frozenset[str]:
    """A rollout is of its own functions and those that were live, whatever is checked out here."""
    both = (rollout.release, rollout.stable) if rollout is not None else ()
    return names_of(world, *filter(None, map(ReleaseStore(world.objects).get, both)))


def _way_back(
    world: World, rollout: Rollout | None, history: History, pointer: Pointer, *, returns: bool
) -> tuple[str, str] | None:
    """The release with all traffic that is to go, and where to: that was decided, or is by the order or by the command.

    Only as long as it was not found well.
    """
    way = history.way_back(pointer)
    if way is None or returns or (history.move is not None and history.move.rollback):
        return way
    is_unwanted = rollout is not None and (
        rollout.reverting is not None or RolloutStore(world.objects).is_called_off(rollout)
    )
    return way if is_unwanted else None


def _take_back(  # noqa: PLR0917 - all that `repair` knows
    world: World, session: Session, rollout: Rollout | None, way: tuple[str, str], why: str, history: History
) -> None:
    """End a way back that nobody else is about to end, and the rollout with it."""
    bad, good = way
    move = history.move
    said = why or (rollout and rollout.reverting) or (move and move.why) or "its way back was cut short"
    take_back(world, session, ReleaseStore(world.objects).require(bad), good, said)
    world.events.emit(Recovered(what=f"an earlier run was unfinished: all traffic is back on release {good}"))
    if rollout is not None and rollout.release == bad:
        unmark(world, session)
        ended = replace(rollout, weight=ALL, reverting=said).ended("reverted", at=world.traffic_clock.now())
        RolloutStore(world.objects).save(ended, session)


def _trusted(world: World, session: Session, rollout: Rollout | None) -> Observed:
    """What is there, with a pointer that names a whole release.

    Of many functions only the pointer and the stages: to read them back takes minutes, and a pointer that was decided
    names a release that was whole.
    """
    concerned = _concerned(world, rollout)
    is_decided = _refuse_what_nobody_decided(world, session)
    names = frozenset[str]() if are_many(concerned) else concerned
    observed = session.observe(names)
    serving, live = left(observed), observed.pointer.live_release
    release = ReleaseStore(world.objects).get(live) if serving and live else None
    if serving is None or release is None or (is_decided and are_many(concerned)):
        return observed
    whole = session.observe(concerned | {function.physical for function in release.functions.values()})
    late = distrusted(whole, release, serving)
    if late is not None:
        world.events.emit(Recovered(what=f"slot {whole.pointer.live} does not hold release {live}: it gets no traffic"))
        session.execute([late])
    return session.observe(names)


def _refuse_what_nobody_decided(world: World, session: Session) -> bool:
    """Put the pointer back where it is another one than was decided: a late write of who slept past his lease.

    A decision that its run did not live to carry out is none any more, so that it cannot be carried out late either.
    False where nothing can be told, because no decision was noted yet.
    """
    pointer, decided = read_pointer(world) or Pointer(), read_decided(world)
    if decided is None:
        return False
    if not decided.allows(pointer):
        what = f"somebody without the lease had the pointer name release {pointer.live_release}: it is put back"
        world.events.emit(Recovered(what=what))
        session.record("repaired", {"what": what, "pointer": pointer.to_text()})
        session.execute([WritePointer(name=pointer_name(world), pointer=decided.after)])
    elif pointer == decided.before != decided.after:
        session.undecide(pointer)
    return True


def _can_go_on(rollout: Rollout, pointer: Pointer) -> bool:
    """Whether its release still waits, or traffic is on its way back, which is gone on with in any case.

    One that was withdrawn was written down by a driver that had slept past its lease.
    """
    return rollout.release in (pointer.waiting, pointer.live_release) or rollout.reverting is not None
