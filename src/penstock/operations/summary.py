"""A plan in words: what the person reads before saying yes, and what lies beside the plan in the bucket."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from penstock.infra.plan import summary as changes_summary
from penstock.model.rollouts import RolloutPolicy
from penstock.rollout.strategies import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.plan import FunctionMove, Plan

SHOWN_DIGITS = 10
LIMITS = ("max", "min", "max_rise", "max_fall")
SECONDS = ("deadline", "delay", "window")
JUDGED = ("margin", "latency_margin", "alpha", "minimum", "clusters", "on_inconclusive", "alarms", *SECONDS)
"""Keys of `RolloutPolicy` that decide whether a release passes; how it walks is said by the plan's `walk`."""


def summary(plan: Plan, forecast: str = "") -> str:
    """The whole plan as text, one change a line, without any value of an attribute.

    `forecast` is what a judge will be able to tell on the way.
    """
    lines = [
        (
            f"Plan {plan.id} for {plan.environment}: release {plan.release}"
            f" over {plan.base_release or 'nothing'}, strategy {plan.strategy}"
        )
    ]
    if plan.is_empty:
        return lines[0] + "\n  nothing would change"
    if plan.changes:
        counts, *changes = changes_summary(plan.changes).splitlines()
        lines.append(f"  infrastructure: {counts}")
        lines.extend(f"  {change}" for change in changes)
    else:
        lines.append("  infrastructure: no changes")
    lines.append(f"  functions: {len(plan.moves)} to publish and move")
    lines.extend(f"    {_move(move)}" for move in plan.moves)
    if plan.routes_changed:
        lines.append("  routes: the API's document changed; it moves together with the code")
    if plan.walk:
        lines.append(f"  traffic: {plan.walk}")
    judged, gates = _judged(plan), _gates(plan)
    if judged or gates:
        lines.append(f"  judged by: {judged or 'the defaults'}")
    lines.extend(f"    {gate}" for gate in gates)
    if forecast:
        lines.append(f"  forecast: {forecast}")
    return "\n".join(lines)


def brief(plan: Plan) -> str:
    """The plan in few lines: what is made and changed is counted for each module, what goes is named."""
    kept = ("create", "update")
    gone = [change for change in plan.changes if change.action not in kept]
    lines = [f"Plan {plan.id} for {plan.environment}: release {plan.release} over {plan.base_release or 'nothing'}"]
    if gone:
        lines.extend(f"  {line}" for line in changes_summary(gone).splitlines()[1:])
    modules: dict[str, list[str]] = {}
    for change in plan.changes:
        if change.action in kept:
            modules.setdefault(".".join(change.address.split(".")[:2]), []).append(change.action)
    for module, actions in modules.items():
        counts = [f"{actions.count(action)} to {action}" for action in kept if action in actions]
        lines.append(f"    {module}: {', '.join(counts)}")
    lines.extend(f"    {_move(move)}" for move in plan.moves)
    return "\n".join([*lines, f"  penstock plan -e {plan.environment} names every change"])


def counted(number: int, noun: str) -> str:
    """`1 function`, `2 functions`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _judged(plan: Plan) -> str:
    """What the judge is told otherwise than it is by default: a yes to the plan is a yes to this."""
    usual = asdict(RolloutPolicy())
    told = {key: plan.rollout[key] for key in JUDGED if key in plan.rollout and plan.rollout[key] != usual[key]}
    return ", ".join(f"{key} {_written(key, value)}" for key, value in told.items())


def _written(key: str, value: float | str | Sequence[str]) -> str:
    """A setting's value as people write it."""
    if isinstance(value, int | float):
        return duration(value) if key in SECONDS else f"{value:g}"
    return value if isinstance(value, str) else " ".join(value)


def _gates(plan: Plan) -> list[str]:
    """What gates of the user's own are asked, and where their limits are: a yes is a yes to these, too."""
    found = []
    for metric in plan.rollout.get("metrics", ()):
        series = [f"{one['statistic']} of {one['namespace']} {one['metric']}" for one in metric["terms"].values()]
        asked = metric["expression"] or series[0]
        limits = [f"{key} = {metric[key]:g}" for key in LIMITS if metric[key] is not None]
        points = f"{counted(metric['failures'], 'failing point')} of {duration(metric['period'])} in a row"
        missing = f'missing = "{metric["missing"]}"'
        found.append(f"{metric['name']}: {', '.join((asked, *limits, points, missing))}")
    for hook in plan.rollout.get("webhooks", ()):
        signed = ", signed" if hook["secret"] else ""
        found.append(
            f"{hook['name']}: POST to {hook['host']}, {hook['when']}, within {duration(hook['deadline'])}{signed}"
        )
    return found


def _move(move: FunctionMove) -> str:
    after = move.artifact_after[:SHOWN_DIGITS]
    if move.artifact_before is None:
        return f"+ {move.key}: {after}"
    code = (
        f"{move.artifact_before[:SHOWN_DIGITS]} → {after}"
        if move.artifact_before != move.artifact_after
        else "same code"
    )
    return f"~ {move.key}: {code}{', configuration changed' if move.config_changed else ''}"
