"""Reading an environment back, and bringing it to a desired state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from penstock.model.release import Pointer
from penstock.operations.pace import READ_BURST, Pace
from penstock.operations.pointer import pointer_name, read_pointer
from penstock.release.observed import (
    LIVE_STAGE,
    PREVIEW_STAGE,
    ApiSeen,
    FunctionSeen,
    Observed,
    api_seen,
    function_seen,
)
from penstock.release.reconcile import Settled, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.release import Release
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.release.effects import Effect
    from penstock.release.reconcile import Desired

READERS = 8
"""Calls at a time; how many in a second is told by the pace."""
AT_ONCE = 25
"""Aliases that are looked at and brought back together."""


def observe(world: World, functions: Iterable[str], pace: Pace | None = None) -> Observed:
    """What is there: pointer, APIs, and these functions (physical names); those that do not exist are left out.

    It takes two calls to Lambda for each function, at this pace, or at one of its own.
    """
    pace = pace or Pace(world.clock, burst=READ_BURST)
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        live = pool.submit(_api, world, world.workspace.api_name, LIVE_STAGE)
        preview = pool.submit(_api, world, world.workspace.preview_api_name, PREVIEW_STAGE)
        names = sorted(set(functions))
        seen = dict(zip(names, pool.map(lambda name: _function(world, name, pace), names), strict=True))
        return Observed(
            pointer_name=pointer_name(world),
            pointer=read_pointer(world) or Pointer(),
            functions={name: found for name, found in seen.items() if found is not None},
            live=live.result(),
            preview=preview.result(),
        )


def glance(world: World, functions: Iterable[str], pace: Pace | None = None) -> Observed:
    """Only what tells how traffic is shared: pointer, the live stage, and the aliases of these functions.

    Asked every few seconds during a rollout, so it takes two calls to API Gateway, which allows ten a second, and one
    to Lambda for each function, at this pace if there is one.
    """
    api = world.gateway.find(world.workspace.api_name)
    aliases = {}
    for name in sorted(set(functions)):
        if pace is not None:
            pace.wait(1)
        aliases[name] = world.functions.aliases(name)
    return Observed(
        pointer_name=pointer_name(world),
        pointer=read_pointer(world) or Pointer(),
        functions={name: function_seen((), found) for name, found in aliases.items() if found},
        live=api_seen(api, world.gateway.stage(api, LIVE_STAGE), {}) if api else None,
    )


def bring_back(world: World, session: Session, callers: Iterable[str]) -> None:
    """Take the candidate's share of the traffic away: of all HTTP callers in a handful of calls, then of all others.

    Reading everything back takes two calls a function, which is minutes for 1,000 at Lambda's rate: that comes after.
    Those who call `live` come back a few at a time, so that the first need not wait until the last was looked at.

    Args:
        world: the environment.
        session: its lease.
        callers: the functions that share by their alias `live`.
    """
    names = sorted(callers)
    session.execute(reconcile(glance(world, ()), Settled(withdrawn=True)))
    for at in range(0, len(names), AT_ONCE):
        few = names[at : at + AT_ONCE]
        session.execute(reconcile(glance(world, few, session.pace), Settled(withdrawn=True)))


def names_of(world: World, *releases: Release) -> frozenset[str]:
    """Physical names of every function that matters: the workspace's and the releases'."""
    of_releases = (function.physical for release in releases for function in release.functions.values())
    return frozenset(function.physical for function in world.workspace.functions).union(of_releases)


def reach(session: Session, desired: Desired, functions: Iterable[str]) -> tuple[Effect, ...]:
    """Do what is left to do until the environment is as desired; what was done."""
    effects = reconcile(session.observe(functions), desired)
    session.execute(effects)
    return effects


def _function(world: World, name: str, pace: Pace) -> FunctionSeen | None:
    pace.wait(1)
    aliases = world.functions.aliases(name)
    if not aliases:
        return None
    pace.wait(1)
    return function_seen(world.functions.versions(name), aliases)


def _api(world: World, name: str, stage: str) -> ApiSeen | None:
    api = world.gateway.find(name)
    if api is None:
        return None
    return api_seen(api, world.gateway.stage(api, stage), world.gateway.deployments(api))
