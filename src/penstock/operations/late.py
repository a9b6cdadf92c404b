"""A note for everybody: who lost the lease may have had a call under way, which has landed after others had looked.

What it can have moved without anybody's notice are aliases and environments that are kept warm: to look at them takes
a call or two for each function, too many for a deploy that finds nothing to do, or for `status`. So who loses his
lease says that he may have been late, and whoever takes the lease next looks at everything, as it always does.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.model.errors import Conflict

if TYPE_CHECKING:
    from penstock.operations.world import World
    from penstock.ports import StoredObject

KEY = "rollout/late.json"
NOBODY = b"null"


def note_late(world: World, purpose: str) -> None:
    """Say that this run may have been late."""
    world.objects.put(KEY, json.dumps({"run": world.run, "purpose": purpose}).encode())


def somebody_late(world: World) -> StoredObject | None:
    """The note of somebody whom nobody has looked after yet."""
    stored = world.objects.get(KEY)
    return None if stored is None or stored.body == NOBODY else stored


def looked_after(world: World, note: StoredObject | None) -> None:
    """Take the note away that was there before everything was looked at, unless another one has come since."""
    if note is not None:
        with suppress(Conflict):
            world.objects.put_if_match(KEY, NOBODY, note.etag)
