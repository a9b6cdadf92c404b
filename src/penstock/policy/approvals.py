"""Enough people said yes to exactly this plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.policy.question import Question


def approvals(question: Question) -> Iterable[Objection]:
    """Count the different people who approved this plan's hash, without its author where the policy says so."""
    policy = question.environment.approvals
    if policy.required == 0 or question.plan.is_empty:
        return
    digest = question.plan.digest
    people = {approval.by for approval in question.approvals if approval.plan_digest == digest}
    if not policy.self_approval:
        people.discard(question.author)
    missing = policy.required - len(people)
    if missing <= 0:
        return
    name = question.environment.name
    whose = "" if policy.self_approval else ", and the author's own does not count"
    yes = "approval" if policy.required == 1 else "approvals"
    own_will_do = policy.required == 1 and policy.self_approval
    yield Objection(
        gate="approvals",
        what=f"{name} needs {policy.required} {yes} of plan {question.plan.id}{whose}; it has {len(people)}",
        hint=(
            f"answer yes at the prompt, or give the same command with a yes: penstock deploy -e {name} --auto-approve "
            f"(and its other flags); or have it approved: penstock approve -e {name} {question.plan.id}"
            if own_will_do
            else f"ask a colleague to run: penstock approve -e {name} {question.plan.id}  (then run this again)"
        ),
    )
