"""Holding an environment while it is changed: lease, ledger, and the repair of what an earlier run left half-done."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.model.errors import LeaseLost, Locked, PenstockError, RemoteFault, UsageError
from penstock.model.events import Recovered
from penstock.model.release import Pointer
from penstock.operations import execute as interpreter
from penstock.operations import history as booked
from penstock.operations.arrivals import book_arrival
from penstock.operations.decided import read_decided, settle
from penstock.operations.engine import are_many, glance, names_of, observe, settle_callers
from penstock.operations.holder import leases_of
from penstock.operations.late import looked_after, note_late, somebody_late
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.pace import READ_BURST, Pace
from penstock.operations.pointer import pointer_name, read_pointer
from penstock.operations.rollout_store import RolloutStore, is_looked_after, unmark
from penstock.operations.store import ReleaseStore, rewrite
from penstock.operations.warmth import follow
from penstock.release.effects import WritePointer
from penstock.release.lease import describe
from penstock.release.reconcile import Settled, distrusted, left, reconcile
from penstock.rollout.strategies import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from penstock.operations.history import History
    from penstock.operations.store import HeldLease
    from penstock.operations.world import World
    from penstock.release.effects import Effect
    from penstock.release.observed import Observed
    from penstock.rollout.state import Rollout

HEARTBEAT = 15.0
"""Seconds between two looks at the lease while a step takes long: Terraform, a person at the prompt, a smoke test."""

TICK = "look after the rollout of release "
"""How the purpose of the controller's visits begins, which take seconds; with 1,000 functions minutes."""
VISIT, VISIT_LOOK = 30.0, 0.5
"""Seconds that a command waits for the end of such a visit, and between two looks."""

SETTLING = "settle what a command may have done after its lease was lost"

FRESH = 2.0
"""Seconds for which what was read back is believed while nothing of ours changes it: we hold the lease."""


class Session:
    """An environment that is ours to change.

    `actor` is the STS caller's ARN; `pace` that of calls to Lambda that move traffic; `succeeds` is the run that died
    holding the lease before us, and `succeeds_holder` whose it was; None when none did.
    """

    def __init__(self, world: World, *, actor: str, lease: HeldLease, ledger: LedgerStore) -> None:
        self._world = world
        self._lease = lease
        self._ledger = ledger
        self.actor = actor
        self.pace = Pace(world.clock)
        self._reading = Pace(world.clock, burst=READ_BURST)
        self.succeeds = lease.over.run if lease.over else None
        self.succeeds_holder = lease.over.holder if lease.over else None
        self._seen: tuple[float, frozenset[str], Observed] | None = None

    def observe(self, functions: Iterable[str]) -> Observed:
        """What is there: read back, unless that was done a moment ago and nothing was changed since."""
        names = frozenset(functions)
        found = self._fresh()
        if found is None or found[1] != names:
            seen = observe(self._world, names, self._reading)
            # Reading many takes minutes, in which nobody but us changes anything.
            found = self._seen = (self._world.clock.monotonic(), names, seen)
        return found[2]

    def glance(self, functions: Iterable[str]) -> Observed:
        """The same of nothing but what tells how traffic is shared: one call to Lambda for each function."""
        names = frozenset(functions)
        found = self._fresh()
        return found[2] if found is not None and names <= found[1] else glance(self._world, names, self._reading)

    def pointer(self) -> Pointer | None:
        """The environment's pointer, None before the first deploy; read as `observe` reads."""
        found = self._fresh()
        if found is not None and found[2].pointer != Pointer():
            return found[2].pointer
        return read_pointer(self._world)

    def execute(self, effects: Sequence[Effect]) -> None:
        """Do these effects in their order, each with its intent and outcome in the ledger."""
        if effects:
            self.forget()
            interpreter.execute(self._world, effects, ledger=self._ledger, lease=self._lease, pace=self.pace)

    def forget(self) -> None:
        """Read everything back the next time: something else than an effect has changed it, Terraform for example."""
        self._seen = None

    def _fresh(self) -> tuple[float, frozenset[str], Observed] | None:
        if self._seen is None or self._world.clock.monotonic() - self._seen[0] > FRESH:
            return None
        return self._seen

    def hold(self) -> None:
        """Make sure that the environment is still ours, whatever our clock says. Raises Locked when it is not."""
        self._lease.check()

    def keep(self) -> None:
        """The same for each of many calls in a row: it is looked at every few seconds. Raises Locked."""
        self._lease.keep()

    def rewrite(self, key: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace an object of the bucket by what `change` makes of it, as `store.rewrite` does."""
        rewrite(self._world.objects, self._lease, key, change)

    def book(self, change: Callable[[History], History]) -> None:
        """Change the history of what was promoted and rolled back. Raises Locked when the lease is lost."""
        self.rewrite(booked.KEY, lambda body: booked.to_body(change(booked.from_body(body))))

    def undecide(self, pointer: Pointer) -> None:
        """Note that the pointer says this, and that nobody is about to write another one."""
        settle(self._world, self._lease, pointer)

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event to the ledger."""
        self._ledger.append(kind, data)


@contextmanager
def exclusive(
    world: World,
    purpose: str,
    *,
    resuming: str | None = None,
    withdraws: str = "",
    returns: bool = False,
    story: str | None = None,
) -> Iterator[Session]:
    """Hold the environment's lease, with everything repaired that an interrupted run left behind.

    A rollout that lost its driver goes back to the stable release, unless it is the one of the release `resuming`.
    One that the controller drives is nobody's to end but who says so and why, by `withdraws`, until it is long overdue.
    A promotion that was cut short is finished, unless the command `returns`: then it is left for it to take back.
    Raises Locked, naming the holder, when somebody else is at it. With a `story` the ledger tells what is done as a
    part of the run of that id, and nothing when nothing is done.
    """
    actor = world.identity.caller()
    held, was_late = _acquire(world, actor, purpose), False
    ledger = LedgerStore(world.objects, clock=world.clock, actor=actor, run=story or world.run)
    ended = threading.Event()
    threading.Thread(target=heartbeat, args=(held, ended), daemon=True, name="lease").start()
    try:
        session = Session(world, actor=actor, lease=held, ledger=ledger)
        rollout = RolloutStore(world.objects).under_way()
        if (
            rollout is not None
            and is_looked_after(rollout, world.traffic_clock.now())
            and rollout.release != resuming
            and not withdraws
        ):
            raise _on_its_way(rollout)
        if story is None:
            session.record("began", {"purpose": purpose, "fence": held.lease.fence})
        if held.over is not None:
            left = describe(held.over, now=world.clock.now())
            session.record("took-over", {"from": held.over.run, "purpose": held.over.purpose})
            world.events.emit(Recovered(what=f"the lease of a run that ended without giving it back: {left}"))
        repair(world, session, resuming=resuming, why=withdraws, returns=returns)
        try:
            yield session
        except PenstockError as error:
            # Only the first line: what follows may quote a function's own words.
            what = error.what.partition("\n")[0]
            session.record("failed", {"error": type(error).__name__, "what": what, "purpose": purpose})
            raise
        if story is None:
            session.record("ended", {"purpose": purpose})
    except LeaseLost:
        was_late = True
        with suppress(RemoteFault):
            note_late(world, purpose)
        raise
    finally:
        ended.set()
        # A bucket that cannot be reached must not hide why the body ended; the lease expires by itself.
        with suppress(RemoteFault):
            ledger.close()
        with suppress(RemoteFault):
            held.give_back()
        if was_late and purpose != SETTLING:
            with suppress(PenstockError):
                _settle(world)


def _settle(world: World) -> None:
    """Look after what our own last call may have moved, if nobody is at work: whoever is does it, or is told."""
    if RolloutStore(world.objects).under_way() is None:
        with exclusive(world, SETTLING):
            pass


def heartbeat(held: HeldLease, ended: threading.Event) -> None:
    """Renew the lease while the process lives; when it is lost, the next effect's own look at it says so.

    A bucket that does not answer is asked again at the next beat: a hiccup must not cost a working command its lease.
    """
    while not ended.wait(HEARTBEAT):
        try:
            held.keep()
        except RemoteFault:
            continue
        except PenstockError:
            return


def _acquire(world: World, actor: str, purpose: str) -> HeldLease:
    """The environment's lease; a visit of the controller is waited for."""
    leases = leases_of(world)
    environment = world.workspace.environment.name
    deadline = world.clock.monotonic() + VISIT
    while True:
        try:
            return leases.acquire(holder=actor, pid=os.getpid(), run=world.run, purpose=purpose)
        except Locked as locked:
            stored = leases.read()
            # A visit that has ended since is none any more, and nobody to be refused for either.
            passes = stored is None or not stored.is_held or stored.lease.purpose.startswith(TICK)
            if passes and not purpose.startswith(TICK) and world.clock.monotonic() < deadline:
                world.clock.sleep(VISIT_LOOK)
                continue
            hint = locked.hint.replace("penstock unlock", f"penstock unlock -e {environment}")
            raise Locked(locked.what, where=f"{environment}: {locked.where}", hint=hint) from locked


def _on_its_way(rollout: Rollout) -> Locked:
    name = rollout.environment
    return Locked(
        f"release {rollout.release} is on its way, at {rollout.weight} %; the controller in the account drives it",
        where=name,
        hint=f"penstock status -e {name} --watch; to end it: penstock promote or penstock abort -e {name}",
    )


def require_deployed(world: World) -> None:
    """Raise UsageError where nothing was ever deployed: there is no bucket to hold a lease in."""
    name = world.workspace.environment.name
    if read_pointer(world) is None:
        raise UsageError(f"nothing is deployed in {name} yet", hint=f"penstock deploy -e {name}")


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
    back = _way_back(world, rollout, observed.pointer, returns=returns)
    if back is not None:
        book_arrival(world, session, observed.pointer)
        if not returns and not goes_on:
            _take_back(world, session, rollout, back, why)
            repair(world, session, resuming=resuming, why=why)
        return
    goal = Settled(shared=goes_on, withdrawn=rollout is not None and not goes_on)
    effects = reconcile(observed, goal)
    is_live = rollout is not None and observed.pointer.live_release == rollout.release
    if rollout is not None and not goes_on:
        rollout = rollout if is_live else replace(rollout, reverting=why or "its driver was gone")
        what = "its driver was gone; it has all traffic" if is_live else f"goes back: {rollout.reverting}"
        session.record("rollout", {"release": rollout.release, "what": what, "weight": rollout.weight})
    session.execute(effects)
    live = observed.pointer.live_release
    if late or not (goes_on or (rollout is None and booked.read_history(world.objects).rests_on(live))):
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
    book_arrival(world, session, observed.pointer)
    looked_after(world, late)


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


def _way_back(world: World, rollout: Rollout | None, pointer: Pointer, *, returns: bool) -> tuple[str, str] | None:
    """The release with all traffic that is to go, and where to: that was decided, or is by the order or by the command.

    Only as long as it was not found well.
    """
    history = booked.read_history(world.objects)
    way = history.way_back(pointer)
    if way is None or returns or history.going_back(pointer) is not None:
        return way
    is_unwanted = rollout is not None and (
        rollout.reverting is not None or RolloutStore(world.objects).is_called_off(rollout)
    )
    return way if is_unwanted else None


def _take_back(world: World, session: Session, rollout: Rollout | None, way: tuple[str, str], why: str) -> None:
    """End a way back that nobody else is about to end, and the rollout with it."""
    from penstock.operations.switch import take_back  # noqa: PLC0415 - it takes the lease itself, by `exclusive`

    bad, good = way
    said = why or (rollout.reverting if rollout is not None else None) or "its way back was cut short"
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

    False where it cannot be told, because no decision was noted yet.

    A decision that its run did not live to carry out is none any more, so that it cannot be carried out late either.
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
