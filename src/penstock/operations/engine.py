"""Reading an environment back, and bringing it to a desired state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.release import Pointer
from penstock.operations.callers import may_be_called_by_live
from penstock.operations.pace import AT_ONCE, READ_BURST, Pace
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
from penstock.release.reconcile import Settled, reconcile, turned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.model.release import Release
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.release.effects import Effect
    from penstock.release.reconcile import Desired, Live

READERS = 8
"""Calls at a time; how many in a second is told by the pace."""


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
    seen = _aliases(world, functions, pace)
    return replace(seen, live=api_seen(api, world.gateway.stage(api, LIVE_STAGE), {}) if api else None)


def bring_back(world: World, session: Session, callers: Iterable[str]) -> None:
    """Take the candidate's share of the traffic away: of all HTTP callers in a handful of calls, then of all others.

    Reading everything back takes two calls a function, which is minutes for 1,000 at Lambda's rate: that comes after.
    Those who call `live` come back a few at a time, so that the first need not wait until the last was looked at.

    Args:
        world: the environment.
        session: its lease.
        callers: the functions that share by their alias `live`.
    """
    session.execute(reconcile(glance(world, ()), Settled(withdrawn=True)))
    settle_callers(world, session, callers, Settled(withdrawn=True))


def settle_all(world: World, session: Session, functions: Iterable[str], desired: Settled) -> None:
    """What the pointer says is true of both stages, which takes a handful of calls, and then of all these functions."""
    reach(session, desired, ())
    settle_callers(world, session, functions, desired)


def settle_callers(
    world: World, session: Session, functions: Iterable[str], desired: Settled, *, can_wait: bool = False
) -> tuple[Effect, ...]:
    """Let callers of `live` be where the pointer says, a few functions at a time; what was done.

    Those that something calls by it come first. One call to Lambda for each, and one more for each that moves. Where it
    `can_wait`, OutOfTime is raised when the session's time is over: the same again goes on from there.
    """
    wanted = frozenset(functions)
    called = may_be_called_by_live(world, wanted)
    names = [*sorted(called), *sorted(wanted - called)]
    done: tuple[Effect, ...] = ()
    for at in range(0, len(names), AT_ONCE):
        if can_wait:
            session.require_time(names[at])
        effects = reconcile(_aliases(world, names[at : at + AT_ONCE], session.pace), desired)
        session.execute(effects)
        done += effects
    return done


def are_many(functions: Collection[str]) -> bool:
    """Whether reading them back takes so long that traffic should not wait for it."""
    return len(functions) > AT_ONCE


def move_all(world: World, session: Session, goal: Live, functions: Collection[str]) -> frozenset[str]:
    """All traffic to the release; the functions whose `live` is still to follow, because nobody calls them by it.

    It takes two calls to Lambda a function to see that a slot is whole: minutes for 1,000. Where they are many, the
    pointer's word is taken for a release that it notes in a slot; it says nothing of a slot that is being filled. Who
    consumes is to understand what who produces will write, so event sources come before HTTP callers, unless the move
    `returns`; HTTP callers wait for nobody else. Raises OutOfTime when the session's time is over while consumers move.
    """
    turning = turned(session.observe(()), goal.release) if are_many(functions) else None
    if turning is None:
        reach(session, goal, functions)
        return frozenset()
    session.execute(turning)
    if goal.returns:
        settle_all(world, session, functions, Settled(withdrawn=True))
        return frozenset()
    called = may_be_called_by_live(world, functions)
    settle_callers(world, session, called, Settled(withdrawn=True), can_wait=True)
    reach(session, Settled(withdrawn=True), ())
    return frozenset(functions) - called


def names_of(world: World, *releases: Release) -> frozenset[str]:
    """Physical names of every function that matters: the workspace's and the releases'."""
    of_releases = (function.physical for release in releases for function in release.functions.values())
    return frozenset(function.physical for function in world.workspace.functions).union(of_releases)


def reach(session: Session, desired: Desired, functions: Iterable[str]) -> tuple[Effect, ...]:
    """Do what is left to do until the environment is as desired; what was done."""
    effects = reconcile(session.observe(functions), desired)
    session.execute(effects)
    return effects


def _aliases(world: World, functions: Iterable[str], pace: Pace | None) -> Observed:
    aliases = {}
    for name in sorted(set(functions)):
        if pace is not None:
            pace.wait(1)
        aliases[name] = world.functions.aliases(name)
    return Observed(
        pointer_name=pointer_name(world),
        pointer=read_pointer(world) or Pointer(),
        functions={name: function_seen((), found) for name, found in aliases.items() if found},
    )


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
