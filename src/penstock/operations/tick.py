"""One look at the rollout by the controller function: what the loop of a command does, without staying.

Called every minute while a rollout is under way, and while its alarms are watched behind it. As long as somebody drives
it there is nothing to do. When nobody does, because it was detached or its driver has died, the same `advance` takes it
from where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, Inconclusive, Locked, Refused
from penstock.operations.bake import baking_of, begin_behind, is_quiet, look_once
from penstock.operations.orders import is_driven
from penstock.operations.pace import OutOfTime
from penstock.operations.rollout import drive
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import TICK, exclusive
from penstock.operations.store import ReleaseStore
from penstock.operations.watchdog import call_off
from penstock.release.reconcile import Applied

if TYPE_CHECKING:
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.state import Rollout


LASTS = 180.0
"""Seconds after which a visit begins nothing that the next one can do as well; its function has 300."""
OUT_OF_TIME = "traffic is on its way, and the next visit goes on"


def tick(world: World, rollout: str) -> str:
    """Go on with the rollout of this id until there is nothing to do for a moment; what was done, in words.

    Raises RemoteFault when AWS refuses; the next minute is the next attempt.
    """
    if is_driven(world):
        return "somebody drives it"
    found = RolloutStore(world.objects).read()
    if found is not None and found.id == rollout and _bakes_quietly(world, found):
        return _watched(found)
    try:
        return _visit(world, rollout)
    except Locked as locked:
        return f"not yet: {locked.what}"
    except OutOfTime:
        return OUT_OF_TIME
    except (CameBack, Inconclusive, Refused) as back:
        return back.what.partition("\n")[0]


def _visit(world: World, rollout: str) -> str:
    release_id, _, run = rollout.partition("-")  # of the command that began it: the ledger goes on with its story
    # Also for the last time: whoever drove it may have slept past its lease and moved something when it woke, which is
    # put right as the lease is taken.
    with exclusive(world, f"{TICK}{release_id}", resuming=_under_way(world), story=run, lasts=LASTS) as session:
        found = RolloutStore(world.objects).read()
        if found is None or found.id != rollout or found.outcome is not None:
            if found is not None and found.id == rollout and _bakes(world, session, found):
                return _watched(found)
            call_off(world, rollout, session)
            return "it has ended"
        release = ReleaseStore(world.objects).require(found.release)
        now = drive(world, session, found, release, Applied(), waits=False)
        if now.outcome is not None:
            begin_behind(world, session, now)
            session.record("ended", {"purpose": f"{TICK}{release.id}"})
            return f"release {now.release} is {now.outcome}"
    return f"at {now.weight} %" + (f", held: {now.held}" if now.held else "")


def _bakes_quietly(world: World, ended: Rollout) -> bool:
    """Whether there is nothing to do behind it. Told without the lease, which a plan or a deploy may want meanwhile."""
    baking = baking_of(world, ended)
    return baking is not None and world.traffic_clock.now() <= baking.until and is_quiet(world, baking)


def _watched(ended: Rollout) -> str:
    return f"release {ended.release} is live, and its alarms are watched"


def _bakes(world: World, session: Session, ended: Rollout) -> bool:
    """Whether it may still be taken back after all traffic has moved. Raises CameBack when an alarm has done that."""
    baking = baking_of(world, ended)
    return baking is not None and look_once(world, session, baking)


def _under_way(world: World) -> str | None:
    """The release that is on its way, be it by this rollout or by another one: none is a visit's to withdraw."""
    found = RolloutStore(world.objects).under_way()
    return found.release if found else None
