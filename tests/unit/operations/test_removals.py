"""What a release drops stays until it has all traffic, and nobody falls back into what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.infra import zoo
from unit.operations.harness import TARGETS, Verbs, yes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, Refused, RemoteFault
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import ApprovalPolicy, Uses
from penstock.operations.deploy import deploy
from penstock.operations.removals import made_again
from penstock.operations.status import status
from penstock.operations.store import ReleaseStore
from penstock.operations.switch import rollback, switch
from penstock.operations.terraform import read_applied
from penstock.operations.wanted import DeployRequest
from penstock.operations.way_back import WayBack
from penstock.ports import AlarmState
from penstock.testing import FakeObjectStore, FakeTerraform

if TYPE_CHECKING:
    from pathlib import Path

INDEXED = zoo.workspace().tables[0]
PLAIN = replace(INDEXED, indexes=())


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    clock = Busy()
    found.shop.clock = clock
    uses(found, INDEXED.name)
    found.deploy()
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(10,), bake=120.0))
    clock.traffic = Traffic(found, per_minute=2000)
    return found


def uses(verbs: Verbs, *tables: str) -> None:
    """Users may read these tables; the table has its index only while users may read it."""
    services = tuple(
        replace(service, uses=Uses(tables=dict.fromkeys(tables, "read"))) if service.name == "users" else service
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services, tables=(INDEXED if tables else PLAIN,))


def traffic(verbs: Verbs) -> Traffic:
    assert isinstance(verbs.shop.clock, Busy)
    assert verbs.shop.clock.traffic is not None
    return verbs.shop.clock.traffic


def only_writes(verbs: Verbs) -> None:
    """Users may not read the table any more, which is the orders' now and has all that it had."""
    services = tuple(
        replace(service, uses=Uses(tables={INDEXED.name: "write"})) if service.name == "users" else service
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services, tables=(replace(INDEXED, owner="orders"),))


def drops_grant_and_index(verbs: Verbs) -> None:
    uses(verbs)
    verbs.code["users"] = 2


def table(verbs: Verbs) -> dict[str, Any]:
    """The table as Terraform's root has it now."""
    assert verbs.last_world is not None
    body = verbs.last_world.files.read(verbs.last_world.infra / "main.tf.json")
    assert body is not None
    module: dict[str, Any] = json.loads(body)["module"]["table_users"]
    return module


def retained(verbs: Verbs) -> str:
    return verbs.shop.parameters.get("/penstock/shop/dev/retained") or ""


def test_a_canary_that_goes_back_has_taken_neither_grant_nor_index(verbs: Verbs) -> None:
    drops_grant_and_index(verbs)
    traffic(verbs).bad = {"users": 0.2}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert "by_email" in table(verbs)["indexes"]
    assert "dynamodb:GetItem" in retained(verbs)
    assert verbs.live_code()["users"] == 1


def test_while_a_canary_is_under_way_the_stable_release_has_what_it_needs(verbs: Verbs) -> None:
    drops_grant_and_index(verbs)
    seen: list[bool] = []
    traffic(verbs).meanwhile = lambda: seen.append("by_email" in table(verbs)["indexes"] and bool(retained(verbs)))
    assert verbs.deploy(confirm=yes).live
    assert seen
    assert all(seen)
    assert "indexes" not in table(verbs), "the second plan, after the promotion"


def test_a_rollback_finds_its_grants_and_is_told_of_the_index_that_it_would_miss(verbs: Verbs) -> None:
    before = verbs.shop.observe().pointer.live_release
    drops_grant_and_index(verbs)
    verbs.deploy(confirm=yes)
    assert "dynamodb:GetItem" in retained(verbs)
    with pytest.raises(Refused, match="index by_email of table_users") as caught:
        rollback(verbs.world())
    assert f"--to {before}" in caught.value.hint
    assert rollback(verbs.world(), to=before).release == before


def test_a_deploy_that_removes_says_that_the_way_back_is_another_deploy(verbs: Verbs) -> None:
    before = verbs.shop.observe().pointer.live_release
    drops_grant_and_index(verbs)
    back = verbs.deploy(confirm=yes).back
    assert back is not None
    assert back.release == before
    with pytest.raises(Refused) as caught:
        rollback(verbs.world())
    assert back.refused == caught.value.what
    assert back.how in caught.value.hint
    assert "rollback" not in back.how


@pytest.mark.parametrize(
    ("commit", "how"),
    [
        ("16e53af", "git checkout 16e53af, then penstock deploy -e dev"),
        ("16e53af+changes", "bring its files back (commit 16e53af and changes that were never committed), then "),
        ("", "bring its files back, then penstock deploy -e dev"),
        ("+changes", "bring its files back, then penstock deploy -e dev"),
    ],
)
def test_nobody_is_told_to_check_out_what_no_commit_has(verbs: Verbs, commit: str, how: str) -> None:
    live = ReleaseStore(verbs.shop.objects).require(verbs.shop.observe().pointer.live_release)
    assert made_again(replace(live, commit=commit), "dev").startswith(how)


def test_a_deploy_and_a_switch_that_remove_nothing_name_the_rollback_that_then_works(verbs: Verbs) -> None:
    before = verbs.shop.observe().pointer.live_release
    verbs.code["users"] = 2
    assert verbs.deploy(confirm=yes).back == WayBack(release=before or "", how="penstock rollback -e dev")
    verbs.code["users"] = 3
    second = verbs.shop.observe().pointer.live_release
    assert verbs.deploy(confirm=yes, strategy="blue-green").back is None
    assert switch(verbs.world()).back == WayBack(release=second or "", how="penstock rollback -e dev")
    assert rollback(verbs.world()).release == second


def test_nothing_removed_is_nothing_refused(verbs: Verbs) -> None:
    verbs.code["users"] = 2
    verbs.deploy(confirm=yes)
    rollback(verbs.world())
    assert verbs.live_code()["users"] == 1


def test_within_the_window_a_rollback_finds_everything(verbs: Verbs) -> None:
    before = verbs.shop.observe().pointer.live_release
    with_window(verbs, 3600.0)
    drops_grant_and_index(verbs)
    assert verbs.deploy(confirm=yes).live
    assert "by_email" in table(verbs)["indexes"]
    kept = status(verbs.world()).kept
    assert kept is not None
    assert kept.endswith("for a rollback: index by_email of table_users")
    assert rollback(verbs.world()).release == before
    assert status(verbs.world()).kept is None, "it is in use again"


def test_after_the_window_the_next_deploy_removes_what_was_kept_and_asks_its_gates(verbs: Verbs) -> None:
    with_window(verbs, 3600.0)
    drops_grant_and_index(verbs)
    verbs.deploy(confirm=yes)
    verbs.deploy(confirm=yes)
    assert "by_email" in table(verbs)["indexes"], "too early"
    verbs.shop.clock.sleep(3601)
    verbs.deploy(confirm=yes)
    assert "indexes" not in table(verbs)
    assert status(verbs.world()).kept is None
    assert not verbs.deploy(confirm=yes).changed, "nothing is left to do"
    with pytest.raises(Refused, match="index by_email"):
        rollback(verbs.world())


def with_window(verbs: Verbs, seconds: float) -> None:
    policy = replace(verbs.workspace.environment.rollout, window=seconds)
    verbs.workspace = with_rollout(verbs, policy)


def test_a_deploy_that_is_refused_leaves_what_is_retained_as_it_was(verbs: Verbs) -> None:
    """The parameter is what a plan by hand reads: another text there is a difference, with nothing applied."""
    drops_grant_and_index(verbs)
    verbs.deploy(confirm=yes)
    verbs.code["users"] = 3
    verbs.deploy(confirm=yes)
    before = retained(verbs)
    assert "dynamodb:GetItem" in before
    verbs.code["users"] = 4  # two releases without the grant are live by then, and nobody needs it any more
    policy = ApprovalPolicy(required=1)
    verbs.workspace = replace(verbs.workspace, environment=replace(verbs.workspace.environment, approvals=policy))
    with pytest.raises(Refused):
        verbs.deploy()
    assert retained(verbs) == before


def test_the_plan_that_is_asked_about_has_what_the_live_release_keeps(verbs: Verbs) -> None:
    drops_grant_and_index(verbs)
    verbs.deploy(plan_only=True)
    assert verbs.last_world is not None
    assert isinstance(verbs.last_world.terraform, FakeTerraform)
    (variables,) = verbs.last_world.terraform.planned
    assert "dynamodb:GetItem" in variables["retained"]
    assert retained(verbs) == ""


def test_whoever_goes_back_twice_finds_the_grants_of_the_release_before_last(verbs: Verbs) -> None:
    """The second release drops a grant, the third comes back, and so does the second."""
    first = verbs.shop.observe().pointer.live_release
    with_window(verbs, 3600.0)
    drops_grant_and_index(verbs)
    verbs.deploy(confirm=yes)
    verbs.code["users"] = 3
    traffic(verbs).bad = {"users": 0.2}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert "dynamodb:GetItem" in retained(verbs)
    assert rollback(verbs.world()).release == first


def test_a_dropped_grant_goes_when_nothing_to_go_back_to_needs_it(verbs: Verbs) -> None:
    only_writes(verbs)
    for number in (2, 3, 4):
        verbs.code["users"] = number
        verbs.deploy(confirm=yes)
    assert retained(verbs) == ""


def test_a_rollback_to_a_release_whose_grants_are_gone_says_which_it_would_miss(verbs: Verbs) -> None:
    """Going back three times leads to a release that no apply has thought of since."""
    first = verbs.shop.observe().pointer.live_release
    only_writes(verbs)
    for number in (2, 3):
        verbs.code["users"] = number
        verbs.deploy(confirm=yes)
    verbs.code["users"] = 4
    traffic(verbs).bad = {"users": 0.2}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    rollback(verbs.world())
    assert verbs.live_code()["users"] == 2
    with pytest.raises(Refused, match="users's grant of dynamodb:") as caught:
        rollback(verbs.world())
    assert f"--to {first}" in caught.value.hint


def test_what_the_apply_of_a_release_that_came_back_has_retained_stays_for_the_next(verbs: Verbs) -> None:
    only_writes(verbs)
    verbs.code["users"] = 2
    traffic(verbs).bad = {"users": 0.2}
    for _ in range(2):
        with pytest.raises(CameBack):
            verbs.deploy(confirm=yes)
        assert "dynamodb:GetItem" in retained(verbs)


class Unreachable(FakeObjectStore):
    """A bucket that takes no artifacts."""

    def upload(self, key: str, path: Path) -> None:
        raise RemoteFault("the connection was closed", where=f"{key}: {path}")


def dies_before_it_publishes(verbs: Verbs) -> None:
    """A deploy that drops the index, applies, and gets no further: nothing of it is in a slot."""
    drops_grant_and_index(verbs)
    verbs.code["users"] = 9
    bucket = Unreachable()
    bucket.__dict__ = verbs.shop.objects.__dict__
    with pytest.raises(RemoteFault, match="connection was closed"):
        deploy(replace(verbs.world(), objects=bucket), DeployRequest(), TARGETS, yes)


def applied(verbs: Verbs) -> dict[str, Any]:
    """The table as the last finished apply has left it."""
    module: dict[str, Any] = read_applied(verbs.world()).root["module"]["table_users"]
    return module


def waiting(verbs: Verbs, *, bake: float | None = None) -> None:
    """A release waits beside the live one, by whose policy alarms are watched for so long after the switch."""
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="blue-green", bake=bake, alarms=("mine",)))
    verbs.shop.alarms.alarms["mine"] = AlarmState(name="mine", value="OK", since=0.0)
    verbs.code["users"] = 2
    assert not verbs.deploy(confirm=yes).live


def test_a_switch_removes_what_the_release_that_it_promotes_has_dropped(verbs: Verbs) -> None:
    uses(verbs)
    waiting(verbs)
    assert "by_email" in applied(verbs)["indexes"]
    switch(verbs.world())
    assert "indexes" not in applied(verbs)


def test_a_switch_removes_nothing_by_a_later_deploy_that_came_no_further(verbs: Verbs) -> None:
    """The release that is promoted still uses it."""
    waiting(verbs)
    dies_before_it_publishes(verbs)
    switch(verbs.world())
    assert verbs.live_code()["users"] == 2
    assert "by_email" in applied(verbs)["indexes"]


def test_a_bake_behind_a_switch_ends_without_removing_by_a_deploy_that_died_meanwhile(verbs: Verbs) -> None:
    waiting(verbs, bake=600.0)
    ended: list[float] = []

    def die() -> None:
        if verbs.live_code()["users"] == 2 and not ended:
            ended.append(verbs.shop.clock.now())
            dies_before_it_publishes(verbs)

    traffic(verbs).meanwhile = die
    switch(verbs.world())
    assert ended
    assert verbs.live_code()["users"] == 2
    assert "by_email" in applied(verbs)["indexes"]
