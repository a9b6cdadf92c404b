"""Who holds an environment: told to people, asked before a plan, freed when its process is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from penstock.model.errors import LeaseLost, Locked
from penstock.model.events import Note
from penstock.model.ledger import host_name
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.rollout_store import RolloutStore, is_looked_after
from penstock.operations.store import LeaseStore
from penstock.release.lease import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.model.ledger import Lease
    from penstock.operations.world import World

Done = TypeVar("Done")

LOOK = 2.0
"""Seconds between two looks at whom a command waits for."""


def leases_of(world: World) -> LeaseStore:
    """The environment's lease, as this machine sees it."""
    return LeaseStore(world.objects, clock=world.clock, host=world.host, process_alive=world.process_alive)


def holder(world: World) -> str | None:
    """Who holds the environment now, in words; None when nobody does."""
    if not world.objects.exists():
        return None
    leases = leases_of(world)
    stored = leases.read()
    if stored is None or not stored.is_held:
        return None
    dead = "; that process is gone, and the next command takes over" if leases.is_dead(stored.lease) else ""
    return f"{describe(stored.lease, now=world.clock.now())}{dead}"


def nobody_at_work(world: World) -> None:
    """Raise Locked, naming the holder, while a command that is not known to be dead changes the environment.

    A plan made beside it would be one of a half-made environment, and would hold Terraform's lock against it.
    """
    lease = living(world)
    if lease is not None:
        raise Locked(
            describe(lease, now=world.clock.now()),
            where=world.workspace.environment.name,
            hint="wait for it to end, then plan: now it would be a plan of a half-made environment",
        )


def no_rollout_on_its_way(world: World) -> None:
    """Raise Locked while somebody drives a rollout: that may take hours or wait for a person, and is not waited for."""
    rollout = RolloutStore(world.objects).under_way()
    if rollout is None or (living(world) is None and not is_looked_after(rollout, world.traffic_clock.now())):
        return  # nobody drives it: who takes the lease brings its traffic back
    name = world.workspace.environment.name
    raise Locked(
        f"release {rollout.release} is on its way, at {rollout.weight} %",
        where=name,
        hint=f"to bring its traffic back to {rollout.stable}: penstock abort -e {name}; then go back from there",
    )


def wait_for_others(world: World, until: float, *, beside: bool = True) -> None:
    """Wait until nobody else changes the environment, or until that monotonic time; say once for whom.

    A rollout that the controller drives is somebody `beside` whom nothing is done, unless it is what the command is
    about. Whoever is still at it then is told by what comes next: by a plan, or by the lease.
    """
    if not world.objects.exists():
        return
    told = ""
    while (found := _at_work(world, beside=beside)) is not None and world.clock.monotonic() < until:
        run, who = found
        if run != told:
            world.events.emit(Note(text=f"waits: {who}"))
            told = run
        world.clock.sleep(LOOK)


def in_turn(world: World, patience: float, act: Callable[[], Done], *, beside: bool = True) -> Done:
    """Do it when nobody else changes the environment, waiting for so many seconds.

    Raises Locked when they are over, and LeaseLost at once: nothing that had begun is done a second time.
    """
    until = world.clock.monotonic() + patience
    is_told = False
    while True:
        if patience:
            wait_for_others(world, until, beside=beside)
        try:
            return act()
        except LeaseLost:  # whoever has it may have taken back what we had begun
            raise
        except Locked as locked:  # the holder is gone and may have calls under way, or somebody was quicker
            if world.clock.monotonic() >= until:
                raise
            if not is_told:
                world.events.emit(Note(text=f"waits: {locked.what}"))
                is_told = True
            world.clock.sleep(LOOK)


def living(world: World) -> Lease | None:
    """The lease of a command that is not known to be dead."""
    leases = leases_of(world)
    stored = leases.read()
    if stored is None or not stored.is_kept(world.clock.now()) or leases.is_dead(stored.lease):
        return None
    return stored.lease


def _at_work(world: World, *, beside: bool) -> tuple[str, str] | None:
    """Who has to end before anybody else may begin: an id, and words for people."""
    lease = living(world)
    if lease is not None:
        return lease.run, describe(lease, now=world.clock.now())
    rollout = RolloutStore(world.objects).under_way() if beside else None
    if rollout is None or not is_looked_after(rollout, world.traffic_clock.now()):
        return None
    return rollout.id, f"release {rollout.release} is on its way, at {rollout.weight} %"


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
    stored = leases_of(world).read()
    return stored is not None and stored.is_held


def unlock(world: World, *, force: bool = False) -> str:
    """Free the lease of a process that is gone, and tell the ledger whose it was; what was done, in words.

    A holder that lives after all stops at its next look at the lease.

    Args:
        world: the environment.
        force: also when the holder cannot be seen from this machine. A holder that is alive here is never robbed.

    Raises:
        Locked: the holder lives, or may live.
    """
    leases = leases_of(world)
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
            hint=f"look on {host_name(stored.lease.host)}; if it is gone: penstock unlock --force",
        )
    ledger = LedgerStore(world.objects, clock=world.clock, actor=world.identity.caller(), run=world.run)
    purpose = "unlock --force" if force else "unlock"
    # Before it is done: who is robbed may be in the middle of its work, and what comes of that has to be explained.
    ledger.append("unlocking", {"purpose": f"{purpose}: {who}", "from": stored.lease.run, "force": force})
    leases.free(stored)
    ledger.append("ended", {"purpose": purpose})
    ledger.close()
    return f"freed: {who}"
