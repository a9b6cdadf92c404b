"""What people say of all traffic: `switch` to the release that waits, `rollback` to one that was live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.errors import Refused, UsageError
from penstock.model.events import NothingToDo
from penstock.model.names import instead_of
from penstock.model.release import Pointer, Release
from penstock.operations.alarms import quiet_alarms
from penstock.operations.assemble import services_from
from penstock.operations.bake import bake, begin_bake, behind
from penstock.operations.engine import are_many, reach
from penstock.operations.history import History, read_history
from penstock.operations.holder import in_turn, no_rollout_on_its_way
from penstock.operations.moves import go_live, take_back
from penstock.operations.pointer import live_url, read_pointer
from penstock.operations.recall import recall
from penstock.operations.removals import refuse_what_is_missing
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.steps import step, warn
from penstock.operations.store import ReleaseStore
from penstock.operations.targets import target_of
from penstock.operations.terraform import contract, read_applied, read_wanted
from penstock.operations.verify import verify_release
from penstock.operations.way_back import way_back
from penstock.policy.destruction import HOLDS_DATA
from penstock.release.reconcile import Applied, Loaded

if TYPE_CHECKING:
    from collections.abc import Collection

    from penstock.operations.session import Session
    from penstock.operations.way_back import WayBack
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
    back: WayBack | None = None
    """How traffic comes back from it; None where nothing is to go back to, and behind a rollback."""


def switch(world: World, *, why: str = "", lock_timeout: float = 0.0) -> Moved:
    """Send all traffic to the release that waits in the idle slot. Raises UsageError when none waits.

    Whoever changes the environment is waited for `lock_timeout` seconds. Raises CameBack when it was not well there, or
    an alarm rang while it baked.
    """
    require_deployed(world)
    return in_turn(world, lock_timeout, lambda: _switch(world, why))


def _switch(world: World, why: str) -> Moved:
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
    return replace(_moved(world, release, pointer), back=way_back(world))


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


def _is_unfinished(history: History, live: Release, succeeds: str | None) -> bool:
    """Whether a rollback to the live release was killed, be it before it had looked whether that is well or after.

    The same command again then finishes it and goes back no further. `succeeds` is the run whose lease was taken over.
    """
    if history.move is not None and history.move.rollback and history.move.target == live.id:
        return True
    latest = history.latest
    return latest is not None and latest.by_rollback and latest.release == live.id and latest.run == succeeds


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
