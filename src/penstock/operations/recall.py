"""Going back from a release whose command is still at work: after the promotion it tests, removes and collects.

Whoever wants to go back leaves word beside the lease, for the run that holds it. That run takes its release back while
it looks whether it is well, and afterwards gives way: it removes nothing that the release before would miss.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from penstock.operations.holder import living

if TYPE_CHECKING:
    from penstock.operations.world import World

KEY = "rollout/recall.json"


def recall(world: World, release: str, *, why: str = "") -> None:
    """Ask the run that changes the environment, if one does, to go back from this release, or to give way."""
    lease = living(world)
    if lease is not None and lease.run != world.run:
        word = {"run": lease.run, "release": release, "by": world.identity.caller(), "why": why}
        world.objects.put(KEY, json.dumps(word).encode())


def recalled(world: World, release: str) -> str:
    """Who asked this run to go back from the release, and why, in words; empty when nobody did."""
    stored = world.objects.get(KEY)
    word = json.loads(stored.body) if stored is not None else {}
    if (word.get("run"), word.get("release")) != (world.run, release):
        return ""
    return f"called back by {word['by']}" + (f": {word['why']}" if word["why"] else "")
