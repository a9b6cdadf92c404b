"""Moving traffic: `go_live` for a release that is loaded, `switch` and `rollback` for people.

A move is one decision (the pointer) followed by what makes it true (stage, `live` aliases, preview). Afterwards the
live routes are asked for their health; when they are not well, traffic goes back by itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from penstock.model.errors import Busy, CameBack, Conflict, PenstockError, Refused, RemoteFault, UsageError
from penstock.model.events import NothingToDo
from penstock.model.names import instead_of
from penstock.model.release import Pointer, Release
from penstock.operations.alarms import quiet_alarms
from penstock.operations.arrivals import tell_arrival
from penstock.operations.assemble import services_from
from penstock.operations.engine import are_many, move_all, names_of, reach, settle_callers
from penstock.operations.history import History, Move, read_history
from penstock.operations.holder import in_turn, no_rollout_on_its_way
from penstock.operations.notices import tell_topics
from penstock.operations.pace import OutOfTime
from penstock.operations.pointer import live_url, read_pointer
from penstock.operations.recall import recall, recalled
from penstock.operations.removals import refuse_what_is_missing
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.smoke import smoke
from penstock.operations.steps import note, step, timestamp, warn
from penstock.operations.store import ReleaseStore
from penstock.operations.targets import target_of
from penstock.operations.terraform import contract, read_applied, read_wanted
from penstock.operations.verify import check_live, verify_release
from penstock.operations.warmth import follow, warm
from penstock.policy.destruction import HOLDS_DATA
from penstock.release.ledger import PROMOTION, ROLLBACK
from penstock.release.reconcile import Applied, Live, Loaded, Settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.model.workspace import Function
    from penstock.operations.notices import Kind
    from penstock.operations.session import Session
    from penstock.operations.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a switch or a rollback ended."""

    environment: str
    release: str
    previous: str | None
    changed: bool
    url: str | None
    is_rollback: bool = False


def switch(world: World, *, why: str = "", lock_timeout: float = 0.0) -> Moved:
    """Send all traffic to the release that waits in the idle slot. Raises UsageError when none waits.

    Whoever changes the environment is waited for `lock_timeout` seconds. Raises CameBack when it was not well there, or
    an alarm rang while it baked.
    """
    require_deployed(world)
    return in_turn(world, lock_timeout, lambda: _switch(world, why))


def _switch(world: World, why: str) -> Moved:
    from penstock.operations.bake import bake, begin_bake, behind  # noqa: PLC0415 - it takes back what was moved here

    with exclusive(world, "switch") as session:
        pointer = session.pointer() or Pointer()
        if pointer.candidate is None:
            return _nothing_waits(world, pointer)
        session.record("switching", {"release": pointer.waiting, "why": why})
        release = ReleaseStore(world.objects).require(pointer.waiting)
        alarms = quiet_alarms(world) if world.workspace.environment.rollout.bake_after else ()
        go_live(world, session, release, Applied())
        baking = begin_bake(world, session, release.id, pointer.live_release, alarms)
        if baking is None:
            _contract_to_what_was_admitted(world, session, release)
    if baking is not None and bake(world, baking):
        with behind(world, baking) as session:
            if session is not None:
                _contract_to_what_was_admitted(world, session, release)
    return _moved(world, release, pointer)


def _contract_to_what_was_admitted(world: World, session: Session, release: Release) -> None:
    """Remove what only the release before needed: by the root that was admitted, not by what is checked out here.

    That of a later deploy, which came no further, may lack what this release uses: nothing is removed by it.
    """
    shape = read_wanted(world)
    if shape is None or shape.release != release.id:
        return
    contract(
        world,
        session,
        release,
        shape,
        retained=read_applied(world).retained,
        admitted=lambda change: change.type not in HOLDS_DATA or change.action not in ("delete", "replace"),
    )


def rollback(
    world: World,
    *,
    to: str | None = None,
    services: Collection[str] = (),
    why: str = "",
    lock_timeout: float = 0.0,
) -> Moved:
    """Go back to the last promoted release, to a named one, or with some services only.

    The release before is still complete in the idle slot, so this is one move of traffic; an older one, and one that
    was found bad, is verified there first. A rollback that was killed is finished by the same command.

    Whoever changes the environment is waited for `lock_timeout` seconds, and asked to give way unless only some
    services go back: a command that has promoted the live release and still tests it takes it back itself. The plain
    form ends a rollout under way; the others raise Locked at once beside one.
    """
    require_deployed(world)
    if to is None and not services:
        back = _from_rollout(world, why, lock_timeout)
        if back is not None:
            return back
    else:
        no_rollout_on_its_way(world)
    leaving, known = (read_pointer(world) or Pointer()).live_release, len(read_history(world.objects).promotions)
    if leaving is not None and lock_timeout and not services and not (to and leaving.startswith(to)):
        recall(world, leaving, why=why)  # with some services only, the rest of it is to stay

    def go() -> Moved:
        return (_overtaken(world, leaving, known) if to is None else None) or _rollback(world, to, services, why)

    return in_turn(world, lock_timeout, go)


def _overtaken(world: World, leaving: str | None, known: int) -> Moved | None:
    """What there is to say when traffic has left the release while somebody else was waited for; None when it has not.

    Raises Refused where it went on to another one: nobody asked to go back from that.
    """
    live, history = (read_pointer(world) or Pointer()).live_release, read_history(world.objects)
    if live is None or live == leaving or len(history.promotions) == known or history.latest is None:
        return None
    name = world.workspace.environment.name
    if not history.latest.by_rollback:
        raise Refused(
            f"release {live} went live while this command waited, and nobody asked to go back from that",
            where=name,
            hint=f"penstock status -e {name}; if it is not well: penstock rollback -e {name}",
        )
    return Moved(environment=name, release=live, previous=leaving, changed=True, url=live_url(world), is_rollback=True)


def _rollback(world: World, to: str | None, services: Collection[str], why: str) -> Moved:
    latest = to is None and not services
    with exclusive(world, f"rollback to {to}" if to else "rollback", returns=latest) as session:
        pointer = session.pointer() or Pointer()
        live = ReleaseStore(world.objects).require(pointer.live_release)
        history = read_history(world.objects)
        begun = history.way_back(pointer) if latest else None
        if begun is not None:
            session.record("rolling-back", {"from": live.id, "to": begun[1], "why": why})
            take_back(world, session, live, begun[1], f"rollback: {why}" if why else "rollback")
            return _moved(world, ReleaseStore(world.objects).require(begun[1]), pointer, is_rollback=True)
        unfinished = _is_unfinished(history, live, session.succeeds)
        target = live if unfinished and to is None else target_of(world, live, to, history)
        if to is None and not unfinished:
            refuse_what_is_missing(world, target, live, history)
        if services:
            _knows(live, services)
            target = services_from(target, live, services)
        if target.id == live.id and not unfinished:
            world.events.emit(NothingToDo(reason=f"release {live.id} is live already"))
            return Moved(
                environment=target.environment, release=live.id, previous=live.id, changed=False, url=live_url(world)
            )
        ReleaseStore(world.objects).save(target)
        session.record("rolling-back", {"from": live.id, "to": target.id, "why": why})
        if pointer.live_release != target.id:
            _make_ready(world, session, target, live, history)
        go_live(world, session, target, Applied(), is_rollback=True)
        if live.id != target.id:
            warn(
                world,
                f"the code that made {live.id} is not changed by this: deployed again, it brings that release back",
            )
        return _moved(world, target, pointer, is_rollback=True)


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
    if (not failures and not called) or is_rollback or previous is None or previous == release.id:
        with _or_back(world, session, release, origin):
            _follow_at_leisure(world, session, left)
    if not failures and not called:
        session.book(History.settled)
        if previous != release.id:
            what = f"release {release.id} is live{' again' if is_rollback else ''}"
            kind: Kind = "rolled-back" if is_rollback else "live"
            tell_topics(world, kind, release=release.id, previous=previous, what=what)
        return
    if is_rollback or previous is None or previous == release.id:
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


def _called(world: World, release: Release) -> str:
    """Who wants to go back from it, in words; a bucket that does not answer must not leave the move unsettled."""
    try:
        return recalled(world, release.id)
    except RemoteFault:
        return ""


def _move(world: World, session: Session, goal: Live, names: Collection[str], *, origin: str | None) -> frozenset[str]:
    """Make the move; once more where somebody else, Terraform say, was changing something at that moment.

    Functions whose `live` is still to follow, which nobody calls by it. A move that AWS refuses half-way is taken back
    to `origin`, if there is one: CameBack.
    """
    with (
        _or_back(world, session, goal.release, origin),
        step(world, f"move traffic to release {goal.release.id}", inner=True),
    ):
        try:
            return move_all(world, session, goal, names)
        except Conflict:
            session.forget()
            return move_all(world, session, goal, names)


def _follow_at_leisure(world: World, session: Session, functions: frozenset[str]) -> None:
    """Let `live` follow where nobody calls it, from where an earlier visit stopped for want of time.

    One that died may have had a call under way: behind it all of them are looked at.
    """
    move = read_history(world.objects).move
    reached = move.reached if move is not None and session.succeeds is None else ""
    left = frozenset(name for name in functions if name >= reached)
    try:
        settle_callers(world, session, left, Settled(withdrawn=True))
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


def _from_rollout(world: World, why: str, lock_timeout: float) -> Moved | None:
    """Back from the share of traffic that a rollout has given to a candidate; None when none is under way."""
    from penstock.operations.abort import end_rollout  # noqa: PLC0415 - it moves traffic itself, by `go_live`

    rollout = RolloutStore(world.objects).under_way()
    if rollout is None:
        return None
    done = end_rollout(world, rollout, why=f"rollback: {why}" if why else "rollback", lock_timeout=lock_timeout)
    if done is None:
        return None  # its driver was quicker, and all traffic is on the candidate: an ordinary rollback
    return Moved(
        environment=done.environment,
        release=done.live or "",
        previous=done.release,
        changed=True,
        url=live_url(world),
        is_rollback=True,
    )


def _make_ready(world: World, session: Session, target: Release, live: Release, history: History) -> None:
    """The target complete in the idle slot, and verified there unless it has been well with traffic before."""
    names = {function.physical for release in (live, target) for function in release.functions.values()}
    pointer = session.pointer() or Pointer()
    if are_many(names) and pointer.slot(pointer.idle).release == target.id and history.was_well(target.id):
        return  # reading them back comes after the move
    loaded = Loaded(release=target, applied=Applied(), offered=False)
    effects = reach(session, loaded, names)
    if not effects and history.was_well(target.id):
        return
    slot = pointer.idle
    moved = target.changed_from(live)
    changed = [f for f in world.workspace.functions if f.key in moved]
    with step(world, f"verify slot {slot}"):
        verify_release(world, session, target.id, slot, changed)


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


def _is_unfinished(history: History, live: Release, succeeds: str | None) -> bool:
    """Whether a rollback to the live release was killed, be it before it had looked whether that is well or after.

    The same command again then finishes it and goes back no further. `succeeds` is the run whose lease was taken over.
    """
    if history.move is not None and history.move.rollback and history.move.target == live.id:
        return True
    latest = history.latest
    return latest is not None and latest.by_rollback and latest.release == live.id and latest.run == succeeds


def take_back(world: World, session: Session, bad: Release, previous: str, why: str) -> None:
    """All traffic from a release that the pointer names to the one before, which is told and booked."""
    good = ReleaseStore(world.objects).require(previous)
    move = Move(origin=bad.id, target=previous, rollback=True, by=session.actor, run=session.run)
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


def _tell(world: World, session: Session, previous: str | None, why: str) -> None:
    tell_arrival(world, session, session.pointer() or Pointer(), previous, why)


def _knows(live: Release, services: Collection[str]) -> None:
    known = {function.service for function in live.functions.values()}
    unknown = sorted(set(services) - known)
    if unknown:
        raise UsageError(f"there is no service {', '.join(unknown)}", hint=instead_of(unknown, known))


def _nothing_waits(world: World, pointer: Pointer) -> Moved:
    name = world.workspace.environment.name
    if pointer.live_release is None:
        raise UsageError(f"nothing is deployed in {name} yet", hint=f"penstock deploy -e {name}")
    world.events.emit(NothingToDo(reason=f"no release waits beside {pointer.live_release}"))
    return Moved(
        environment=name,
        release=pointer.live_release,
        previous=pointer.live_release,
        changed=False,
        url=live_url(world),
    )


def _moved(world: World, release: Release, before: Pointer, *, is_rollback: bool = False) -> Moved:
    return Moved(
        environment=world.workspace.environment.name,
        release=release.id,
        previous=before.live_release,
        changed=True,
        url=live_url(world),
        is_rollback=is_rollback,
    )


def _of(world: World, release: Release) -> list[Function]:
    return [function for function in world.workspace.functions if function.key in release.functions]
