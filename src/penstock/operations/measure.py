"""What both sides of a rollout did in the last minutes, as strata for the judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.access_log import access_log_group, fits_filters, logged_routes
from penstock.model.release import LIVE_ALIAS, other
from penstock.operations.callers import shares_live
from penstock.rollout.minutes import MINUTE
from penstock.rollout.signals import (
    RouteWatch,
    Watch,
    access_namespace,
    logged,
    queries,
    shares,
    slot_watch,
    slow_queries,
    strata,
    thresholds,
    version_watch,
    whole_queries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.model.release import Slot
    from penstock.operations.world import World
    from penstock.release.observed import Observed
    from penstock.rollout.strata import Stratum
    from penstock.rollout.traffic import Share

WATCH_ALL = 50
"""Functions up to which those that did not change are watched, too: a query costs 1 $ for 100,000 (CloudWatch pricing,
"GetMetricData"), so that 50 functions cost about 50 cents an hour."""
HISTORY = 60 * MINUTE
"""Seconds before a rollout that tell how fast the stable release answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What is watched during one rollout; the thresholds of slowness are fixed when it is made."""

    watches: tuple[Watch, ...]
    routes: tuple[RouteWatch, ...]
    whole: tuple[str, ...] = ()
    """Functions that changed and of which every alias is watched, by their physical names."""

    @property
    def slow(self) -> Mapping[str, float]:
        """From when on a call is slow, in milliseconds, by the name of its stable side."""
        return {watch.stable.name: watch.slow for watch in self.watches if watch.slow is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What some minutes tell: the judge by service and signal, the traffic check by function."""

    strata: tuple[Stratum, ...] = ()
    shares: tuple[Share, ...] = ()


def compared(world: World, changed: frozenset[str]) -> frozenset[str]:
    """Physical names of the functions whose versions `watched` compares by the alias `live`."""
    functions = world.workspace.functions
    is_all = len(functions) <= WATCH_ALL
    return frozenset(f.physical for f in functions if shares_live(f) and (is_all or f.service in changed))


def watched(
    world: World, observed: Observed, slot: Slot, changed: frozenset[str], slow: Mapping[str, float] | None = None
) -> Measures:
    """What to watch while a candidate in that slot is compared with the live slot.

    Args:
        world: the environment.
        observed: the aliases of those that are `compared`.
        slot: where the candidate is.
        changed: the services that changed.
        slow: thresholds of slowness that were fixed before, as `Measures.slow` tells them; None to fix them now.
    """
    functions = world.workspace.functions
    few = len(functions) <= WATCH_ALL
    stable = other(slot)
    watches: list[Watch] = []
    routes: list[RouteWatch] = []
    peers = {used for service in world.workspace.services for used in service.uses.services}
    whole: list[str] = []
    for function in functions:
        if not few and function.service not in changed:
            continue
        if function.routes or not function.on:  # peers call the alias of their own slot, as HTTP callers do
            watches.append(slot_watch(function.service, function.physical, stable=stable, canary=slot))
        if function.routes and world.workspace.environment.has_access_log:
            routes.append(
                RouteWatch(
                    service=function.service,
                    namespace=access_namespace(world.workspace.prefix),
                    canary=watches[-1].canary,
                    peers=function.service in peers,
                    routes=tuple(
                        sorted(name for route in function.routes for name in logged_routes(route.method, route.path))
                    ),
                )
            )
        if function.routes and not function.on and function.service in changed:
            whole.append(function.physical)
        seen = observed.functions.get(function.physical)
        # One that moves at once has no share to be compared with, and would dilute that of its service's others.
        if seen is not None and shares_live(function):
            live, next_one = seen.aliases.get(LIVE_ALIAS), seen.at(slot)  # `live` may be shared already
            if live and next_one and live.version != next_one:
                watches.append(version_watch(function.service, function.physical, stable=live.version, canary=next_one))
                if function.on and function.service in changed:
                    whole.append(function.physical)
    fixed = _thresholds(world, watches) if slow is None else slow
    return with_thresholds(Measures(watches=tuple(watches), routes=tuple(routes), whole=tuple(whole)), fixed)


def with_thresholds(measures: Measures, slow: Mapping[str, float]) -> Measures:
    """The same with thresholds of slowness, by the names of the stable sides."""
    watches = tuple(replace(watch, slow=slow.get(watch.stable.name)) for watch in measures.watches)
    return replace(measures, watches=watches)


def late_thresholds(world: World, measures: Measures, before: Callable[[str], int | None]) -> Mapping[str, float]:
    """Thresholds that were not known when the rollout began, from what the stable side did since. Raises RemoteFault.

    Args:
        world: the environment.
        measures: with the thresholds that are known.
        before: the first minute of a service that is to be judged now; only earlier ones may say what is slow in it.
    """
    ends = {watch: before(watch.service) for watch in measures.watches if watch.slow is None}
    due = {watch: end for watch, end in ends.items() if end is not None}
    if not due:
        return {}
    values = world.metrics.minutes(slow_queries(due), start=min(due.values()) - HISTORY, end=max(due.values()))
    found: dict[str, float] = {}
    for watch, end in due.items():
        earlier = {query: {at: value for at, value in one.items() if at < end} for query, one in values.items()}
        found |= {side.name: slow for side, slow in thresholds(earlier, [watch]).items()}
    return found


def measure(world: World, measures: Measures, minutes: range) -> Measured:
    """What these minutes tell (their first seconds, a minute apart). Raises RemoteFault."""
    filtered = measures.routes if fits_filters(world.workspace) else ()
    asked = (*queries(measures.watches, filtered), *whole_queries(measures.whole))
    values = dict(world.metrics.minutes(asked, start=minutes.start, end=minutes.stop))
    routes = tuple(sorted({route for watched in measures.routes for route in watched.routes}))
    if routes and not filtered:
        group = access_log_group(world.workspace.api_name)
        answered = world.metrics.answered(group, routes, start=minutes.start, end=minutes.stop)
        values |= logged(answered, access_namespace(world.workspace.prefix))
    found = {query: {at: value for at, value in series.items() if at in minutes} for query, series in values.items()}
    return Measured(
        strata=strata(found, measures.watches, measures.routes), shares=shares(found, measures.watches, measures.whole)
    )


def history(world: World, measures: Measures) -> tuple[Stratum, ...]:
    """What the stable release did in the last hour, alone: it tells the judge what is normal, and how much comes."""
    now = int(world.traffic_clock.now()) // MINUTE * MINUTE
    # Without a canary the access log is not counted.
    found = measure(world, replace(measures, whole=(), routes=()), range(now - HISTORY, now, MINUTE)).strata
    return tuple(stratum for stratum in found if not stratum.canary.calls)


def _thresholds(world: World, watches: list[Watch]) -> Mapping[str, float]:
    now = world.traffic_clock.now()
    before = world.metrics.minutes(slow_queries(watches), start=now - HISTORY, end=now)
    return {side.name: slow for side, slow in thresholds(before, watches).items()}
