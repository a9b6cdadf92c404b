"""Plan -> Objections -> Approval, and where plans and approvals lie in the environment's bucket.

Approvals are bound to the plan's hash, which is computed over what the plan does and not over when it was made: the
same change planned again by CI is still approved, any other change is not.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from penstock.infra.openapi import resource_count
from penstock.model.errors import Conflict, NotFound, Refused
from penstock.model.plan import Approval, FunctionMove, Plan
from penstock.operations.steps import timestamp
from penstock.policy import objections
from penstock.policy.approvals import counted, own_counts
from penstock.policy.question import Question

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from penstock.model.plan import Objection, ResourceChange
    from penstock.model.release import Release
    from penstock.model.rollouts import RolloutPolicy
    from penstock.operations.world import Confirm, World


def make(
    release: Release,
    live: Release | None,
    changes: tuple[ResourceChange, ...],
    *,
    strategy: str,
    terraform_digest: str,
    allow_destroy: Collection[str] = (),
    promotions: int = 0,
    walk: str = "",
    rollout: RolloutPolicy | None = None,
) -> Plan:
    """What deploying this release over the live one would do."""
    before = live.functions if live else {}
    moves = tuple(
        FunctionMove(
            key=key,
            artifact_before=before[key].artifact if key in before else None,
            artifact_after=function.artifact,
            config_changed=key not in before or before[key].config != function.config,
        )
        for key, function in sorted(release.functions.items())
        if before.get(key) != function
    )
    draft = Plan(
        id="",
        environment=release.environment,
        release=release.id,
        base_release=live.id if live else None,
        changes=changes,
        moves=moves,
        routes_changed=live is None or live.api != release.api,
        strategy=strategy,
        terraform_digest=terraform_digest,
        allow_destroy=tuple(sorted(allow_destroy)),
        promotions=promotions,
        walk=walk,
        rollout=_shown(rollout) if rollout is not None else {},
    )
    return Plan(**{**{name: getattr(draft, name) for name in Plan.__dataclass_fields__}, "id": draft.digest[:12]})


def _shown(policy: RolloutPolicy) -> dict[str, Any]:
    """The policy as plain JSON. Of a URL, which may be a secret, only its host, and a hash that tells another one."""
    found = asdict(policy)
    for hook in found["webhooks"]:
        url = hook.pop("url")
        hook["host"] = urlsplit(url).netloc.rpartition("@")[2]
        hook["url_sha256"] = hashlib.sha256(url.encode()).hexdigest()
    return found


def save(world: World, plan: Plan, summary: str) -> None:
    """Keep the plan, who made it, and its readable summary under `plans/<id>/`.

    Who makes the same plan later does not become its author: CI plans again what a person asks approval for.
    """
    body = {**plan.to_json(), "by": world.identity.caller()}
    with suppress(Conflict):
        world.objects.put_if_absent(f"plans/{plan.id}/plan.json", json.dumps(body, indent=1, sort_keys=True).encode())
    world.objects.put(f"plans/{plan.id}/summary.txt", summary.encode())


def approve(world: World, plan_id: str, *, why: str = "") -> Approval:
    """Say yes to a saved plan, as the STS caller.

    Raises NotFound when there is no such plan, Refused when it is the caller's own and the policy wants somebody else.
    """
    name = world.workspace.environment.name
    plan = _saved(world, plan_id)
    if plan is None:
        raise NotFound(f"there is no plan {plan_id} in {name}", hint=f"penstock plan -e {name}")
    caller = world.identity.caller()
    if not world.workspace.environment.approvals.self_approval and plan.get("by") == caller:
        raise Refused(
            f"{caller} made plan {plan_id}, and the author's own yes does not count in {name}",
            where=name,
            hint=f"ask a colleague to run: penstock approve -e {name} {plan_id}",
        )
    return record_approval(world, plan["digest"], how="approve", why=why)


def record_approval(
    world: World, digest: str, *, how: Literal["prompt", "auto-approve", "approve"], why: str = ""
) -> Approval:
    """Write down who said yes to which plan."""
    approval = Approval(plan_digest=digest, by=world.identity.caller(), how=how, at=timestamp(world), why=why)
    name = approval.by.replace("/", ":")
    world.objects.put(f"approvals/{digest}/{name}.json", json.dumps(asdict(approval), sort_keys=True).encode())
    return approval


def approvals_of(world: World, digest: str) -> tuple[Approval, ...]:
    """All approvals of the plan with this hash."""
    bodies = (world.objects.get(key) for key in world.objects.list(f"approvals/{digest}/"))
    return tuple(Approval(**json.loads(stored.body)) for stored in bodies if stored is not None)


def admit(
    world: World,
    plan: Plan,
    *,
    auto_approve: bool,
    confirm: Confirm,
) -> tuple[Approval, ...]:
    """Let the plan pass, asking the person where a yes is all that is missing.

    Returns the approvals that counted. Raises Refused with every objection that is left. Gates are asked before the
    person is, so that nobody is asked to approve what is refused anyway, or asked for a yes that does not count; and no
    such yes is left behind.
    """
    caller = world.identity.caller()
    question = _question(world, plan, caller)
    left = objections(question)
    only_approval_is_missing = bool(left) and all(objection.gate == "approvals" for objection in left)
    if only_approval_is_missing and own_counts(question, caller) and (auto_approve or confirm(plan, left)):
        how: Literal["auto-approve", "prompt"] = "auto-approve" if auto_approve else "prompt"
        given = record_approval(world, plan.digest, how=how)
        question = replace(question, approvals=(*question.approvals, given))
        left = objections(question)
    if left:
        raise refusal(world, left)
    return counted(question)


def refusal(world: World, left: Sequence[Objection]) -> Refused:
    """All objections as one error."""
    lines = [f"{objection.gate}: {objection.what}" for objection in left]
    return Refused("\n".join(lines), where=world.workspace.environment.name, hint=left[0].hint)


def _question(world: World, plan: Plan, caller: str) -> Question:
    saved = _saved(world, plan.id)
    return Question(
        plan=plan,
        environment=world.workspace.environment,
        authors=_authors(saved, caller),
        branch=world.origin.branch,
        ci=world.origin.ci,
        approvals=approvals_of(world, plan.digest),
        now=world.clock.now(),
        api_resources=resource_count(world.workspace),
    )


def authors_of(world: World, plan: Plan) -> frozenset[str]:
    """Who made the plan first, and who carries it out: it is the caller."""
    return _authors(_saved(world, plan.id), world.identity.caller())


def _authors(saved: Mapping[str, Any] | None, caller: str) -> frozenset[str]:
    """The same, of a plan as it was saved."""
    return frozenset({caller, saved["by"] if saved else caller})


def _saved(world: World, plan_id: str) -> dict[str, Any] | None:
    """The plan as it lies in the bucket, with `by`, who made it first; None when nobody did."""
    stored = world.objects.get(f"plans/{plan_id}/plan.json")
    return json.loads(stored.body) if stored else None
