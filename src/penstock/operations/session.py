"""Holding an environment while it is changed: lease and ledger, and what an earlier run left is repaired first."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.errors import LeaseLost, Locked, PenstockError, RemoteFault, UsageError
from penstock.model.events import Recovered
from penstock.model.release import Pointer
from penstock.operations import execute as interpreter
from penstock.operations import history as booked
from penstock.operations.decided import settle
from penstock.operations.engine import glance, observe
from penstock.operations.holder import leases_of
from penstock.operations.late import note_late
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.pace import READ_BURST, OutOfTime, Pace
from penstock.operations.pointer import read_pointer
from penstock.operations.repair import repair
from penstock.operations.rollout_store import RolloutStore, is_looked_after
from penstock.operations.store import rewrite
from penstock.release.lease import describe

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
"""Seconds for which what was read back is believed while nothing of ours changes it: we hold the lease. What took
longer to read is believed for as long again, being as old already in its first parts."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read of these functions, and until when, by the clock's `monotonic`, it is believed."""

    names: frozenset[str]
    observed: Observed
    until: float


class Session:
    """An environment that is ours to change.

    `actor` is the STS caller's ARN; `pace` that of calls to Lambda that move traffic, `reading` that of others;
    `run` is the one that the ledger tells of, and `succeeds` the one that died holding the lease before us; None when
    none did. `until` is when, by the clock's `monotonic`, it begins no more that can wait; None if never.
    """

    def __init__(
        self, world: World, *, actor: str, lease: HeldLease, ledger: LedgerStore, until: float | None = None
    ) -> None:
        self._world = world
        self._lease = lease
        self._ledger = ledger
        self.actor = actor
        self.run = ledger.run
        self.pace = Pace(world.clock)
        self.reading = Pace(world.clock, burst=READ_BURST)
        self.succeeds = lease.over.run if lease.over else None
        self._until = until
        self._seen: _Seen | None = None
        self._glanced: _Seen | None = None

    def observe(self, functions: Iterable[str]) -> Observed:
        """What is there: read back, unless that was done a moment ago and nothing was changed since."""
        names = frozenset(functions)
        found = self._fresh(self._seen)
        if found is None or found.names != names:
            found = self._seen = self._read(observe, names)
        return found.observed

    def glance(self, functions: Iterable[str]) -> Observed:
        """The same of nothing but what tells how traffic is shared: one call to Lambda for each function."""
        names = frozenset(functions)
        for seen in (self._seen, self._glanced):
            found = self._fresh(seen)
            if found is not None and names <= found.names:
                return found.observed
        self._glanced = self._read(glance, names)
        return self._glanced.observed

    def pointer(self) -> Pointer | None:
        """The environment's pointer, None before the first deploy; read as `observe` reads."""
        found = self._fresh(self._seen)
        if found is not None and found.observed.pointer != Pointer():
            return found.observed.pointer
        return read_pointer(self._world)

    def execute(self, effects: Sequence[Effect]) -> None:
        """Do these effects in their order, each with its intent and outcome in the ledger."""
        if effects:
            self.forget()
            interpreter.execute(self._world, effects, ledger=self._ledger, lease=self._lease, pace=self.pace)

    def forget(self) -> None:
        """Read everything back the next time: something else than an effect has changed it, Terraform for example."""
        self._seen = self._glanced = None

    def is_out_of_time(self) -> bool:
        """Whether it is to begin no more that can wait."""
        return self._until is not None and self._world.clock.monotonic() > self._until

    def require_time(self, function: str) -> None:
        """Raise OutOfTime where it is to begin no more that can wait, with this function for example."""
        if self.is_out_of_time():
            raise OutOfTime(function)

    def _read(self, how: Callable[[World, Iterable[str], Pace], Observed], names: frozenset[str]) -> _Seen:
        began = self._world.clock.monotonic()
        observed = how(self._world, names, self.reading)
        # Reading many takes minutes, in which nobody but us changes anything.
        ended = self._world.clock.monotonic()
        return _Seen(names, observed, until=ended + max(FRESH, ended - began))

    def _fresh(self, seen: _Seen | None) -> _Seen | None:
        return seen if seen is not None and self._world.clock.monotonic() <= seen.until else None

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
    lasts: float | None = None,
) -> Iterator[Session]:
    """Hold the environment's lease, with everything repaired that an interrupted run left behind.

    A rollout that lost its driver goes back to the stable release, unless it is the one of the release `resuming`.
    One that the controller drives is nobody's to end but who says so and why, by `withdraws`, until it is long overdue.
    A promotion that was cut short is finished, unless the command `returns`: then it is left for it to take back.
    Raises Locked, naming the holder, when somebody else is at it. With a `story` the ledger tells what is done as a
    part of the run of that id, and nothing when nothing is done. After `lasts` seconds it raises OutOfTime where
    something is about to begin that who comes next can do as well.
    """
    began = world.clock.monotonic()
    actor = world.identity.caller()
    held, was_late = _acquire(world, actor, purpose), False
    ledger = LedgerStore(world.objects, clock=world.clock, actor=actor, run=story or world.run)
    ended = threading.Event()
    threading.Thread(target=heartbeat, args=(held, ended), daemon=True, name="lease").start()
    try:
        until = None if lasts is None else began + lasts
        session = Session(world, actor=actor, lease=held, ledger=ledger, until=until)
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
    except KeyboardInterrupt:
        with suppress(RemoteFault):
            ledger.append("interrupted", {"purpose": purpose})
        raise
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
