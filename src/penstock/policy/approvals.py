"""Enough people said yes to exactly this plan."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.plan import Approval
    from penstock.model.workspace import ApprovalPolicy
    from penstock.policy.question import Question


def approvals(question: Question) -> Iterable[Objection]:
    """Count the different people who approved this plan's hash, without its author where the policy says so.

    A yes that is older than the policy allows does not count any more: what it was given for may have changed around
    the plan. A plan that takes another way than the configured one is to have the yes that it would have met there.
    """
    policy, passed = question.environment.approvals, _passed_over(question)
    required = max(policy.required, passed)
    if required == 0 or question.plan.is_empty:
        return
    people = {approval.by for approval in counted(question)}
    expired = {approval.by for approval in _given(question)} - people
    if len(people) >= required:
        return
    name = question.environment.name
    whose = "" if policy.self_approval else ", and the author's own does not count"
    old = f", and {len(expired)} that expired" if expired else ""
    why = f": {question.plan.strategy} goes past the approval that its own steps ask for" if passed else ""
    yes = "approval" if required == 1 else "approvals"
    own_will_do = required == 1 and policy.self_approval
    yield Objection(
        gate="approvals",
        what=f"{name} needs {required} {yes} of plan {question.plan.id}{whose}; it has {len(people)}{old}{why}",
        hint=(
            f"answer yes at the prompt, or give the same command with a yes: penstock deploy -e {name} --auto-approve "
            f"(and its other flags); or have it approved: penstock approve -e {name} {question.plan.id}"
            if own_will_do
            else f"ask a colleague to run: penstock approve -e {name} {question.plan.id}  (then run this again)"
        ),
    )


def counted(question: Question) -> tuple[Approval, ...]:
    """The approvals that count: of exactly this plan, by whom the policy lets, and not expired."""
    policy = question.environment.approvals
    return tuple(approval for approval in _given(question) if expiry(approval, policy) > question.now)


def own_counts(question: Question, caller: str) -> bool:
    """Whether a yes of this caller would count at all."""
    return question.environment.approvals.self_approval or caller not in question.authors


def _passed_over(question: Question) -> int:
    """People other than the author whose yes the configured steps wait for, and this plan's strategy does not."""
    plan, environment = question.plan, question.environment
    is_walked = plan.base_release not in (None, plan.release) and environment.rollout.strategy == "custom"
    if environment.approvals.self_approval or plan.strategy == "custom" or not is_walked:
        return 0
    return max((step.people for step in environment.rollout.steps if step.kind == "approve"), default=0)


def _given(question: Question) -> tuple[Approval, ...]:
    """Approvals of this plan by those whose yes counts, expired ones as well."""
    digest = question.plan.digest
    return tuple(one for one in question.approvals if one.plan_digest == digest and own_counts(question, one.by))


def expiry(approval: Approval, policy: ApprovalPolicy) -> float:
    """When a yes stops to count, in seconds since the epoch."""
    return datetime.fromisoformat(approval.at).timestamp() + policy.expires
