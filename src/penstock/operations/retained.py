"""Grants that the live release still needs though the configuration dropped them.

They lie in a parameter beside the pointer, so that Terraform adds them to the roles whoever runs it. The set is made
anew for each plan from the release that is live then, so that a dropped grant goes with the release after. The plan
gets it as a variable, and the parameter is written when the plan is admitted: a deploy that is refused changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.release.retain import retained_grants, retained_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.release import Release
    from penstock.operations.session import Session
    from penstock.operations.world import World


def to_retain(live: Release | None, wanted: Release) -> str | None:
    """What must stay for the live release, as it lies in the parameter; None when nothing must."""
    configured = {service: list(statements) for service, statements in wanted.grants.items()}
    grants = retained_grants([live] if live else [], configured)
    return retained_text(grants) if grants else None


def as_variables(text: str | None) -> Mapping[str, str]:
    """The same for a plan that is made before it is written down."""
    return {"retained": text or "{}"}


def retain(world: World, session: Session, text: str | None) -> None:
    """Write down what must stay, None for nothing. Raises Locked when the environment is not ours any more."""
    if text == world.parameters.get(_name(world)):
        return
    session.hold()
    if text is None:
        world.parameters.delete(_name(world))
    else:
        world.parameters.put(_name(world), text)


def _name(world: World) -> str:
    return f"{world.workspace.pointer_prefix}retained"
