"""Gates refuse with a reason and a way out, and are silent otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from penstock.model.plan import Approval, FunctionMove, Plan, ResourceChange
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.model.workspace import ApprovalPolicy, Environment
from penstock.policy import GATES, objections
from penstock.policy.question import Question

ALICE = "arn:aws:iam::333333333333:user/alice"
BOB = "arn:aws:iam::333333333333:user/bob"

PLAN = Plan(
    id="p1",
    environment="production",
    release="r2",
    base_release="r1",
    changes=(),
    moves=(FunctionMove(key="users", artifact_before="a", artifact_after="b", config_changed=False),),
    routes_changed=False,
    strategy="all-at-once",
    terraform_digest="",
)
ENVIRONMENT = Environment(name="production", account="333333333333", region="eu-west-1")
QUESTION = Question(plan=PLAN, environment=ENVIRONMENT, authors=frozenset({ALICE}), branch="main", ci=False)


def approval(by: str, digest: str = PLAN.digest) -> Approval:
    return Approval(plan_digest=digest, by=by, how="approve", at="2026-01-01T00:00:00Z")


def with_policy(required: int, *, self_approval: bool, approvals: tuple[Approval, ...]) -> Question:
    policy = ApprovalPolicy(required=required, self_approval=self_approval)
    return replace(QUESTION, environment=replace(ENVIRONMENT, approvals=policy), approvals=approvals)


def test_a_plan_that_breaks_no_rule_has_no_objections() -> None:
    assert objections(QUESTION) == ()


@pytest.mark.parametrize(
    ("required", "self_approval", "by", "refused"),
    [
        (1, True, (), True),
        (1, True, (ALICE,), False),
        (1, False, (ALICE,), True),
        (1, False, (BOB,), False),
        (2, True, (ALICE,), True),
        (2, True, (ALICE, ALICE), True),
        (2, True, (ALICE, BOB), False),
        (2, False, (ALICE, BOB), True),
    ],
)
def test_different_people_are_counted_and_the_author_only_where_allowed(
    required: int, self_approval: bool, by: tuple[str, ...], refused: bool
) -> None:
    question = with_policy(required, self_approval=self_approval, approvals=tuple(approval(who) for who in by))
    assert bool(objections(question)) is refused


WALK = RolloutPolicy(
    strategy="custom", steps=(PlannedStep(kind="weight", percent=20), PlannedStep(kind="approve", people=1))
)


@pytest.mark.parametrize("strategy", ["all-at-once", "linear", "canary", "blue-green"])
def test_a_strategy_that_goes_past_the_yes_of_somebody_else_needs_it_for_its_plan(strategy: str) -> None:
    plan = replace(PLAN, strategy=strategy)
    question = replace(with_policy(0, self_approval=False, approvals=()), plan=plan)
    question = replace(question, environment=replace(question.environment, rollout=WALK))
    (objection,) = objections(question)
    assert objection.gate == "approvals"
    assert objection.what.endswith(f"it has 0: {strategy} goes past the approval that its own steps ask for")
    assert "ask a colleague" in objection.hint
    assert objections(replace(question, approvals=(approval(ALICE, plan.digest),))) == (objection,)
    assert objections(replace(question, approvals=(approval(BOB, plan.digest),))) == ()


def test_nothing_is_gone_past_by_the_walk_itself_nor_by_a_first_release_nor_where_the_authors_yes_would_do() -> None:
    question = with_policy(0, self_approval=False, approvals=())
    question = replace(question, environment=replace(question.environment, rollout=WALK))
    assert len(objections(question)) == 1
    for plan in (replace(PLAN, strategy="custom"), replace(PLAN, base_release=None), replace(PLAN, base_release="r2")):
        assert objections(replace(question, plan=plan)) == ()
    own = ApprovalPolicy(required=0, self_approval=True)
    assert objections(replace(question, environment=replace(question.environment, approvals=own))) == ()
    canary = replace(WALK, strategy="canary")
    assert objections(replace(question, environment=replace(question.environment, rollout=canary))) == ()


def test_an_approval_of_another_plan_does_not_count() -> None:
    question = with_policy(1, self_approval=True, approvals=(approval(BOB, digest="0" * 64),))
    (objection,) = objections(question)
    assert objection.gate == "approvals"


def test_a_yes_is_good_for_a_time_and_the_refusal_says_that_it_has_passed() -> None:
    question = with_policy(1, self_approval=True, approvals=(approval(BOB),))
    given = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    day = question.environment.approvals.expires
    assert objections(replace(question, now=given + day - 1)) == ()
    (objection,) = objections(replace(question, now=given + day))
    assert "it has 0, and 1 that expired" in objection.what


def test_an_approval_hint_names_the_command_that_helps() -> None:
    (alone,) = objections(with_policy(1, self_approval=True, approvals=()))
    assert "--auto-approve" in alone.hint
    (together,) = objections(with_policy(2, self_approval=True, approvals=()))
    assert "penstock approve -e production p1" in together.hint


@pytest.mark.parametrize(
    ("branch", "ci", "refused"),
    [
        ("main", True, False),
        ("release/7", True, False),
        ("feature/x", True, True),
        ("", True, True),
        ("x", False, False),
    ],
)
def test_ci_deploys_from_the_named_branches_only_and_people_from_any(branch: str, ci: bool, refused: bool) -> None:
    environment = replace(ENVIRONMENT, branches=("main", "release/*"))
    question = replace(QUESTION, environment=environment, branch=branch, ci=ci)
    assert bool(objections(question)) is refused


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_losing_a_table_must_be_accepted_by_its_address(action: str) -> None:
    change = ResourceChange(
        address="module.user_service.aws_dynamodb_table.users",
        type="aws_dynamodb_table",
        action="delete" if action == "delete" else "replace",
    )
    question = replace(QUESTION, plan=replace(PLAN, changes=(change,)))
    (objection,) = objections(question)
    assert change.address in objection.hint
    accepted = replace(question.plan, allow_destroy=(change.address,))
    assert objections(replace(question, plan=accepted)) == ()


def test_deleting_what_holds_no_data_needs_no_word() -> None:
    change = ResourceChange(address="aws_lambda_alias.x", type="aws_lambda_alias", action="delete")
    assert objections(replace(QUESTION, plan=replace(PLAN, changes=(change,)))) == ()


@pytest.mark.parametrize(("resources", "refused"), [(300, False), (301, True)])
def test_the_quota_of_resources_per_api_is_a_gate(resources: int, refused: bool) -> None:
    assert bool(objections(replace(QUESTION, api_resources=resources))) is refused


def test_every_gate_names_itself_in_its_objections() -> None:
    change = ResourceChange(address="aws_dynamodb_table.x", type="aws_dynamodb_table", action="delete")
    environment = replace(ENVIRONMENT, branches=("main",), approvals=ApprovalPolicy(required=1))
    plan = replace(PLAN, changes=(change,))
    question = Question(
        plan=plan, environment=environment, authors=frozenset({ALICE}), branch="x", ci=True, api_resources=999
    )
    assert {objection.gate for objection in objections(question)} == set(GATES)
