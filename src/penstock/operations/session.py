"""Holding an environment while it is changed: lease, ledger, and the repair of what an earlier run left half-done."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from penstock.model.errors import Locked, PenstockError, RemoteFault, UsageError
from penstock.model.events import Recovered
from penstock.operations import execute as interpreter
from penstock.operations.engine import observe, read_pointer
from penstock.operations.history import read_history, write_history
from penstock.operations.steps import timestamp
from penstock.operations.store import LeaseStore, LedgerStore
from penstock.release.lease import describe
from penstock.release.reconcile import Settled, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.operations.store import HeldLease
    from penstock.operations.world import World
    from penstock.release.effects import Effect

HEARTBEAT = 15.0
"""Seconds between two looks at the lease while a step takes long: Terraform, a person at the prompt, a smoke test."""


class Session:
    """An environment that is ours to change.

    `actor` is the STS caller's ARN; `succeeds` is the run that died holding the lease before us, None when none did.
    """

    def __init__(self, world: World, *, actor: str, lease: HeldLease, ledger: LedgerStore) -> None:
        self._world = world
        self._lease = lease
        self._ledger = ledger
        self.actor = actor
        self.succeeds = lease.over.run if lease.over else None

    def execute(self, effects: Sequence[Effect]) -> None:
        """Do these effects in their order, each with its intent and outcome in the ledger."""
        if effects:
            interpreter.execute(self._world, effects, ledger=self._ledger, lease=self._lease)

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event to the ledger."""
        self._ledger.append(kind, data)


@contextmanager
def exclusive(world: World, purpose: str) -> Iterator[Session]:
    """Hold the environment's lease, with everything repaired that an interrupted run left behind.

    Raises Locked, naming the holder, when somebody else is at it.
    """
    actor = world.identity.caller()
    leases = _leases(world)
    environment = world.workspace.environment.name
    try:
        held = leases.acquire(holder=actor, pid=os.getpid(), run=world.run, purpose=purpose)
    except Locked as locked:
        hint = locked.hint.replace("penstock unlock", f"penstock unlock -e {environment}")
        raise Locked(locked.what, where=f"{environment}: {locked.where}", hint=hint) from locked
    ledger = LedgerStore(world.objects, clock=world.clock, actor=actor, run=world.run)
    ended = threading.Event()
    threading.Thread(target=_keep, args=(held, ended), daemon=True, name="lease").start()
    try:
        session = Session(world, actor=actor, lease=held, ledger=ledger)
        session.record("began", {"purpose": purpose, "fence": held.lease.fence})
        if held.over is not None:
            left = describe(held.over, now=world.clock.now())
            session.record("took-over", {"from": held.over.run, "purpose": held.over.purpose})
            world.events.emit(Recovered(what=f"the lease of a run that ended without giving it back: {left}"))
        repair(world, session)
        try:
            yield session
        except PenstockError as error:
            # Only the first line: what follows may quote a function's own words.
            what = error.what.partition("\n")[0]
            session.record("failed", {"error": type(error).__name__, "what": what, "purpose": purpose})
            raise
        session.record("ended", {"purpose": purpose})
        ledger.close()
    finally:
        ended.set()
        # A bucket that cannot be reached must not hide why the body ended; the lease expires by itself.
        with suppress(RemoteFault):
            held.give_back()


def require_deployed(world: World) -> None:
    """Raise UsageError where nothing was ever deployed: there is no bucket to hold a lease in."""
    name = world.workspace.environment.name
    if read_pointer(world) is None:
        raise UsageError(f"nothing is deployed in {name} yet", hint=f"penstock deploy -e {name}")


def repair(world: World, session: Session) -> None:
    """Finish what a crash left between two effects: the pointer wins over stages and `live` aliases."""
    observed = observe(world, (function.physical for function in world.workspace.functions))
    effects = reconcile(observed, Settled())
    if effects:
        session.execute(effects)
        done = "; ".join(effect.describe() for effect in effects)
        world.events.emit(Recovered(what=f"an earlier run or a change by hand was unfinished: {done}"))
    live = observed.pointer.live_release
    history = read_history(world.objects)
    if live is not None and (history.latest is None or history.latest.release != live):
        write_history(
            world.objects, history.arrived(live, at=timestamp(world), by=session.actor, run=session.succeeds or "")
        )


def holder(world: World) -> str | None:
    """Who holds the environment now, in words; None when nobody does."""
    if not world.objects.exists():
        return None
    leases = _leases(world)
    stored = leases.read()
    if stored is None or not stored.is_held:
        return None
    dead = "; that process is gone, and the next command takes over" if leases.is_dead(stored.lease) else ""
    return f"{describe(stored.lease, now=world.clock.now())}{dead}"


def nobody_at_work(world: World) -> None:
    """Raise Locked, naming the holder, while a command that is not known to be dead changes the environment.

    A plan made beside it would be one of a half-made environment, and would hold Terraform's lock against it.
    """
    leases = _leases(world)
    stored = leases.read()
    if stored is None or not stored.is_held or leases.is_dead(stored.lease):
        return
    if stored.lease.expires > world.clock.now():
        raise Locked(
            describe(stored.lease, now=world.clock.now()),
            where=world.workspace.environment.name,
            hint="wait for it to end, then plan: now it would be a plan of a half-made environment",
        )


def last_failure(world: World) -> str | None:
    """How the last command that changed the environment failed, in words; None when it did not."""
    if not world.objects.exists():
        return None
    last = LedgerStore(world.objects, clock=world.clock, actor="", run=world.run).last(1)
    if not last or last[0].kind != "failed" or last[0].data["error"] in ("Refused", "UsageError"):
        return None  # what was refused was not begun
    data = last[0].data
    purpose = f"{data['purpose']}: " if "purpose" in data else ""
    return f"the last command failed at {last[0].at[:19]}Z: {purpose}{data['what']}"


def somebody_is_at_it(world: World) -> bool:
    """Whether the lease is held, or was left behind by a run that was killed."""
    stored = _leases(world).read()
    return stored is not None and stored.is_held


def unlock(world: World, *, force: bool = False) -> str:
    """Free the lease of a process that is gone; what was done, in words.

    Args:
        world: the environment.
        force: also when the holder cannot be seen from this machine. A holder that is alive here is never robbed.

    Raises:
        Locked: the holder lives, or may live.
    """
    leases = _leases(world)
    stored = leases.read()
    if stored is None or not stored.is_held:
        return "nobody holds the lease"
    who = describe(stored.lease, now=world.clock.now())
    here = stored.lease.host == world.host
    if here and world.process_alive(stored.lease.pid):
        raise Locked(f"{who}; that process is alive", where="lease.json", hint="wait for it, or stop it yourself first")
    if not here and not force:
        raise Locked(
            f"{who}; whether it lives cannot be seen from here",
            where="lease.json",
            hint=f"look on {stored.lease.host}; if it is gone: penstock unlock --force",
        )
    leases.free(stored)
    return f"freed: {who}"


def _keep(held: HeldLease, ended: threading.Event) -> None:
    """Renew the lease while the process lives; when it is lost, the next effect's own look at it says so."""
    while not ended.wait(HEARTBEAT):
        try:
            held.keep()
        except PenstockError:
            return


def _leases(world: World) -> LeaseStore:
    return LeaseStore(world.objects, clock=world.clock, host=world.host, process_alive=world.process_alive)
