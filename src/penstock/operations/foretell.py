"""What a rollout will be able to tell with the traffic that there is, said before it begins."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault
from penstock.model.release import Pointer
from penstock.operations.engine import observe
from penstock.operations.measure import HISTORY, history, watched
from penstock.operations.pointer import read_pointer
from penstock.operations.steps import warn
from penstock.rollout.forecast import Traffic, describe, forecast
from penstock.rollout.minutes import MINUTE
from penstock.rollout.strategies import ALL, SetWeight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.operations.world import World
    from penstock.rollout.judge import JudgePolicy
    from penstock.rollout.strata import Stratum
    from penstock.rollout.strategies import Step

WEIGHTS = 3
"""Forecasts that are made of one walk, the lowest and the highest weights among them: each takes a moment."""


def foretell_plan(world: World, changed: frozenset[str], steps: tuple[Step, ...], policy: JudgePolicy) -> str | None:
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
    return foretell(before, changed & {watch.service for watch in measures.watches}, steps, policy)


def foretell(
    strata: Iterable[Stratum], changed: Iterable[str], steps: Iterable[Step], policy: JudgePolicy
) -> str | None:
    """The forecast for the changed service that is called least; None when there is nothing to judge.

    Args:
        strata: what the stable release did in the last hour.
        changed: services that changed.
        steps: the walk.
        policy: the judge's.
    """
    calls: Counter[str] = Counter(dict.fromkeys(changed, 0))
    bad: Counter[str] = Counter()
    for stratum in strata:
        if stratum.signal == "errors" and stratum.service in calls:
            calls[stratum.service] += stratum.stable.calls
            bad[stratum.service] += stratum.stable.bad
    weights = sorted({step.percent for step in steps if isinstance(step, SetWeight) and step.percent < ALL})
    if not calls or not weights:
        return None
    service, count = min(calls.items(), key=lambda one: (one[1], one[0]))
    if not count:
        return f"{service} was not called in the last hour: without calls nothing can be told of it"
    share = bad[service] / count
    rate = count / (HISTORY / MINUTE)
    shown = weights if len(weights) <= WEIGHTS else [weights[0], weights[len(weights) // 2], weights[-1]]
    found = [forecast(Traffic(rate=rate, percent=percent, bad=share, known=count), policy) for percent in shown]
    return f"{service}: {describe(found)}"
