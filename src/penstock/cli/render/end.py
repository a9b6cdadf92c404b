"""What a verb that moved something says at its end, in two or three lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.cli.render.sink import seconds
from penstock.operations.wanted import Deployed

if TYPE_CHECKING:
    from penstock.model.plan import Plan
    from penstock.operations.switch import Moved
    from penstock.operations.way_back import WayBack

NAMED = 5
"""Functions that are named; of more the number is told."""


def last_words(reached: Deployed | Moved, took: float, *, with_url: bool) -> str:
    """What runs now, instead of what, what it took, and how to go back.

    Args:
        reached: what the verb brought.
        took: seconds of the whole command.
        with_url: whether the URL is told as well.
    """
    plan = reached.plan if isinstance(reached, Deployed) else None
    before = plan.base_release if plan else reached.previous if not isinstance(reached, Deployed) else None
    name, release = reached.environment, reached.release
    what = f"; {_published(plan)}" if plan and _published(plan) else ""
    at = f" at {reached.url}" if with_url and reached.url else ""
    if isinstance(reached, Deployed) and reached.detached:
        return (
            f"{name}: release {release} is on its way, driven in the account{what} ({seconds(took)})\n"
            f"  → to follow it: penstock status -e {name} --watch\n"
            f"  → to take it back: penstock abort -e {name}"
        )
    if isinstance(reached, Deployed) and not reached.live:
        beside = f" beside {before}" if before else ""
        return (
            f"{name}: release {release} waits{beside}{what} ({seconds(took)})\n  → to drop it: penstock abort -e {name}"
        )
    if before == release:
        return f"{name} still runs release {release}{at}{what} ({seconds(took)})"
    instead = f" instead of {before}" if before else ""
    lines = [f"{name} runs release {release}{instead}{at}{what} ({seconds(took)})"]
    if before and reached.back is not None:
        lines.append(_way_back(reached.back, name))
    return "\n".join(lines)


def _way_back(back: WayBack, name: str) -> str:
    """What to type to go back, which is not `penstock rollback` where that would be refused."""
    if not back.refused:
        return f"  → back to {back.release}: {back.how}"
    nevertheless = f"penstock rollback -e {name} --to {back.release}"
    return f"  ! {back.refused}\n  → back to {back.release}: {back.how}; if it does not need that: {nevertheless}"


def _published(plan: Plan) -> str:
    """What the plan changed, in few words."""
    functions = sorted(move.key for move in plan.moves)
    parts = []
    if functions:
        named = ", ".join(functions) if len(functions) <= NAMED else f"{len(functions)} functions"
        parts.append(f"changed: {named}")
    if plan.changes:
        parts.append(f"{len(plan.changes)} resource{'' if len(plan.changes) == 1 else 's'} changed by Terraform")
    return ", ".join(parts)
