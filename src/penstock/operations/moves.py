"""All traffic to a release that is loaded, and back when it is not well there.

A move is one decision (the pointer) followed by what makes it true (stage, `live` aliases, preview). Afterwards the
live routes are asked for their health; when they are not well, traffic goes back by itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from penstock.model.errors import Busy, CameBack, Conflict, PenstockError, RemoteFault
from penstock.model.release import Pointer, Release
from penstock.operations.arrivals import tell_arrival
from penstock.operations.engine import move_all, names_of, settle_callers
from penstock.operations.history import History, Move, read_history
from penstock.operations.notices import tell_topics
from penstock.operations.pace import OutOfTime
from penstock.operations.pointer import live_url
from penstock.operations.recall import recalled
from penstock.operations.smoke import smoke
from penstock.operations.steps import note, step, timestamp
from penstock.operations.store import ReleaseStore
from penstock.operations.verify import check_live
from penstock.operations.warmth import follow, warm
from penstock.release.ledger import PROMOTION, ROLLBACK
from penstock.release.reconcile import Applied, Live, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from penstock.model.workspace import Function
    from penstock.operations.notices import Kind
    from penstock.operations.session import Session
    from penstock.operations.world import World

Done = TypeVar("Done")


def go_live(world: World, session: Session, release: Release, applied: Applied, *, is_rollback: bool = False) -> None:
    """Move all traffic to the release, then make sure that it is well there.

    Raises CameBack when it was not and traffic is back on the release before; a rollback is never taken back.
    """
    pointer = session.pointer() or Pointer()
    history = read_history(world.objects)
    previous = origin_of(history, pointer.live_release, release.id)
    move = Move(origin=previous, target=release.id, rollback=is_rollback, by=session.actor, run=session.run)
    if previous != release.id and history.move != move:
        session.book(lambda history: history.beginning(move))
    names = names_of(world, release)
    if not is_rollback and pointer.slot(pointer.idle).release == release.id:
        warm(world, session)  # a rollback does not wait
    goal = Live(release=release, applied=applied, returns=is_rollback)
    origin = None if is_rollback or previous == release.id else previous
    left = _move(world, session, goal, names, origin=origin)
    if previous != release.id and not history.has_booked(release.id):
        _tell(world, session, previous, ROLLBACK if is_rollback else PROMOTION)
    at = timestamp(world)
    session.book(lambda history: history.arrived(release.id, at=at, by=session.actor, run=world.run))
    follow(world, session)
    with step(world, "check the live release"):
        failures = check_live(world, _of(world, release))
        if not failures and not is_rollback:
            failures = smoke(world, live_url(world) or "", unwanted=lambda: bool(_called(world, release)))
    called = "" if is_rollback else _called(world, release)
    is_well = not failures and not called
    stays = is_rollback or previous in (None, release.id)  # there is nowhere to go back to
    if is_well or stays:
        with _or_back(world, session, release, origin):
            _let_the_rest_follow(world, session, left)
    if is_well:
        session.book(History.settled)
        if previous != release.id:
            what = f"release {release.id} is live{' again' if is_rollback else ''}"
            kind: Kind = "rolled-back" if is_rollback else "live"
            tell_topics(world, kind, release=release.id, previous=previous, what=what)
        return
    if stays or previous is None:
        session.book(History.settled)
        if not failures:  # it is well, and this run has brought nothing that it could take back
            note(world, f"release {release.id} was {called}, who goes on when this command has ended")
            return
        what = f"release {release.id} is live and not well"
        tell_topics(world, "not-well", release=release.id, previous=previous, what=what)
        raise PenstockError(
            "the live release is not well, and there is no better one to go to\n" + "\n".join(failures),
            where=world.workspace.environment.name,
            hint=f"penstock status -e {world.workspace.environment.name}",
        )
    take_back(world, session, release, previous, called or "the new release was not well")
    what = f"release {release.id} was {called or 'not well with traffic'}; all of it is back on {previous}"
    raise CameBack(
        "\n".join([what, *failures]), where=world.workspace.environment.name, hint="mend the code and deploy again"
    )


def take_back(world: World, session: Session, bad: Release, previous: str, why: str) -> None:
    """All traffic from a release that the pointer names to the one before, which is told and booked."""
    good = ReleaseStore(world.objects).require(previous)
    move = Move(origin=bad.id, target=previous, rollback=True, by=session.actor, run=session.run, why=why)
    session.book(lambda history: history.beginning(move))
    names = {function.physical for release in (bad, good) for function in release.functions.values()}
    with step(world, f"bring traffic back to release {previous}"):
        move_all(world, session, Live(release=good, applied=Applied(), returns=True), names)
    _tell(world, session, bad.id, why)
    at = timestamp(world)
    session.book(lambda history: history.arrived(previous, at=at, by=session.actor, run=world.run).settled())
    follow(world, session)
    what = f"release {bad.id} has no traffic: {why}; all of it is back on {previous}"
    tell_topics(world, "came-back", release=bad.id, previous=previous, what=what)


def go_back(world: World, session: Session, bad: Release, previous: str, why: str) -> NoReturn:
    """The same, and the end of who does it: raises CameBack."""
    take_back(world, session, bad, previous, why)
    raise CameBack(
        f"release {bad.id} went back: {why}; all traffic is on {previous}",
        where=world.workspace.environment.name,
        hint="mend the code and deploy again",
    )


def origin_of(history: History, live: str | None, release: str) -> str | None:
    """What traffic comes from when it moves to the release: from the live one, unless that is this one already.

    Then an earlier run died around the move: after it had moved traffic here and before it had looked, or while it was
    taking traffic back from here.
    """
    move = history.move
    if live != release or move is None:
        return live
    if move.target == live:
        return move.origin
    return move.target if move.rollback and move.origin == live else live


def _called(world: World, release: Release) -> str:
    """Who wants to go back from it, in words; a bucket that does not answer must not leave the move unsettled."""
    try:
        return recalled(world, release.id)
    except RemoteFault:
        return ""


def _move(world: World, session: Session, goal: Live, names: Collection[str], *, origin: str | None) -> frozenset[str]:
    """Make the move; the functions whose `live` is still to follow, which nobody calls by it.

    A move that AWS refuses half-way is taken back to `origin`, if there is one: CameBack.
    """
    with (
        _or_back(world, session, goal.release, origin),
        step(world, f"move traffic to release {goal.release.id}", inner=True),
    ):
        return _once_more(session, lambda: move_all(world, session, goal, names))


def _once_more(session: Session, act: Callable[[], Done]) -> Done:
    """What it does; done once more where somebody else, Terraform say, was changing something at that moment."""
    try:
        return act()
    except Conflict:
        session.forget()
        return act()


def _let_the_rest_follow(world: World, session: Session, functions: frozenset[str]) -> None:
    """Let `live` follow where nobody calls it, from where an earlier visit stopped for want of time.

    One that died may have had a call under way: behind it all of them are looked at.
    """
    move = read_history(world.objects).move
    reached = move.reached if move is not None and session.succeeds is None else ""
    left = frozenset(name for name in functions if name >= reached)
    try:
        _once_more(session, lambda: settle_callers(world, session, left, Settled(withdrawn=True), can_wait=True))
    except OutOfTime as stopped:
        function = stopped.at
        session.book(lambda history: history.reaching(function))
        raise


@contextmanager
def _or_back(world: World, session: Session, release: Release, origin: str | None) -> Iterator[None]:
    """What AWS refuses of the move to the release takes all of it back to `origin`, if there is one: CameBack."""
    try:
        yield
    except RemoteFault as fault:
        session.forget()
        moved = isinstance(fault, Busy) or (session.pointer() or Pointer()).live_release == release.id
        if origin is None or not moved:
            raise
        take_back(world, session, release, origin, "AWS did not take the whole move")
        raise CameBack(
            f"AWS did not take the move to release {release.id}; all traffic is on {origin}\n  {fault}",
            where=world.workspace.environment.name,
            hint=fault.hint or "wait until AWS is well and deploy again",
        ) from fault


def _tell(world: World, session: Session, previous: str | None, why: str) -> None:
    tell_arrival(world, session, session.pointer() or Pointer(), previous, why)


def _of(world: World, release: Release) -> list[Function]:
    return [function for function in world.workspace.functions if function.key in release.functions]
