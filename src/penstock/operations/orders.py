"""What people say to a rollout: pause, resume, approve, promote, abort; also while another process drives it.

Whoever drives takes orders up from the bucket at its next look. When nobody does (its process is gone, or a second
Ctrl-C left the rollout where it was), the command that gives the order takes the lease and goes on itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound, RemoteFault, UsageError
from penstock.operations.holder import leases_of
from penstock.operations.rollout import drive
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.store import ReleaseStore
from penstock.release.reconcile import Applied

if TYPE_CHECKING:
    from penstock.operations.world import World
    from penstock.rollout.state import Outcome, Rollout, Verb

TAKEN_WITHIN = 60.0
"""Seconds that a driver has to take an order up: it looks every few seconds, and may be in the middle of a call."""
LOOK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How an order ended: the percent that the release has, and the outcome when the rollout has ended with it."""

    environment: str
    release: str
    verb: Verb
    weight: int
    outcome: Outcome | None


def tell(world: World, verb: Verb, *, why: str = "") -> Told:
    """Ask something of the rollout under way, and wait until it is taken up.

    Raises UsageError when none is under way; what `drive` raises when nobody else drives it.
    """
    require_deployed(world)
    store = RolloutStore(world.objects)
    rollout = store.under_way()
    if rollout is None:
        name = world.workspace.environment.name
        raise UsageError(f"no rollout is under way in {name}", hint=f"penstock status -e {name}")
    order = store.order(rollout, verb, by=world.identity.caller(), why=why, at=world.clock.now())
    while is_driven(world):
        taken = _taken(world, store, rollout, order.id, until_ended=verb in ("promote", "abort"))
        if taken is not None:
            return _told(taken, verb)
    if verb in ("pause", "approve") or (verb == "resume" and rollout.detached):
        return _told(rollout, verb)  # nobody moves it; whoever goes on with it finds the order
    release = ReleaseStore(world.objects).get(rollout.release)
    if release is None:
        raise NotFound(f"release {rollout.release} is not in the bucket", where=rollout.environment)
    with exclusive(world, f"{verb} the rollout of {rollout.release}", resuming=rollout.release) as session:
        drive(world, session, rollout, release, Applied())
    return _told(store.read() or rollout, verb)


def is_driven(world: World) -> bool:
    """Whether a process that lives, as far as can be seen from here, holds the environment."""
    leases = leases_of(world)
    stored = leases.read()
    return (
        stored is not None
        and stored.is_held
        and stored.lease.expires > world.clock.now()
        and not leases.is_dead(stored.lease)
    )


def _taken(world: World, store: RolloutStore, rollout: Rollout, order: str, *, until_ended: bool) -> Rollout | None:
    """The rollout once the order was taken up, or carried out where that ends it; None when nobody drives any more.

    Raises RemoteFault if a driver never takes it up.
    """
    deadline = world.clock.monotonic() + TAKEN_WITHIN
    while world.clock.monotonic() < deadline:
        found = store.read()
        if found is None or found.id != rollout.id:
            return rollout
        if found.outcome is not None or (order in found.orders and not until_ended):
            return found
        if not is_driven(world):
            return None
        if order in found.orders:  # it is at it: keeping a slot warm, or smoke tests, take their time
            deadline = world.clock.monotonic() + TAKEN_WITHIN
        world.clock.sleep(LOOK)
    raise RemoteFault(
        f"nobody took the order up within {TAKEN_WITHIN:.0f} s",
        where=rollout.environment,
        hint=f"penstock status -e {rollout.environment} says who holds it; run the command again",
    )


def _told(rollout: Rollout, verb: Verb) -> Told:
    return Told(
        environment=rollout.environment,
        release=rollout.release,
        verb=verb,
        weight=rollout.weight,
        outcome=rollout.outcome,
    )
