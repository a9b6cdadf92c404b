"""One look at the rollout by the controller function: what the loop of a command does, without staying.

Called every minute while a rollout is under way. As long as somebody drives it there is nothing to do. When nobody
does, because it was detached or its driver has died, the same `advance` takes it from where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, Inconclusive, Locked
from penstock.operations.orders import is_driven
from penstock.operations.rollout import drive
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import TICK, exclusive
from penstock.operations.store import ReleaseStore
from penstock.operations.watchdog import call_off
from penstock.release.reconcile import Applied

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.operations.world import World


def tick(world: World, rollout: str) -> str:
    """Go on with the rollout of this id until there is nothing to do for a moment; what was done, in words.

    Raises RemoteFault when AWS refuses; the next minute is the next attempt.
    """
    store = RolloutStore(world.objects)
    found = store.under_way()
    if found is None or found.id != rollout:
        call_off(world, rollout)
        return "it has ended"
    if is_driven(world):
        return "somebody drives it"
    release = ReleaseStore(world.objects).require(found.release)
    try:
        return _visit(world, store, rollout, release)
    except Locked as locked:
        return f"not yet: {locked.what}"
    except (CameBack, Inconclusive) as back:
        return back.what.partition("\n")[0]


def _visit(world: World, store: RolloutStore, rollout: str, release: Release) -> str:
    run = rollout.partition("-")[2]  # of the command that began it: the ledger goes on with its story
    with exclusive(world, f"{TICK}{release.id}", resuming=release.id, story=run) as session:
        found = store.under_way()
        if found is None or found.id != rollout:
            call_off(world, rollout)
            return "it has ended"
        now = drive(world, session, found, release, Applied(), waits=False)
        if now.outcome is not None:
            session.record("ended", {"purpose": f"{TICK}{release.id}"})
            return f"release {now.release} is {now.outcome}"
    return f"at {now.weight} %" + (f", held: {now.held}" if now.held else "")
