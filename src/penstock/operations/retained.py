"""Grants that a release still needs though the configuration dropped them: the live one, and the one to go back to.

They lie in a parameter beside the pointer, so that Terraform adds them to the roles whoever runs it. The set is made
anew for each plan from the releases that may serve then: the live one, and the one that a rollback from it goes to,
because a rollback runs no Terraform. So a dropped grant goes when two releases without it were promoted. The plan gets
it as a variable, and the parameter is written when the plan is admitted: a deploy that is refused changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from penstock.operations.history import read_history
from penstock.operations.store import ReleaseStore
from penstock.release.retain import missing_grants, retained_grants, retained_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.release import Release
    from penstock.operations.session import Session
    from penstock.operations.world import World


def to_retain(world: World, live: Release | None, wanted: Release) -> str | None:
    """What must stay for those that may serve, as it lies in the parameter; None when nothing must."""
    configured = {service: list(statements) for service, statements in wanted.grants.items()}
    grants = retained_grants(_may_serve(world, live), configured)
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


def lacking(world: World, target: Release, live: Release) -> Sequence[str]:
    """Grants of the target that its roles have no more, in words: those of a release long gone were not retained."""
    text = world.parameters.get(_name(world))
    missing = missing_grants(target, live, json.loads(text) if text else {})
    return [
        f"{service}'s grant of {', '.join(_words(one.get('Action')))} on {', '.join(_words(one.get('Resource')))}"
        for service, statements in missing.items()
        for one in statements
    ]


def _may_serve(world: World, live: Release | None) -> list[Release]:
    if live is None:
        return []
    before = read_history(world.objects).rollback_target(live.id)
    target = ReleaseStore(world.objects).get(before) if before else None
    return [live, target] if target else [live]


def _words(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def _name(world: World) -> str:
    return f"{world.workspace.pointer_prefix}retained"
