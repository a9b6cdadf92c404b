"""A strategy that this version cannot judge is refused, never silently replaced by another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.policy.question import Question

AVAILABLE = ("all-at-once", "blue-green")


def strategies(question: Question) -> Iterable[Objection]:
    """Refuse weighted strategies until the statistical judge is there to watch them."""
    strategy = question.plan.strategy
    if strategy not in AVAILABLE:
        yield Objection(
            gate="strategies",
            what=f"strategy {strategy!r} shifts traffic by weight, which this version does not judge yet",
            hint=f"penstock deploy -e {question.environment.name} --strategy blue-green   (or all-at-once)",
        )
