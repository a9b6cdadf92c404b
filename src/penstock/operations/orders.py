"""What people say to a rollout: pause, resume, approve, promote; also while another process drives it.

Whoever drives takes orders up from the bucket at its next look. When nobody does (its process is gone, or a second
Ctrl-C left the rollout where it was), the command that gives the order takes the lease and goes on itself. An abort is
written down here as well, and goes back instead: see `abort`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import LeaseLost, Locked, Refused, RemoteFault, UsageError
from penstock.operations.bake import bake, begin_behind
from penstock.operations.holder import in_turn, living
from penstock.operations.rollout import drive
from penstock.operations.rollout_news import ended_badly
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive, require_deployed
from penstock.operations.steps import note
from penstock.operations.store import ReleaseStore
from penstock.release.reconcile import Applied
from penstock.rollout.advance import passes_over_others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.operations.bake import Baking
    from penstock.operations.world import World
    from penstock.rollout.state import GoingOn, Outcome, Rollout, Verb

PATIENCE = 1800.0
"""Seconds that a living driver has to take an order up. It looks every few seconds, but not while it keeps a slot warm
(15 minutes at most) or runs a smoke test (10 minutes each)."""
QUIET = 10.0
"""Seconds after which who waits is told why."""
LOOK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How an order ended: the percent that the release has, and the outcome when the rollout has ended with it."""

    environment: str
    release: str
    verb: GoingOn
    weight: int
    outcome: Outcome | None


def tell(world: World, verb: GoingOn, *, why: str = "", lock_timeout: float = 0.0) -> Told:
    """Ask something of the rollout under way, and wait until it is taken up.

    A driver that is gone may have calls under way, which are waited for `lock_timeout` seconds.

    Raises UsageError when none is under way, Refused when it would go past a yes that is not the caller's to give; what
    `drive` raises when nobody else drives it; and what ended it where all traffic went back though something else was
    asked than that.
    """
    require_deployed(world)
    store = RolloutStore(world.objects)
    rollout = store.under_way()
    if rollout is None:
        name = world.workspace.environment.name
        raise UsageError(f"no rollout is under way in {name}", hint=f"penstock status -e {name}")
    store.require_known(rollout)
    _refuse_to_pass_over(world, rollout, verb)
    taken = order(world, rollout, verb, why=why)
    if taken is not None:
        return _told(taken, verb)
    if verb in ("pause", "approve") or (verb == "resume" and rollout.detached):
        return _told(_this(store, rollout) or rollout, verb)  # nobody moves it; whoever goes on with it finds the order
    with told_of_the_order(verb):
        baking = in_turn(world, lock_timeout, lambda: _go_on(world, store, rollout, verb), beside=False)
    if baking is not None:
        bake(world, baking)
    return _told(_this(store, rollout) or rollout, verb)


def order(world: World, rollout: Rollout, verb: Verb, *, why: str) -> Rollout | None:
    """Write it down, and wait as long as somebody drives who can take it up; the rollout then, None when nobody does.

    What ends a rollout is waited for until it has. Raises RemoteFault if a driver never takes it up.
    """
    store = RolloutStore(world.objects)
    given = store.order(rollout, verb, by=world.identity.caller(), why=why, at=world.clock.now())
    while is_driven(world):
        taken = _taken(world, store, rollout, given.id, until_ended=verb in ("promote", "abort"))
        if taken is not None:
            return taken
    return None


def _go_on(world: World, store: RolloutStore, rollout: Rollout, verb: GoingOn) -> Baking | None:
    """Drive it to its end, unless somebody has done that meanwhile; what is to be watched behind it."""
    if _going(store, rollout) is None:
        return None
    release = ReleaseStore(world.objects).require(rollout.release)
    with exclusive(world, f"{verb} the rollout of {release.id}", resuming=release.id) as session:
        now = _going(store, rollout)  # whoever held the environment until now may have moved it
        if now is None:
            return None
        return begin_behind(world, session, drive(world, session, now, release, Applied()))


def _this(store: RolloutStore, rollout: Rollout) -> Rollout | None:
    """The rollout as it is now; None when another one has begun since."""
    now = store.read()
    return now if now is not None and now.id == rollout.id else None


def _going(store: RolloutStore, rollout: Rollout) -> Rollout | None:
    """The same, while it has not ended."""
    now = _this(store, rollout)
    return now if now is not None and now.outcome is None else None


def _refuse_to_pass_over(world: World, rollout: Rollout, verb: GoingOn) -> None:
    caller = world.identity.caller()
    if verb == "promote" and passes_over_others(rollout, caller):
        raise Refused(
            f"{caller} made or began this rollout, which waits for the yes of somebody else before all traffic moves",
            where=rollout.environment,
            hint=f"a colleague can run: penstock approve, or penstock promote -e {rollout.environment}; "
            f"to end it: penstock abort -e {rollout.environment}",
        )


@contextmanager
def told_of_the_order(verb: Verb) -> Iterator[None]:
    """Who finds the lease of a driver that is gone, and may not take it yet, is told that he has said his word."""
    try:
        yield
    except LeaseLost:
        raise
    except Locked as locked:
        hint = f"{verb} is written down, and obeyed by whoever goes on with the rollout; {locked.hint}"
        raise Locked(locked.what, where=locked.where, hint=hint) from locked


def is_driven(world: World) -> bool:
    """Whether a process that lives, as far as can be seen from here, holds the environment."""
    return living(world) is not None


def _taken(world: World, store: RolloutStore, rollout: Rollout, order: str, *, until_ended: bool) -> Rollout | None:
    """The rollout once the order was taken up, or carried out where that ends it; None when nobody drives any more.

    Raises RemoteFault if a driver never takes it up.
    """
    began = world.clock.monotonic()
    is_told = False
    while (waited := world.clock.monotonic() - began) < PATIENCE:
        found = store.read()
        if found is None or found.id != rollout.id:
            return rollout
        if found.outcome is not None or (order in found.orders and not until_ended):
            return found
        if not is_driven(world):
            return None
        if waited > QUIET and not is_told:
            is_told = True
            what = "is being carried out" if order in found.orders else "is written down, and obeyed at the next look"
            note(world, f"whoever drives the rollout is in the middle of something; the order {what}")
        world.clock.sleep(LOOK)
    raise RemoteFault(
        f"nobody took the order up within {PATIENCE / 60:.0f} minutes",
        where=rollout.environment,
        hint=f"penstock status -e {rollout.environment} says who holds it; run the command again",
    )


def _told(rollout: Rollout, verb: GoingOn) -> Told:
    if rollout.outcome == "reverted":
        raise ended_badly(rollout)
    return Told(
        environment=rollout.environment,
        release=rollout.release,
        verb=verb,
        weight=rollout.weight,
        outcome=rollout.outcome,
    )
