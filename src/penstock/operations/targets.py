"""Which release a rollback goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import Refused, UsageError
from penstock.model.release import Pointer
from penstock.operations.pointer import read_pointer
from penstock.operations.store import ReleaseStore

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.operations.history import History
    from penstock.operations.world import World

NAMED = 3
"""Releases that an error names."""


def target_of(world: World, live: Release, to: str | None, history: History) -> Release:
    """The release of that id, or the last promoted one that was not rolled back.

    Raises Refused where there is none to go back to, UsageError for an id that names none, NotFound when its record is
    gone.
    """
    if to is not None:
        return _promoted(world, _named(world, to), history)
    target = history.rollback_target(live.id)
    if target is None:
        raise _nowhere(world, live, history)
    return ReleaseStore(world.objects).require(target)


def _nowhere(world: World, live: Release, history: History) -> Refused:
    """Why no release is one to go back to, and what there is instead."""
    name = world.workspace.environment.name
    bad = [one for one in dict.fromkeys(p.release for p in reversed(history.promotions)) if one in history.bad()]
    others = [f"{release} was rolled back" for release in bad[:NAMED] if release != live.id]
    pointer = read_pointer(world) or Pointer()
    waits = pointer.waiting
    if waits:
        others.append(f"{waits} waits and never had traffic")
    hints = [f"to take {bad[0]} nevertheless: penstock rollback -e {name} --to {bad[0]}"] if others and bad else []
    if waits:
        hints.append(f"to drop {waits}: penstock abort -e {name}")
    return Refused(
        f"there is no release to go back to: {'; '.join(others) or f'only {live.id} ever had traffic'}",
        where=name,
        hint="; ".join(hints) or f"penstock releases -e {name} lists them",
    )


def _promoted(world: World, release: Release, history: History) -> Release:
    """The release, if it ever had traffic: going to one that never had is a deploy, with a plan and its gates."""
    if any(promotion.release == release.id for promotion in history.promotions):
        return release
    name = world.workspace.environment.name
    raise Refused(
        f"release {release.id} never had traffic here, so there is nothing to go back to",
        where=name,
        hint=f"penstock deploy -e {name}   (or penstock switch -e {name}, when it waits)",
    )


def _named(world: World, to: str) -> Release:
    releases = ReleaseStore(world.objects)
    matches = [name for name in releases.ids() if name.startswith(to)]
    if len(matches) == 1:
        return releases.require(matches[0])
    what = f"{len(matches)} releases begin with {to}" if matches else f"there is no release {to}"
    raise UsageError(what, hint=f"penstock releases -e {world.workspace.environment.name}")
