"""Grants that the live release still needs though the configuration dropped them.

They lie in a parameter beside the pointer, so that Terraform adds them to the roles whoever runs it. The set is made
anew before each apply from the release that is live then, so that a dropped grant goes with the release after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.release.retain import retained_grants, retained_text

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.operations.world import World


def retain(world: World, live: Release | None, wanted: Release, *, write: bool) -> str | None:
    """Write down what must stay for the live release; the text, None when nothing must.

    Without `write` nothing is changed: a mere plan then shows a dropped grant as taken away, although it will stay.
    """
    configured = {service: list(statements) for service, statements in wanted.grants.items()}
    grants = retained_grants([live] if live else [], configured)
    text = retained_text(grants) if grants else None
    if write and text != world.parameters.get(_name(world)):
        if text is None:
            world.parameters.delete(_name(world))
        else:
            world.parameters.put(_name(world), text)
    return text


def _name(world: World) -> str:
    return f"{world.workspace.pointer_prefix}retained"
