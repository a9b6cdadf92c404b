"""Whose yes counts, for what, and for how long: over the fakes, through `deploy` and `approve`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.operations.traffic import with_rollout

from penstock.model.errors import Refused
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import ApprovalPolicy
from penstock.operations.approve import approve
from penstock.operations.deploy import deploy
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.wanted import Deployed, DeployRequest
from penstock.testing import FakeIdentity

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.plan import Plan
    from penstock.operations.world import World

ALICE, BOB, CAROL, CI = "user/alice", "user/bob", "user/carol", "assumed-role/ci/run-7"


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.deploy()
    found.code["users"] = 2
    services = tuple(  # so that Terraform has something to do, in a plan as in a deploy
        replace(service, functions=tuple(replace(function, memory=512) for function in service.functions))
        for service in found.workspace.services
    )
    found.workspace = replace(found.workspace, services=services)
    found.workspace = with_policy(found, ApprovalPolicy(required=1, self_approval=False))
    return found


def with_policy(verbs: Verbs, policy: ApprovalPolicy) -> Any:
    return replace(verbs.workspace, environment=replace(verbs.workspace.environment, approvals=policy))


def world_of(verbs: Verbs, name: str) -> World:
    return replace(verbs.world(), identity=FakeIdentity(name=name))


def ships(verbs: Verbs, name: str, *, confirm: Any = no, **request: Any) -> Deployed:
    return deploy(world_of(verbs, name), DeployRequest(**request), TARGETS, confirm)


def plan_of(verbs: Verbs, name: str) -> Plan:
    plan = ships(verbs, name, plan_only=True).plan
    assert plan is not None
    return plan


def test_who_made_a_plan_first_stays_its_author_when_ci_makes_the_same(verbs: Verbs) -> None:
    plan = plan_of(verbs, ALICE)
    assert plan_of(verbs, CI).id == plan.id
    with pytest.raises(Refused, match="made plan"):
        approve(world_of(verbs, ALICE), plan.id)


def test_a_yes_that_its_author_gave_all_the_same_does_not_count(verbs: Verbs) -> None:
    lax = with_policy(verbs, ApprovalPolicy(required=2))
    verbs.workspace, strict = lax, verbs.workspace
    plan = plan_of(verbs, ALICE)
    approve(world_of(verbs, ALICE), plan.id)  # under yesterday's policy
    verbs.workspace = strict
    with pytest.raises(Refused, match="it has 0"):
        ships(verbs, CI)


def test_a_yes_that_cannot_count_is_neither_asked_for_nor_kept(verbs: Verbs) -> None:
    plan_of(verbs, CI)
    with pytest.raises(Refused, match="has 0"):
        ships(verbs, ALICE, auto_approve=True)

    def never(plan: Plan, objections: Any) -> bool:
        raise AssertionError((plan, objections))

    with pytest.raises(Refused, match="has 0"):
        ships(verbs, ALICE, confirm=never)
    with pytest.raises(Refused, match="has 0"):
        ships(verbs, CI)
    assert not verbs.shop.objects.list("approvals/")


def test_the_ledger_names_those_whose_yes_counted(verbs: Verbs) -> None:
    verbs.workspace = with_policy(verbs, ApprovalPolicy(required=1, self_approval=False, expires=3600.0))
    plan = plan_of(verbs, ALICE)
    approve(world_of(verbs, BOB), plan.id)
    verbs.shop.clock.sleep(3600.0)  # Bob's yes is over
    approve(world_of(verbs, CAROL), plan.id)
    assert ships(verbs, CI).live
    entries = LedgerStore(verbs.shop.objects, clock=verbs.shop.clock, actor="", run="").entries()
    (*_, approved) = (entry for entry in entries if entry.kind == "approved")
    assert approved.data["by"] == [f"arn:aws:iam::111111111111:{CAROL}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", 0.9),
        ("latency_margin", 0.9),
        ("alpha", 0.4),
        ("minimum", 1),
        ("clusters", 50),
        ("on_inconclusive", "raise"),
        ("deadline", 86400.0),
        ("alarms", ()),
        ("window", 0.0),
        ("delay", 60.0),
    ],
)
def test_a_yes_is_none_for_the_same_release_under_another_judge(verbs: Verbs, key: str, value: Any) -> None:
    canary = RolloutPolicy(strategy="canary", weights=(10,), bake=120.0, alarms=("mine",), window=60.0)
    verbs.workspace = with_rollout(verbs, canary)
    verbs.workspace = with_policy(verbs, ApprovalPolicy(required=1, self_approval=False))
    plan = plan_of(verbs, ALICE)
    approve(world_of(verbs, BOB), plan.id)
    verbs.workspace = with_rollout(verbs, replace(canary, **{key: value}))
    verbs.workspace = with_policy(verbs, ApprovalPolicy(required=1, self_approval=False))
    assert plan_of(verbs, ALICE).digest != plan.digest
    with pytest.raises(Refused, match="it has 0"):
        ships(verbs, CI, confirm=yes)
