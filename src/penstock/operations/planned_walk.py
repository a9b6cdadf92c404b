"""How a release will get its traffic: its walk, and what a plan says of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from penstock.model.rollouts import RolloutPolicy
from penstock.operations.callers import judged, moves_at_once, new_to
from penstock.operations.foretell import foretell_plan
from penstock.operations.rollout import judge_policy, rules_of, slowest
from penstock.rollout.strategies import (
    ALL,
    STRATEGIES,
    AwaitSwitch,
    Consult,
    SetWeight,
    Verify,
    duration,
    is_walked,
    is_weighted,
    unshared,
    walk,
)
from penstock.rollout.webhooks import asking

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.model.workspace import Function
    from penstock.operations.wanted import Wanted
    from penstock.operations.world import World
    from penstock.rollout.strategies import Step

Steps = tuple["Step", ...]


def changed_functions(world: World, release: Release, live: Release | None) -> list[Function]:
    """The functions whose code, configuration or routes are not those of the live release."""
    moved = release.changed_from(live)
    return [f for f in world.workspace.functions if f.key in moved]


def arriving(world: World, release: Release, live: Release | None) -> frozenset[str]:
    """The release's functions, by physical name, whose callers go to it before any share: they are new."""
    return new_to(live, [f for f in world.workspace.functions if f.key in release.functions])


def walks_of(world: World, strategy: str, changed: list[Function], live: Release | None) -> tuple[Steps, Steps]:
    """The strategy's steps, and those that a release of these changes takes, with whoever is to be asked on the way."""
    policy = world.workspace.environment.rollout
    whole = STRATEGIES[strategy](policy)
    return whole, asking(whole if judged(changed, live) else unshared(whole), policy.webhooks)


def _first(whole: Steps) -> Steps:
    """The walk of the first release: nothing runs beside it, so it is verified, may wait, and has all traffic."""
    return (*takewhile(lambda step: isinstance(step, Verify | AwaitSwitch), whole), SetWeight(ALL))


def traffic_of(world: World, wanted: Wanted, live: Release | None) -> tuple[str, RolloutPolicy | None]:
    """How traffic will move, in words, and who judges it or is asked; nothing where no traffic moves."""
    if live is not None and live.id == wanted.release.id:
        return "", None
    policy = world.workspace.environment.rollout
    changed = changed_functions(world, wanted.release, live)
    whole, steps = walks_of(world, wanted.strategy, changed, live)
    if live is None:
        return walk(_first(whole), 0.0), None
    said = walk(steps, policy.delay + slowest(world, judged(changed, live), live))
    asked = _asked(policy, steps) if is_walked(steps) else None
    gates = f"gates: {', '.join(metric.name for metric in asked.metrics)}" if asked and asked.metrics else ""
    callers = _callers(world, wanted.release, live, whole)
    baking = _bake_after(policy, told=asked is not None)
    return "; ".join(part for part in (said, gates, *callers, baking) if part), asked


def forecast_of(world: World, wanted: Wanted, live: Release | None) -> str | None:
    """What the walk will be able to tell with the traffic that there is; None where there is nothing to judge."""
    policy = world.workspace.environment.rollout
    steps = STRATEGIES[wanted.strategy](policy)
    if not is_weighted(steps):
        return None
    changed = judged(changed_functions(world, wanted.release, live), live)
    return foretell_plan(world, changed, steps, rules_of(world, changed, live), judge_policy(policy))


def _callers(world: World, release: Release, live: Release | None, steps: Steps) -> tuple[str, str]:
    """Who does not move by these steps, but before or behind them."""
    new = arriving(world, release, live)
    changed = changed_functions(world, release, live)
    waits = any(not isinstance(step, Verify | SetWeight) for step in steps)
    first = sorted(function.key for function in changed if waits and function.physical in new)
    last = sorted(
        function.key
        for function in changed
        if is_weighted(steps) and moves_at_once(function) and function.physical not in new
    )
    verb = "it is new" if len(first) == 1 else "they are new"
    return (
        f"callers of {', '.join(first)} move at once, when it is verified: {verb}" if first else "",
        f"callers of {', '.join(last)} move at the end: live is kept warm" if last else "",
    )


def _bake_after(policy: RolloutPolicy, *, told: bool) -> str:
    """What watches behind the move; the user's own alarms by name, where the judge's policy has not `told` them."""
    if not policy.bake_after:
        return ""
    own = f", {', '.join(policy.alarms)} among them," if policy.alarms and not told else ""
    return f"alarms{own} can take it back for {duration(policy.bake_after)} after all traffic has moved"


def _asked(policy: RolloutPolicy, steps: Steps) -> RolloutPolicy:
    """The policy without gates that this walk asks nothing, and without the judge's numbers where nobody judges."""
    names = {step.webhook for step in steps if isinstance(step, Consult)}
    asked = replace(policy, webhooks=tuple(hook for hook in policy.webhooks if hook.name in names))
    if is_weighted(steps):
        return asked
    usual = RolloutPolicy()
    return replace(
        asked,
        metrics=(),
        margin=usual.margin,
        latency_margin=usual.latency_margin,
        alpha=usual.alpha,
        minimum=usual.minimum,
        clusters=usual.clusters,
        delay=usual.delay,
        on_inconclusive=usual.on_inconclusive,
    )
