"""What the verbs do to an environment, over the fakes: quick, and every corner reachable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.release.shop import NAMES

from penstock.model.errors import CameBack, LeaseLost, Locked, NotFound, Refused, UsageError, VerificationFailed
from penstock.model.events import Note, NothingToDo
from penstock.model.workspace import ApprovalPolicy, Secret, Table
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.holder import somebody_is_at_it, unlock
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.pointer import pointer_name
from penstock.operations.prune import prune
from penstock.operations.secrets import set_secret
from penstock.operations.session import exclusive
from penstock.operations.status import releases, status
from penstock.operations.store import ReleaseStore
from penstock.operations.switch import rollback, switch
from penstock.operations.wanted import DeployRequest
from penstock.ports import HttpAnswer
from penstock.release.effects import WritePointer
from penstock.release.ledger import verify
from penstock.testing import FakeIdentity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.model.ledger import LedgerEntry
    from penstock.operations.world import World

ONES = dict.fromkeys(NAMES, 1)


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    return Verbs(root=tmp_path)


def ledger(verbs: Verbs) -> list[LedgerEntry]:
    return list(LedgerStore(verbs.shop.objects, clock=verbs.shop.clock, actor="", run="").entries())


def warnings(verbs: Verbs) -> list[str]:
    return [note.text for note in verbs.shop.events.of(Note) if note.level == "warning"]


def answer(status: int) -> HttpAnswer:
    return HttpAnswer(status=status, body="said so", headers={}, seconds=0.01)


def test_the_first_deploy_applies_terraform_once_and_goes_live(verbs: Verbs) -> None:
    done = verbs.deploy()
    assert (done.changed, done.live, verbs.applies) == (True, True, 1)
    assert verbs.live_code() == ONES


def test_the_same_again_has_nothing_to_do_and_says_why(verbs: Verbs) -> None:
    first = verbs.deploy()
    again = verbs.deploy()
    assert (again.changed, again.url, again.release) == (False, first.url, first.release)
    (nothing,) = verbs.shop.events.of(NothingToDo)
    assert first.release in nothing.reason


def test_a_change_of_code_does_not_start_terraform(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    verbs.deploy()
    assert verbs.applies == 1
    assert verbs.live_code() == {**ONES, "users": 2}


def test_a_deploy_that_rewrites_the_committed_root_says_so_once(verbs: Verbs) -> None:
    def told() -> int:
        return sum("main.tf.json was rewritten" in note.text for note in verbs.shop.events.of(Note))

    verbs.deploy()
    assert told() == 1
    verbs.code["users"] = 2
    verbs.deploy()
    assert told() == 1, "a change of code writes no file"


def test_a_refused_deploy_says_so_as_well(verbs: Verbs) -> None:
    environment = replace(verbs.workspace.environment, approvals=ApprovalPolicy(required=1))
    verbs.workspace = replace(verbs.workspace, environment=environment)
    with pytest.raises(Refused):
        verbs.deploy(confirm=no)
    assert any("main.tf.json was rewritten" in note.text for note in verbs.shop.events.of(Note))


def test_a_change_of_configuration_does(verbs: Verbs) -> None:
    verbs.deploy()
    services = tuple(
        replace(service, functions=tuple(replace(function, memory=512) for function in service.functions))
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
    verbs.deploy()
    assert verbs.applies == 2


def test_only_the_named_service_moves(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code = dict.fromkeys(NAMES, 2)
    verbs.deploy(services=("orders",))
    assert verbs.live_code() == {**ONES, "orders": 2}


def test_a_service_that_is_not_there_is_a_usage_error(verbs: Verbs) -> None:
    with pytest.raises(UsageError, match="no service nobody"):
        verbs.deploy(services=("nobody",))


def test_blue_green_waits_until_somebody_switches(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    waiting = verbs.deploy(strategy="blue-green")
    assert not waiting.live
    assert verbs.live_code() == ONES
    assert not verbs.deploy(strategy="blue-green").changed
    assert switch(verbs.world()).release == waiting.release
    assert verbs.live_code() == {**ONES, "users": 2}
    assert not switch(verbs.world()).changed


def test_an_aborted_candidate_waits_no_more_and_traffic_stays(verbs: Verbs) -> None:
    first = verbs.deploy()
    verbs.code["users"] = 2
    waiting = verbs.deploy(strategy="blue-green")
    done = abort(verbs.world())
    assert (done.changed, done.release, done.live) == (True, waiting.release, first.release)
    assert verbs.live_code() == ONES
    assert {line.release: line.state for line in releases(verbs.world())}[waiting.release] == "never live"
    assert not switch(verbs.world()).changed, "there is nothing to switch to"
    assert not abort(verbs.world()).changed
    assert "aborting" in [entry.kind for entry in ledger(verbs)]


def test_what_was_aborted_is_offered_again_by_the_next_deploy_without_publishing(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    waiting = verbs.deploy(strategy="blue-green")
    abort(verbs.world())
    versions = verbs.shop.functions.versions("shop-dev-users")
    again = verbs.deploy(strategy="blue-green")
    assert (again.release, again.live) == (waiting.release, False)
    assert verbs.shop.functions.versions("shop-dev-users") == versions
    assert switch(verbs.world()).release == waiting.release


def test_a_new_release_beside_an_aborted_one_goes_live(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    verbs.deploy(strategy="blue-green")
    abort(verbs.world())
    verbs.code["users"] = 3
    assert verbs.deploy().live
    assert verbs.live_code() == {**ONES, "users": 3}


def test_rollback_returns_to_the_release_before_and_never_into_a_bad_one(verbs: Verbs) -> None:
    first = verbs.deploy()
    verbs.code["users"] = 2
    second = verbs.deploy()
    assert rollback(verbs.world()).release == first.release
    assert verbs.live_code() == ONES
    assert read_history(verbs.shop.objects).bad() == {second.release}
    with pytest.raises(Refused, match="no release to go back to"):
        rollback(verbs.world())


def test_rollback_to_an_older_release_loads_it_again(verbs: Verbs) -> None:
    first = verbs.deploy()
    for number in (2, 3):
        verbs.code["users"] = number
        verbs.deploy()
    assert rollback(verbs.world(), to=first.release[:6]).release == first.release
    assert verbs.live_code() == ONES


def test_rollback_of_one_service_leaves_the_others(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code = dict.fromkeys(NAMES, 2)
    verbs.deploy()
    rollback(verbs.world(), services=["users"])
    assert verbs.live_code() == {"orders": 2, "users": 1, "worker": 2}


def test_a_candidate_that_fails_its_check_never_gets_traffic(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    good = verbs.live_slot()
    verbs.answers(lambda _stage, slot: answer(200 if slot == good else 502))
    with pytest.raises(VerificationFailed, match="HTTP 502"):
        verbs.deploy()
    assert verbs.live_code() == ONES
    assert not somebody_is_at_it(verbs.world())


def test_everybody_sees_that_a_release_failed_its_verification_until_it_passes(verbs: Verbs) -> None:
    first = verbs.deploy().release
    verbs.code["users"] = 2
    good = verbs.live_slot()
    verbs.answers(lambda _stage, slot: answer(200 if slot == good else 502))
    with pytest.raises(VerificationFailed):
        verbs.deploy()
    states = {line.release: line.state for line in releases(verbs.world())}
    assert sorted(states.values()) == ["failed verification", "live"]
    found = status(verbs.world())
    assert [(slot.live, slot.failed) for slot in sorted(found.slots, key=lambda slot: slot.live)] == [
        (False, True),
        (True, False),
    ]
    assert found.failure is not None
    assert "deploy release" in found.failure
    assert "checks failed in slot" in found.failure
    with pytest.raises(Refused, match=f"only {first} ever had traffic"):
        rollback(verbs.world())

    verbs.answers(lambda _stage, _slot: answer(200))
    verbs.deploy()
    assert sorted(line.state for line in releases(verbs.world())) == ["live", "previous"]
    assert status(verbs.world()).failure is None
    assert not any(slot.failed for slot in status(verbs.world()).slots)


def test_a_release_that_passes_at_last_and_is_aborted_has_not_failed(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    good = verbs.live_slot()
    verbs.answers(lambda _stage, slot: answer(200 if slot == good else 502))
    with pytest.raises(VerificationFailed):
        verbs.deploy()
    verbs.answers(lambda _stage, _slot: answer(200))
    verbs.deploy(strategy="blue-green")
    abort(verbs.world())
    assert sorted(line.state for line in releases(verbs.world())) == ["live", "never live"]


def test_no_release_to_go_back_to_names_those_there_are(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    mistake = verbs.deploy().release
    rollback(verbs.world())
    verbs.code["users"] = 3
    waiting = verbs.deploy(strategy="blue-green").release
    with pytest.raises(Refused, match=f"{mistake} was rolled back; {waiting} waits and never had traffic") as refused:
        rollback(verbs.world())
    assert f"penstock rollback -e dev --to {mistake}" in refused.value.hint
    assert f"to drop {waiting}: penstock abort -e dev" in refused.value.hint


def test_a_rollback_says_that_the_code_would_bring_the_release_back_and_a_deploy_of_it_warns(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    mistake = verbs.deploy().release
    rollback(verbs.world())
    assert warnings(verbs) == [
        f"the code that made {mistake} is not changed by this: deployed again, it brings that release back"
    ]
    verbs.deploy(plan_only=True)
    verbs.deploy()
    told = [text for text in warnings(verbs) if f"release {mistake} was rolled back here" in text]
    assert len(told) == 2, "the plan says so as well"


def test_a_plan_beside_a_running_command_says_whose_and_since_when_and_waits_for_nobody(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    with exclusive(verbs.world(), "deploy release r7"):
        beside = replace(verbs.world(), process_alive=lambda _pid: True)
        with pytest.raises(Locked, match="for: deploy release r7"):
            deploy(beside, DeployRequest(plan_only=True), TARGETS, no)
        seen = status(beside).holder
        assert verbs.deploy(plan_only=True).plan, "what a dead one left is in nobody's way"
    assert seen is not None
    assert "gone" not in seen
    assert verbs.deploy(plan_only=True).plan


def test_what_was_refused_is_no_failure(verbs: Verbs) -> None:
    verbs.deploy()
    with pytest.raises(Refused):
        rollback(verbs.world())
    assert status(verbs.world()).failure is None


def test_what_a_killed_command_left_is_not_called_running(verbs: Verbs) -> None:
    verbs.deploy()
    with exclusive(verbs.world(), "switch"):
        seen = status(verbs.world()).holder  # no process of the fakes lives
    assert seen is not None
    assert "that process is gone, and the next command takes over" in seen


def test_who_runs_the_first_deploy_is_seen(verbs: Verbs) -> None:
    assert status(verbs.world()).holder is None
    verbs.shop.objects.create()
    with exclusive(verbs.world(), "deploy release r1"):
        found = status(verbs.world())
    assert not found.deployed
    assert "for: deploy release r1" in str(found.holder)


@pytest.mark.parametrize("verb", [switch, rollback, abort, prune, lambda world: set_secret(world, "token", "value")])
def test_where_nothing_is_deployed_every_verb_says_just_that(verbs: Verbs, verb: Callable[[World], object]) -> None:
    verbs.workspace = replace(verbs.workspace, secrets=(Secret(name="token", physical="shop/dev/token"),))
    verbs.shop.parameters.delete(pointer_name(verbs.world()))
    with pytest.raises(UsageError, match="nothing is deployed in dev yet"):
        verb(verbs.world())


def test_a_release_that_is_unwell_with_traffic_comes_back_by_itself(verbs: Verbs) -> None:
    first = verbs.deploy()
    verbs.code["users"] = 2
    good = verbs.live_slot()
    verbs.answers(lambda stage, slot: answer(503 if stage == "live" and slot != good else 200))
    with pytest.raises(CameBack, match="back on " + first.release):
        verbs.deploy()
    assert verbs.live_code() == ONES


def test_an_environment_that_needs_a_yes_is_refused_without_and_records_it_with(verbs: Verbs) -> None:
    environment = replace(verbs.workspace.environment, approvals=ApprovalPolicy(required=1))
    verbs.workspace = replace(verbs.workspace, environment=environment)
    with pytest.raises(Refused, match="needs 1 approval"):
        verbs.deploy(confirm=no)
    assert verbs.applies == 0
    verbs.deploy(confirm=yes)
    entries = ledger(verbs)
    assert verify(entries) == ()
    (approved,) = [entry for entry in entries if entry.kind == "approved"]
    assert approved.data["by"]


def test_a_table_that_is_dropped_goes_only_when_it_was_named(verbs: Verbs) -> None:
    without = verbs.workspace
    verbs.workspace = replace(
        without, tables=(Table(name="extra", physical="shop-dev-extra", owner="users", key={"id": "S"}),)
    )
    verbs.deploy()
    verbs.workspace = without
    with pytest.raises(Refused, match=r"deletes the table module\.table_extra"):
        verbs.deploy()
    assert verbs.applies == 1
    verbs.deploy(allow_destroy=("module.table_extra",))
    assert verbs.applies == 3, "first without taking away, then what is not used any more"
    assert not verbs.deploy().changed


def test_a_plan_changes_nothing(verbs: Verbs) -> None:
    planned = verbs.deploy(plan_only=True)
    assert planned.plan is not None
    assert not planned.plan.is_empty
    assert verbs.applies == 0
    assert ReleaseStore(verbs.shop.objects).ids() == ()


def test_somebody_else_at_it_is_named(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    other = replace(verbs.world(), host="elsewhere", run="other")
    with exclusive(other, "a long deploy"), pytest.raises(Locked, match="a long deploy"):
        verbs.deploy()
    assert verbs.live_code() == ONES
    verbs.deploy()
    assert verbs.live_code()["users"] == 2


def test_unlock_refuses_while_the_holder_lives(verbs: Verbs) -> None:
    verbs.deploy()
    world = verbs.world()
    with exclusive(world, "x"):
        alive = replace(world, process_alive=lambda _pid: True)
        with pytest.raises(Locked, match="alive"):
            unlock(alive)
        elsewhere = replace(world, host="elsewhere")
        with pytest.raises(Locked, match="cannot be seen"):
            unlock(elsewhere)
        assert unlock(world).startswith("freed")
    assert unlock(world) == "nobody holds the lease"


def test_the_ledger_tells_who_freed_whose_lease_and_its_holder_stops_before_the_next_effect(verbs: Verbs) -> None:
    verbs.deploy()
    bob = replace(verbs.world(), host="elsewhere", identity=FakeIdentity(name="user/bob"))
    alice = verbs.world()
    effect = WritePointer(name=pointer_name(alice), pointer=verbs.shop.observe().pointer)
    with exclusive(alice, "deploy release x") as session:
        unlock(bob, force=True)
        with pytest.raises(LeaseLost, match="nobody holds it"):
            session.execute([effect])
    told = audit(verbs.world())
    (freed,) = [run for run in told.runs if run.what.startswith("unlock --force: ")]
    assert freed.by.endswith("user/bob")
    assert freed.outcome == "done"
    assert "user/alice on" in freed.what
    assert freed.what.endswith("for: deploy release x")
    assert told.breaks == ()


def test_status_and_releases_tell_what_is_live_and_what_became_of_the_rest(verbs: Verbs) -> None:
    assert not status(verbs.world()).deployed
    first = verbs.deploy()
    verbs.code["users"] = 2
    second = verbs.deploy()
    rollback(verbs.world())
    found = status(verbs.world())
    assert found.ok
    assert {slot.release for slot in found.slots if slot.live} == {first.release}
    assert {line.release: line.state for line in releases(verbs.world())} == {
        first.release: "live",
        second.release: "rolled back",
    }


def test_what_nothing_refers_to_is_collected_and_the_rest_can_come_back(verbs: Verbs) -> None:
    made = []
    for number in range(1, 6):
        verbs.code["users"] = number
        made.append(verbs.deploy().release)
    gone = prune(verbs.world(), keep=2)
    assert set(gone.releases) == set(made[:3])
    assert set(ReleaseStore(verbs.shop.objects).ids()) == set(made[3:])
    assert rollback(verbs.world()).release == made[3]
    with pytest.raises((UsageError, NotFound)):
        rollback(verbs.world(), to=made[0])
