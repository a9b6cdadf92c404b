"""Gates: a plan and who asks for it -> Objections. One gate a file; `GATES` is the whole list.

Adding a gate is one file with a function `Question -> Iterable[Objection]`, and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.policy.approvals import approvals
from penstock.policy.branches import branches
from penstock.policy.destruction import destruction
from penstock.policy.quotas import quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.model.plan import Objection
    from penstock.policy.question import Question

GATES: Mapping[str, Callable[[Question], Iterable[Objection]]] = {
    "branches": branches,
    "destruction": destruction,
    "quotas": quotas,
    "approvals": approvals,
}


def objections(question: Question) -> tuple[Objection, ...]:
    """Everything that speaks against the plan, in the order of `GATES`."""
    return tuple(objection for gate in GATES.values() for objection in gate(question))
