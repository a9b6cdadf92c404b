"""The bake after all traffic has moved: nothing is left to compare with, so alarms alone are watched.

Whoever moved traffic watches, and without the lease: a rollback, or a deploy that mends, waits for nobody. Nothing is
half-made meanwhile: the release is promoted, and who dies or is interrupted here leaves it so. What only the release
before needs stays until the bake has ended, so that an alarm finds everything to go back to.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, NoReturn

from penstock.model.errors import CameBack, Locked, Refused, RemoteFault
from penstock.model.release import Pointer
from penstock.operations.alarms import read_alarms
from penstock.operations.history import read_history
from penstock.operations.late import somebody_late
from penstock.operations.moves import go_back
from penstock.operations.pointer import agrees, live_stage, read_pointer
from penstock.operations.removals import refuse_what_is_missing
from penstock.operations.rollout_store import RolloutStore, is_marked
from penstock.operations.session import exclusive
from penstock.operations.steps import note, step, warn
from penstock.operations.store import ReleaseStore
from penstock.rollout.strategies import ALL, duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.state import Rollout

KEY = "rollout/bake.json"
"""The last bake that is not one behind a rollout: `rollout.json` tells of those."""

LOOK = 5.0
"""Seconds between two looks."""
PATIENCE = 600.0
"""Seconds after the end for which a look that AWS refuses is repeated: ten minutes, as long as a rollback waits."""

Place = Literal["here", "going back", "rolled back", "gone"]
"""Where traffic is: as the move left it, on its way back from the release, back, or with another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baking:
    """A release that has all traffic, and the one that had it before. `until` is in seconds of the metrics' clock."""

    release: str
    previous: str
    alarms: tuple[str, ...]
    until: float


def begin_bake(
    world: World, session: Session, release: str, previous: str | None, alarms: Collection[str]
) -> Baking | None:
    """What is to be watched now that the release has all traffic, told to the ledger; None where nothing is.

    It is written down as well, for whoever deploys the same release again before it is over.

    Args:
        world: the environment.
        session: its lease.
        release: what went live.
        previous: what had the traffic before; None when nothing had, or the release itself.
        alarms: those that were quiet when traffic began to move.
    """
    seconds = world.workspace.environment.rollout.bake_after
    if not seconds or not alarms or previous is None or previous == release:
        return None
    until = world.traffic_clock.now() + seconds
    baking = Baking(release=release, previous=previous, alarms=tuple(sorted(alarms)), until=until)
    session.rewrite(KEY, lambda _before: json.dumps(asdict(baking), sort_keys=True).encode())
    _tell(session, baking, seconds)
    return baking


def begin_behind(world: World, session: Session, rollout: Rollout) -> Baking | None:
    """The same behind a rollout that has ended, which is written down itself."""
    baking, seconds = baking_of(world, rollout), world.workspace.environment.rollout.bake_after
    if baking is None:
        return None
    _tell(session, baking, seconds)
    return replace(baking, until=world.traffic_clock.now() + seconds)


def bake_under_way(world: World, release: str) -> Baking | None:
    """The bake of this release that an earlier command or the controller has begun, and that is not over."""
    rollout, stored = RolloutStore(world.objects).read(), world.objects.get(KEY)
    found = [baking_of(world, rollout)] if rollout is not None else []
    if stored is not None:
        written = json.loads(stored.body)
        found.append(Baking(**{**written, "alarms": tuple(written["alarms"])}))
    now = world.traffic_clock.now()
    return next((one for one in found if one is not None and one.release == release and now < one.until), None)


def _tell(session: Session, baking: Baking, seconds: float) -> None:
    what = f"it is live; for {duration(seconds)} an alarm takes it back: {', '.join(baking.alarms)}"
    session.record("rollout", {"release": baking.release, "weight": ALL, "what": what})


def baking_of(world: World, rollout: Rollout) -> Baking | None:
    """What is watched behind a rollout, by whoever knows no more than that; None where nothing is.

    What rang on both sides when it ended tells nothing of the candidate, nor does what rang while nobody could tell: a
    person has promoted it all the same.
    """
    alarms = tuple(sorted(set(rollout.alarms) - set(rollout.shared_alarms) - set(rollout.open_alarms)))
    seconds = world.workspace.environment.rollout.bake_after
    if rollout.outcome != "promoted" or not seconds or not alarms:
        return None
    return Baking(release=rollout.release, previous=rollout.stable, alarms=alarms, until=rollout.ended_at + seconds)


def bake(world: World, baking: Baking) -> bool:
    """Watch to the end; whether the release is live then, and nobody has brought another one.

    What AWS refuses is told and looked at again: nobody else may be there to take the release back. Raises CameBack
    when it is not live any more: because an alarm rang, which brought traffic back, or because somebody rolled it back
    meanwhile. Raises RemoteFault when AWS still refuses ten minutes after the end.
    """
    told, rang = "", list[str]()
    seconds = max(baking.until - world.traffic_clock.now(), 0.0)
    with step(world, f"watch alarms for {duration(round(seconds))}") as handle:
        try:
            while True:
                left = baking.until - world.traffic_clock.now()
                try:
                    place, problem, is_over = _look(world, baking, rang)
                except RemoteFault as fault:
                    if left <= -PATIENCE:
                        raise
                    place, problem, is_over = "here", fault.what, False
                if place == "gone":
                    handle.skip("somebody brings another release")
                    return False
                if problem and problem != told:
                    warn(world, problem)
                told = problem
                if left <= 0 and is_over:
                    return True
                world.traffic_clock.sleep(min(LOOK, left) if left > 0 else LOOK)
        except KeyboardInterrupt:
            warn(world, f"release {baking.release} keeps all traffic, and nobody watches its alarms any more")
            raise


def _look(world: World, baking: Baking, rang: list[str]) -> tuple[Place, str, bool]:
    """Where traffic is, what there is to tell, and whether nothing needs another look. Raises CameBack, RemoteFault.

    `rang` is what rang at the last look, for a way back that AWS refused half-way.
    """
    place = _place(world, baking)
    if place == "gone":
        return place, "", True
    problem = ""
    if place == "here":
        rang[:], problem = read_alarms(world, baking.alarms)
    if rang or place == "going back":
        return place, _bring_back(world, baking, _why(rang)), False
    return place, problem, True


@contextmanager
def behind(world: World, baking: Baking) -> Iterator[Session | None]:
    """Hold the environment once more, to remove what only the release before needed; None where that is not ours.

    Somebody who holds it, or has moved on, does that with their own deploy; that it is left to one is told.
    """
    with ExitStack() as held:
        ours: Session | None = None
        try:
            session = held.enter_context(exclusive(world, f"end the bake of release {baking.release}"))
            ours = session if _place(world, baking) == "here" else None
        except (Locked, RemoteFault) as kept:
            left = f"what only release {baking.previous} needs, if anything, is left to the next penstock deploy"
            note(world, f"{left} -e {world.workspace.environment.name}: {kept.what}")
        yield ours


def is_quiet(world: World, baking: Baking) -> bool:
    """Whether a look without the lease finds no alarm that rings, and pointer, stage and mark as the move left them.

    The functions' aliases are not asked for, two calls each: the last visit, which takes the lease, puts them right.
    """
    pointer = read_pointer(world) or Pointer()
    if not _is_as_left(pointer, baking) or not agrees(pointer, live_stage(world), shared=False) or is_marked(world):
        return False
    if read_history(world.objects).is_taking_back(baking.release, baking.previous) or somebody_late(world):
        return False
    rings, problem = read_alarms(world, baking.alarms)
    if problem:
        warn(world, problem)
    return not rings


def look_once(world: World, session: Session, baking: Baking) -> bool:
    """One look, by who holds the environment; whether there is to be another one.

    Raises CameBack when an alarm rings and traffic is back, or when a way back that AWS had refused half-way is ended.
    """
    place = _where(world, baking)
    if place == "going back":
        _take_back(world, session, baking, _why(()))
    if place != "here" or world.traffic_clock.now() > baking.until:
        return False
    rings, problem = read_alarms(world, baking.alarms)
    if problem:
        warn(world, problem)
    if rings:
        _take_back(world, session, baking, _why(rings))
    return True


def _bring_back(world: World, baking: Baking, why: str) -> str:
    """All traffic back to the release before, which raises CameBack; else what keeps it, in words: look again.

    A move back that somebody has begun is ended as well: AWS may have refused the half of our own.
    """
    try:
        with exclusive(world, f"take release {baking.release} back", returns=True) as session:
            if _place(world, baking) != "gone":
                _take_back(world, session, baking, why)
    except Locked as locked:
        return f"{why}, and {locked.what}"
    except RemoteFault as fault:
        raise RemoteFault(f"{why}, and {fault.what}", where=fault.where, hint=fault.hint) from fault
    return ""


def _take_back(world: World, session: Session, baking: Baking, why: str) -> NoReturn:
    releases = ReleaseStore(world.objects)
    release, good = releases.require(baking.release), releases.require(baking.previous)
    try:
        refuse_what_is_missing(world, good, release, read_history(world.objects))
    except Refused as refused:
        raise Refused(f"{why}, and {refused.what}", where=refused.where, hint=refused.hint) from refused
    session.record("rolling-back", {"from": release.id, "to": good.id, "why": why})
    go_back(world, session, release, good.id, why)


def _place(world: World, baking: Baking) -> Place:
    """Where traffic is. Raises CameBack when somebody rolled the release back."""
    place, name = _where(world, baking), world.workspace.environment.name
    if place == "rolled back":
        live = (read_pointer(world) or Pointer()).live_release
        raise CameBack(
            f"release {baking.release} was rolled back; all traffic is on {live}",
            where=name,
            hint=f"penstock audit -e {name} tells why",
        )
    return place


def _where(world: World, baking: Baking) -> Place:
    pointer = read_pointer(world) or Pointer()
    history, is_as_left = read_history(world.objects), _is_as_left(pointer, baking)
    if history.is_taking_back(baking.release, baking.previous) and (
        is_as_left or pointer.live_release == baking.previous
    ):
        return "going back"
    if is_as_left:
        return "here"
    is_bad = pointer.live_release != baking.release and baking.release in history.bad()
    return "rolled back" if is_bad else "gone"


def _is_as_left(pointer: Pointer, baking: Baking) -> bool:
    waits = pointer.slot(pointer.idle).release
    return (pointer.live_release, pointer.candidate, waits) == (baking.release, None, baking.previous)


def _why(rings: Collection[str]) -> str:
    return f"alarm {', '.join(rings)} rings" if rings else "its way back was cut short"
