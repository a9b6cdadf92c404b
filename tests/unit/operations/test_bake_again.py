"""The same deploy again while its release bakes, or after it was killed: it watches on, and removes nothing early."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.operations.test_bake import BLUE_GREEN, CANARY, LINEAR, after_the_switch, set_mine, ship, with_traffic
from unit.operations.test_recall import with_smoke_test
from unit.operations.test_removals import INDEXED, drops_grant_and_index, uses
from unit.operations.traffic import Busy, with_rollout

from penstock.model.errors import CameBack, Refused
from penstock.model.workspace import AfterDeploy, ApprovalPolicy
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.switch import rollback
from penstock.operations.terraform import read_applied
from penstock.operations.wanted import DeployRequest
from penstock.ports import HttpAnswer
from penstock.testing import Killed

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.rollouts import RolloutPolicy
    from penstock.ports import Command, CommandResult

POLICIES = pytest.mark.parametrize("policy", [BLUE_GREEN, LINEAR, CANARY], ids=lambda policy: policy.strategy)


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    """Something that uses an index is live, and the next release drops it."""
    found = with_traffic(tmp_path, clock)
    uses(found, INDEXED.name)
    found.deploy()
    drops_grant_and_index(found)
    return found


def dies_at_half(verbs: Verbs) -> None:
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    if stage is not None and stage.canary is not None:
        raise Killed


def has_index(verbs: Verbs) -> bool:
    return "by_email" in read_applied(verbs.world()).root["module"]["table_users"].get("indexes", {})


@POLICIES
def test_a_deploy_inside_the_bake_removes_nothing_before_it_has_ended(
    verbs: Verbs, clock: Busy, policy: RolloutPolicy
) -> None:
    verbs.workspace = with_rollout(verbs, policy)
    seen: list[bool] = []

    def again() -> None:
        assert clock.traffic is not None
        clock.traffic.meanwhile = lambda: seen.append(has_index(verbs))
        verbs.deploy(confirm=yes)

    after_the_switch(verbs, clock, 60, again)
    ship(verbs)
    assert len(seen) > 100
    assert all(seen[:300])
    assert not has_index(verbs)


@POLICIES
def test_an_alarm_finds_everything_to_go_back_to_though_the_deploy_ran_again(
    verbs: Verbs, clock: Busy, policy: RolloutPolicy
) -> None:
    verbs.workspace = with_rollout(verbs, policy)

    def again() -> None:
        after_the_switch(verbs, clock, 300, lambda: set_mine(verbs, rings=True))
        with suppress(CameBack):
            verbs.deploy(confirm=yes)

    after_the_switch(verbs, clock, 60, again)
    with pytest.raises(CameBack):
        ship(verbs)
    assert verbs.live_code()["users"] == 1
    assert has_index(verbs)


def test_a_deploy_that_was_killed_after_its_move_bakes_when_it_is_given_again(verbs: Verbs, clock: Busy) -> None:
    verbs.workspace = with_rollout(verbs, CANARY)
    at_once = DeployRequest(strategy="all-at-once")

    def dies(_command: Command) -> CommandResult:
        raise Killed

    with pytest.raises(Killed):
        deploy(with_smoke_test(verbs, dies), at_once, TARGETS, yes)
    assert verbs.live_code()["users"] == 2
    environment = replace(verbs.workspace.environment, after=AfterDeploy())
    verbs.workspace = replace(verbs.workspace, environment=environment)
    after_the_switch(verbs, clock, 300, lambda: set_mine(verbs, rings=True))
    with pytest.raises(CameBack, match="alarm mine rings"):
        deploy(verbs.world(), at_once, TARGETS, yes)
    assert verbs.live_code()["users"] == 1
    assert has_index(verbs)


def test_no_alarm_leads_back_to_the_release_that_a_killed_rollback_has_left(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy(confirm=yes)

    def dies(stage: str, _slot: str) -> HttpAnswer:
        if stage == "live":
            raise Killed
        return HttpAnswer(status=200, body="", headers={}, seconds=0.01)

    verbs.answers(dies)
    with pytest.raises(Killed):
        rollback(verbs.world(), to=read_history(verbs.shop.objects).promotions[0].release)
    verbs.answers(lambda _stage, _slot: HttpAnswer(status=200, body="", headers={}, seconds=0.01))
    verbs.workspace = with_rollout(verbs, CANARY)
    uses(verbs, INDEXED.name)
    verbs.code["users"] = 1
    began = clock.now()
    assert verbs.deploy(confirm=yes).live
    assert verbs.live_code()["users"] == 1
    assert clock.now() < began + 600


@pytest.mark.parametrize("rings", [False, True])
def test_a_resumed_deploy_that_nobody_says_yes_to_has_promoted_and_watches_and_leaves_the_rest_to_the_next_one(
    verbs: Verbs, clock: Busy, rings: bool
) -> None:
    environment = replace(verbs.workspace.environment, approvals=ApprovalPolicy(required=1), rollout=LINEAR)
    verbs.workspace = replace(verbs.workspace, environment=environment)
    assert clock.traffic is not None
    clock.traffic.meanwhile = lambda: dies_at_half(verbs)
    with pytest.raises(Killed):
        verbs.deploy(confirm=yes)
    clock.traffic.meanwhile = bool
    if rings:
        after_the_switch(verbs, clock, 300, lambda: set_mine(verbs, rings=True))
        with pytest.raises(CameBack, match="alarm mine rings"):
            verbs.deploy(confirm=no)
        return

    shipped = verbs.deploy(confirm=no)

    assert shipped.live
    assert verbs.live_code()["users"] == 2
    assert audit(verbs.world()).runs[-1].outcome == "promoted"
    assert has_index(verbs)
    with pytest.raises(Refused, match="needs 1 approval"):
        verbs.deploy(confirm=no)
    verbs.deploy(confirm=yes)
    assert not has_index(verbs)
