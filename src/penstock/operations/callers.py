"""Who calls a function by its alias `live`, and how those callers move to a release.

HTTP callers go to a slot, and peers to that of their own. Event sources call `live`, and so does whoever else calls a
function that has no routes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.model.release import Release
    from penstock.model.workspace import Function
    from penstock.operations.world import World


def moves_at_once(function: Function) -> bool:
    """Whether the alias `live` of the function is kept warm, so that it can have no weights."""
    return function.concurrency.provisioned is not None and bool(function.on) and not function.routes


def shares_live(function: Function) -> bool:
    """Whether the candidate gets its share of those who call the alias `live`: event sources, and direct callers.

    A function with routes and without events has nobody who must call `live`; who does all the same moves at the end.
    """
    return _is_called_by_live(function) and not moves_at_once(function)


def may_be_called_by_live(world: World, functions: Iterable[str]) -> frozenset[str]:
    """Those of these functions (physical names) that are not known to have nobody who must call `live`."""
    free = {function.physical for function in world.workspace.functions if not _is_called_by_live(function)}
    return frozenset(functions) - free


def callers_of(world: World) -> frozenset[str]:
    """The workspace's functions whose callers share by `live`, by their physical names."""
    return frozenset(function.physical for function in world.workspace.functions if shares_live(function))


def new_to(live: Release | None, functions: Iterable[Function]) -> frozenset[str]:
    """Those of these functions, by physical name, that are called by `live` and that the live release does not have.

    Nobody else's code is behind their `live`, only what Terraform has made them from: it goes to the release as soon as
    that is verified, and shares nothing.
    """
    known = {function.physical for function in live.functions.values()} if live is not None else set()
    return frozenset(f.physical for f in functions if _is_called_by_live(f) and f.physical not in known)


def judged(functions: Collection[Function], live: Release | None) -> frozenset[str]:
    """The services that can be judged beside the live release: some of their changed functions share with it."""
    new = new_to(live, functions)
    return frozenset(
        function.service
        for function in functions
        if not moves_at_once(function) and (function.routes or function.physical not in new)
    )


def _is_called_by_live(function: Function) -> bool:
    return bool(function.on) or not function.routes
