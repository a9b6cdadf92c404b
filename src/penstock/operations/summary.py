"""A plan in words: what the person reads before saying yes, and what lies beside the plan in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.infra.plan import summary as changes_summary

if TYPE_CHECKING:
    from penstock.model.plan import FunctionMove, Plan

SHOWN_DIGITS = 10


def summary(plan: Plan) -> str:
    """The whole plan as text, one change a line, without any value of an attribute."""
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
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """`1 function`, `2 functions`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
