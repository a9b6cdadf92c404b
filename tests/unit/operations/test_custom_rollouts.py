"""A walk that the configuration spells out, over the fakes: people's steps, and who may end them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, NotFound, Refused, UsageError
from penstock.model.events import PlanReady, RolloutMoved
from penstock.model.plan import Approval
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.model.workspace import ApprovalPolicy
from penstock.operations.approve import approve
from penstock.operations.deploy import deploy
from penstock.operations.orders import tell
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.wanted import DeployRequest
from penstock.ports import HttpAnswer
from penstock.rollout.advance import step_of
from penstock.rollout.strategies import Approve, Verify
from penstock.testing import FakeIdentity

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.operations.orders import Told
    from penstock.rollout.state import Rollout

WEIGHT, BAKE = PlannedStep(kind="weight", percent=20), PlannedStep(kind="bake", seconds=120.0)
APPROVE = PlannedStep(kind="approve", people=1, deadline=1800.0)


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    clock = Busy()
    found.shop.clock = clock
    found.workspace = with_rollout(
        found, RolloutPolicy(strategy="custom", steps=(WEIGHT, BAKE, APPROVE), deadline=7200.0)
    )
    environment = replace(found.workspace.environment, approvals=ApprovalPolicy(self_approval=False))
    found.workspace = replace(found.workspace, environment=environment)
    clock.traffic = Traffic(found, per_minute=2000)
    found.deploy()
    found.code["users"] = 2
    return found


def under_way(verbs: Verbs) -> Rollout | None:
    return RolloutStore(verbs.shop.objects).under_way()


def meanwhile(verbs: Verbs, what: object) -> None:
    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None
    clock.traffic.meanwhile = what  # type: ignore[assignment]


def says_yes(verbs: Verbs, name: str) -> Approval | Told:
    rollout = under_way(verbs)
    world = replace(verbs.world(), identity=FakeIdentity(name=name))
    return approve(world, rollout.release[:8] if rollout else "0123456789ab", why="it looks well")


@pytest.mark.parametrize(("steps", "ours"), [((WEIGHT, BAKE, APPROVE), 20), ((APPROVE, WEIGHT, BAKE), 0)])
def test_a_share_that_somebody_gives_it_by_hand_while_people_are_waited_for_is_taken_away_and_told(
    verbs: Verbs, steps: tuple[PlannedStep, ...], ours: int
) -> None:
    policy = replace(verbs.workspace.environment.rollout, steps=steps)
    verbs.workspace = replace(verbs.workspace, environment=replace(verbs.workspace.environment, rollout=policy))
    found: list[int] = []

    def by_hand() -> None:
        rollout, gateway, api = under_way(verbs), verbs.shop.gateway, verbs.shop.api
        stage = gateway.stage(api, "live")
        assert stage is not None
        share = round(stage.canary.percent) if stage.canary else 0
        if found == [90] and share != 90:
            found.append(share)
            says_yes(verbs, "bob")
        elif not found and rollout is not None and isinstance(step_of(rollout), Approve) and rollout.held:
            found.append(90)
            idle = "green" if stage.variables["slot"] == "blue" else "blue"
            gateway.set_canary(api, "live", deployment=stage.deployment, variables={"slot": idle}, percent=90)

    meanwhile(verbs, by_hand)
    assert verbs.deploy(confirm=yes).live
    assert found[:2] == [90, ours]
    told = [moved.what for moved in verbs.shop.events.of(RolloutMoved)]
    what = f"its weight was 90 % instead of {ours} %: somebody else changed it, or a move was cut short"
    assert told.count(what) == 1


def test_the_author_does_not_promote_past_the_yes_of_somebody_else(verbs: Verbs) -> None:
    refused: list[str] = []

    def somebody() -> None:
        rollout = under_way(verbs)
        if rollout is None or not isinstance(step_of(rollout), Approve) or not rollout.held or refused:
            return
        with pytest.raises(Refused, match="waits for the yes of somebody else") as caught:
            tell(verbs.world(), "promote", why="it is late")
        refused.append(caught.value.what)
        RolloutStore(verbs.shop.objects).order(rollout, "approve", by="bob", why="it looks well", at=0.0)

    meanwhile(verbs, somebody)
    assert verbs.deploy(confirm=yes).live
    assert len(refused) == 1


def test_who_made_the_plan_is_an_author_as_well_as_who_ships_it(verbs: Verbs) -> None:
    """Alice plans, and CI carries it out: neither's yes ends the wait."""
    services = tuple(
        replace(service, functions=tuple(replace(function, memory=512) for function in service.functions))
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)  # so that Terraform is asked for both
    verbs.deploy(plan_only=True)
    asked: list[str] = []

    def somebody() -> None:
        rollout = under_way(verbs)
        if rollout is None or not isinstance(step_of(rollout), Approve) or not rollout.held or asked:
            return
        asked.append(rollout.held)
        for name in ("user/alice", "ci"):
            with pytest.raises(Refused, match="the author's own yes does not count"):
                says_yes(verbs, name)
        RolloutStore(verbs.shop.objects).order(rollout, "approve", by="bob", why="it looks well", at=0.0)

    meanwhile(verbs, somebody)
    ci = replace(verbs.world(), identity=FakeIdentity(name="ci"))
    assert deploy(ci, DeployRequest(), TARGETS, yes).live
    assert asked


def test_the_author_does_not_go_past_the_yes_of_somebody_else_by_another_strategy(verbs: Verbs) -> None:
    with pytest.raises(Refused, match="all-at-once goes past the approval that its own steps ask for"):
        verbs.deploy(strategy="all-at-once", auto_approve=True)
    assert verbs.live_code()["users"] == 1
    (ready,) = verbs.shop.events.of(PlanReady)[-1:]
    approve(replace(verbs.world(), identity=FakeIdentity(name="user/bob")), ready.plan["id"], why="the shop is down")
    assert verbs.deploy(strategy="all-at-once", auto_approve=True).live
    assert verbs.live_code()["users"] == 2


def test_a_release_waits_for_the_yes_of_somebody_else(verbs: Verbs) -> None:
    asked: list[str] = []

    def somebody() -> None:
        rollout = under_way(verbs)
        if rollout is None or not isinstance(step_of(rollout), Approve) or not rollout.held or asked:
            return
        asked.append(rollout.held)
        with pytest.raises(Refused, match="the author's own yes does not count"):
            says_yes(verbs, "user/alice")
        RolloutStore(verbs.shop.objects).order(rollout, "approve", by="bob", why="it looks well", at=0.0)

    meanwhile(verbs, somebody)
    assert verbs.deploy(confirm=yes).live
    assert verbs.live_code()["users"] == 2
    assert asked[0].startswith("it needs 1 approval")
    assert "not by its author" in asked[0]


def test_a_rollout_that_waits_for_nobody_cannot_be_approved(verbs: Verbs) -> None:
    tried: list[str] = []

    def somebody() -> None:
        rollout = under_way(verbs)
        if rollout is not None and not isinstance(step_of(rollout), Approve) and not tried:
            with pytest.raises(UsageError, match="does not wait for an approval") as caught:
                says_yes(verbs, "user/bob")
            tried.append(str(caught.value))
        elif rollout is not None and rollout.held:
            RolloutStore(verbs.shop.objects).order(rollout, "approve", by="bob", why="", at=0.0)

    meanwhile(verbs, somebody)
    assert verbs.deploy(confirm=yes).live
    assert tried


def test_a_walk_that_nobody_spelled_out_is_not_taken_for_all_at_once(verbs: Verbs) -> None:
    verbs.workspace = with_rollout(verbs, RolloutPolicy())
    with pytest.raises(UsageError, match="dev spells no steps out"):
        verbs.deploy(strategy="custom")


def test_what_is_neither_a_plan_nor_a_rollout_is_not_there(verbs: Verbs) -> None:
    with pytest.raises(NotFound, match="there is no plan 0123456789ab"):
        says_yes(verbs, "user/bob")


def test_the_author_of_a_plan_is_told_at_once_that_a_colleague_must_approve_it(verbs: Verbs) -> None:
    plan = verbs.deploy(plan_only=True).plan
    assert plan is not None
    with pytest.raises(Refused, match="made plan"):
        approve(verbs.world(), plan.id)
    given = approve(replace(verbs.world(), identity=FakeIdentity(name="user/bob")), plan.id, why="read it")
    assert isinstance(given, Approval)
    assert (given.plan_digest, given.why) == (plan.digest, "read it")


def test_a_yes_that_is_too_old_is_no_yes(verbs: Verbs) -> None:
    policy = ApprovalPolicy(required=1, self_approval=False, expires=3600.0)
    verbs.workspace = replace(
        verbs.workspace, environment=replace(verbs.workspace.environment, approvals=policy, rollout=RolloutPolicy())
    )
    plan = verbs.deploy(plan_only=True).plan
    assert plan is not None
    bob = FakeIdentity(name="user/bob")
    approve(replace(verbs.world(), identity=bob), plan.id)
    verbs.shop.clock.sleep(3600.0)
    with pytest.raises(Refused, match="it has 0, and 1 that expired"):
        verbs.deploy(confirm=no)
    approve(replace(verbs.world(), identity=bob), plan.id)
    assert verbs.deploy(confirm=no).live


def test_the_plan_shows_the_walk_with_its_times_and_the_forecast_and_a_yes_is_bound_to_both(verbs: Verbs) -> None:
    verbs.shop.clock.sleep(3600.0)
    plan = verbs.deploy(plan_only=True).plan
    assert plan is not None
    (ready,) = verbs.shop.events.of(PlanReady)[-1:]
    assert "  traffic: verify → 20 % → bake 2m → 1 approval (within 30m) → 100 % after" in ready.summary
    assert "  judged by: deadline 2h\n" in ready.summary
    assert "  forecast: users: at 2,000 requests/min and 20 % a threefold regression" in ready.summary
    assert "; all in all a healthy release is promoted after 6 to " in ready.plan["forecast"]
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, steps=(WEIGHT, BAKE)))
    other = verbs.deploy(plan_only=True).plan
    assert other is not None
    assert other.digest != plan.digest


def test_a_second_look_that_finds_trouble_brings_traffic_back(verbs: Verbs) -> None:
    steps = (WEIGHT, BAKE, PlannedStep(kind="verify"))
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, steps=steps))

    def sick(stage: str, _slot: str) -> HttpAnswer:
        rollout = under_way(verbs)
        again = rollout is not None and isinstance(step_of(rollout), Verify) and rollout.at > 0
        return HttpAnswer(status=502 if again and stage == "preview" else 200, body="", headers={}, seconds=0.01)

    verbs.answers(sick)
    with pytest.raises(CameBack, match=r"it is not well any more: .*502"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1
