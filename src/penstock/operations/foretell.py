"""What a rollout will be able to tell with the traffic that there is, said before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.access_log import by_query, fits_filters
from penstock.model.errors import RemoteFault
from penstock.model.release import Pointer
from penstock.operations.engine import observe
from penstock.operations.measure import HISTORY, history, watched
from penstock.operations.pointer import read_pointer
from penstock.operations.steps import note, warn
from penstock.rollout.forecast import Traffic, describe, forecast
from penstock.rollout.horizon import horizon, streams
from penstock.rollout.minutes import MINUTE
from penstock.rollout.signals import ENOUGH
from penstock.rollout.strategies import ALL, SetWeight

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.operations.measure import Measures
    from penstock.operations.world import World
    from penstock.rollout.judge import JudgePolicy
    from penstock.rollout.state import Rules
    from penstock.rollout.strata import Stratum
    from penstock.rollout.strategies import Step

NO_LOG = 'there is no access log; profile = "standard", or a strategy with weights in the configuration, makes one'
WEIGHTS = 3
"""Forecasts that are made of one walk, the lowest and the highest weights among them: each takes a moment."""


def foretell_plan(
    world: World, changed: frozenset[str], steps: tuple[Step, ...], rules: Rules, policy: JudgePolicy
) -> str | None:
    """The forecast of a walk that is only planned, from the last hour's traffic; None when there is nothing to judge.

    A service that only events call is left out when its candidate's version is not there yet.
    """
    slot = (read_pointer(world) or Pointer()).idle
    try:
        observed = observe(world, (f.physical for f in world.workspace.functions))
        measures = watched(world, observed, slot, changed)
        before = history(world, measures)
    except RemoteFault as fault:
        warn(world, f"the last hour cannot be read: {fault.what}")
        return None
    tell_unjudged(world, measures, changed)
    return foretell(before, changed & {watch.service for watch in measures.watches}, steps, rules, policy)


def foretell(
    strata: Iterable[Stratum], changed: Iterable[str], steps: Sequence[Step], rules: Rules, policy: JudgePolicy
) -> str | None:
    """The forecast for the changed service that a promotion waits for; None when there is nothing to judge.

    Args:
        strata: what the stable release did in the last hour.
        changed: services that changed.
        steps: the walk.
        rules: how it is walked.
        policy: the judge's.
    """
    needed = frozenset(changed)
    known = streams((one for one in strata if one.service in needed), HISTORY / MINUTE)
    weights = sorted({step.percent for step in steps if isinstance(step, SetWeight) and step.percent < ALL})
    if not needed or not weights:
        return None
    silent = sorted(needed - {one.service for one in known})
    if silent:
        verb = "was" if len(silent) == 1 else "were"
        return f"{', '.join(silent)} {verb} not called in the last hour: without calls nothing can be told of it"
    found = horizon(known, steps, rules, policy)
    if found is None:
        return None
    slowest = found.slowest
    by_signal = {one.signal: one for one in known if one.service == slowest.service}
    errors, latency = by_signal.get("errors", slowest), by_signal.get("latency")
    traffic = Traffic(
        rate=errors.rate, percent=1, bad=errors.bad, known=errors.known, slow=latency.bad if latency else None
    )
    shown = weights if len(weights) <= WEIGHTS else [weights[0], weights[len(weights) // 2], weights[-1]]
    told = describe([forecast(replace(traffic, percent=percent), policy) for percent in shown])
    by = "" if slowest.signal == "errors" else f" (by {slowest.signal})"
    decides = f" decides{by}" if len(needed) > 1 or by else ""
    return f"{slowest.service}{decides}: {told}; all in all {found.describe(rules)}"


def tell_unjudged(world: World, measures: Measures, changed: frozenset[str]) -> None:
    """Say what will not be judged, or not from the first minute on: a verdict may be silent about it."""
    late = sorted({watch.service for watch in measures.watches if watch.slow is None} & changed)
    if late:
        warn(
            world,
            f"latency of {', '.join(late)} is not judged yet: fewer than {ENOUGH} calls in the last hour, so nobody "
            f"knows what is slow; the first {ENOUGH} beside the release tell it",
        )
    if any(f.routes for f in world.workspace.functions):
        if not world.workspace.environment.has_access_log:
            warn(world, f"5xx that functions answer themselves are not judged: {NO_LOG}")
        elif not fits_filters(world.workspace):
            note(world, by_query(world.workspace))
