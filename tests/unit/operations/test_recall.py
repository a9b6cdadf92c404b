"""Going back while the command that promoted is still at work: it takes its release back, or gives way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, yes
from unit.operations.test_busy_aws import Refusing
from unit.operations.test_lock_timeout import Watch, bob, talk
from unit.operations.test_removals import INDEXED, drops_grant_and_index, uses

from penstock.model.errors import CameBack, LeaseLost, Locked, Refused
from penstock.model.workspace import AfterDeploy
from penstock.operations.abort import abort
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.recall import KEY, recall
from penstock.operations.switch import rollback, switch
from penstock.operations.wanted import DeployRequest
from penstock.ports import CommandResult
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import FakeClock, FakeCommands

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.world import World
    from penstock.ports import Command, TerraformPlan

LONG = TTL + CALL_TIMEOUT + MARGIN + 1
"""Seconds after which anybody may take a lease that is not renewed."""


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    verbs = Verbs(root=tmp_path)
    verbs.shop.clock = Watch()
    verbs.deploy()
    verbs.code["users"] = 2
    return verbs


def live(verbs: Verbs) -> str:
    release = verbs.shop.observe().pointer.live_release
    assert release is not None
    return release


def elsewhere(verbs: Verbs) -> World:
    """From where it cannot be seen whether the process at work is alive."""
    return replace(verbs.world(), host="another machine")


def with_smoke_test(verbs: Verbs, script: Callable[[Command], CommandResult]) -> World:
    """A deploy's world with that smoke test."""
    environment = replace(verbs.workspace.environment, after=AfterDeploy(smoke=("scripts/smoke.sh",)))
    verbs.workspace = replace(verbs.workspace, environment=environment)
    return replace(verbs.world(), commands=FakeCommands({"smoke.sh": script}))


def test_a_release_that_is_called_back_is_taken_back_though_its_smoke_test_takes_ten_minutes(verbs: Verbs) -> None:
    before = live(verbs)

    def smoke(_command: Command) -> CommandResult:
        recall(elsewhere(verbs), live(verbs), why="users complain")
        return CommandResult(status=0, stdout="", stderr="", seconds=0.0)

    with pytest.raises(CameBack, match=r"called back by .*: users complain; all of it is back on"):
        deploy(with_smoke_test(verbs, smoke), DeployRequest(), TARGETS, yes)
    assert live(verbs) == before
    assert verbs.live_code()["users"] == 1
    assert len(read_history(verbs.shop.objects).bad()) == 1


def test_a_smoke_test_that_hangs_is_a_failed_one(verbs: Verbs) -> None:
    def hangs(_command: Command) -> CommandResult:
        raise TimeoutError

    with pytest.raises(CameBack, match=r"scripts/smoke\.sh ended with 124"):
        deploy(with_smoke_test(verbs, hangs), DeployRequest(), TARGETS, yes)
    assert verbs.live_code()["users"] == 1


def test_a_bucket_that_does_not_say_who_calls_back_ends_neither_the_smoke_test_nor_the_deploy(verbs: Verbs) -> None:
    asked: list[bool] = []

    def smoke(command: Command) -> CommandResult:
        assert command.unwanted is not None
        asked.append(command.unwanted())
        return CommandResult(status=0, stdout="", stderr="", seconds=0.0)

    world = with_smoke_test(verbs, smoke)
    silent = Refusing(world.objects, "get", times=2, fits=lambda key, **_: key == "rollout/recall.json")
    objects: Any = silent
    assert deploy(replace(world, objects=objects), DeployRequest(), TARGETS, yes).live
    assert (asked, silent.refused["get"]) == ([False], 2)
    assert read_history(verbs.shop.objects).move is None, "it is settled"


class Recalling:
    """Terraform during whose plan somebody wants to go back from the live release."""

    def __init__(self, verbs: Verbs, world: World) -> None:
        self.verbs, self.world = verbs, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.terraform, name)

    def plan(self, *args: Any, **kwargs: Any) -> TerraformPlan:
        recall(elsewhere(self.verbs), live(self.verbs))
        return self.world.terraform.plan(*args, **kwargs)


def test_what_the_release_before_needs_is_not_removed_while_somebody_waits_to_go_back_to_it(verbs: Verbs) -> None:
    uses(verbs, INDEXED.name)
    verbs.code["users"] = 1
    verbs.deploy()
    before = live(verbs)
    drops_grant_and_index(verbs)
    world = verbs.world()
    applies = verbs.applies
    assert deploy(replace(world, terraform=Recalling(verbs, world)), DeployRequest(), TARGETS, yes).live
    assert verbs.applies == applies + 1, "the first plan's, and none that removes"
    assert rollback(verbs.world()).release == before, "nothing is missing"


def test_a_word_for_another_run_or_release_is_not_obeyed(verbs: Verbs) -> None:
    before = live(verbs)

    def smoke(_command: Command) -> CommandResult:
        recall(elsewhere(verbs), before)
        return CommandResult(status=0, stdout="", stderr="", seconds=0.0)

    assert deploy(with_smoke_test(verbs, smoke), DeployRequest(), TARGETS, yes).live
    assert verbs.live_code()["users"] == 2


def meanwhile(verbs: Verbs, what: Callable[[], object]) -> None:
    """Bob holds the environment for half a minute, and then does that."""
    held, clock = bob(verbs), verbs.shop.clock
    assert isinstance(clock, Watch)

    def ends() -> None:
        held.give_back()
        what()

    clock.after[clock.monotonic() + 31] = ends


def test_a_rollback_waits_its_turn_says_for_whom_and_leaves_word(verbs: Verbs) -> None:
    before = live(verbs)
    verbs.deploy()
    meanwhile(verbs, bool)
    assert rollback(verbs.world(), lock_timeout=600).release == before
    assert talk(verbs)[0].startswith("waits: bob on elsewhere")
    word = verbs.shop.objects.get("rollout/recall.json")
    assert word is not None
    assert b'"run": "bobs"' in word.body


def test_a_rollback_to_a_named_release_leaves_word_as_well(verbs: Verbs) -> None:
    before = live(verbs)
    verbs.deploy()
    meanwhile(verbs, bool)
    assert rollback(verbs.world(), to=before, lock_timeout=600).release == before
    assert verbs.shop.objects.get(KEY) is not None


@pytest.mark.parametrize("form", ["to the live release", "with one service"])
def test_nobody_is_asked_to_take_back_what_is_to_stay(verbs: Verbs, form: str) -> None:
    verbs.deploy()
    after = live(verbs)
    meanwhile(verbs, bool)
    chosen: dict[str, Any] = {"services": ("users",)} if form == "with one service" else {"to": after[:6]}
    assert rollback(verbs.world(), lock_timeout=600, **chosen).changed == (form == "with one service")
    assert verbs.shop.objects.get(KEY) is None


def test_one_service_does_not_go_back_twice_because_all_went_back_meanwhile(verbs: Verbs) -> None:
    verbs.deploy()
    before = live(verbs)
    verbs.code["users"] = 3
    verbs.deploy()
    meanwhile(verbs, lambda: rollback(verbs.world()))
    assert rollback(verbs.world(), services=("users",), lock_timeout=600).release == before
    assert verbs.live_code()["users"] == 2


def test_a_live_release_that_is_deployed_again_and_called_back_is_not_said_to_be_unwell(verbs: Verbs) -> None:
    """There is nothing that this run could take back: it gives way, and whoever called does."""
    before = live(verbs)
    verbs.deploy()
    called: list[str] = []

    def smoke(_command: Command) -> CommandResult:
        recall(elsewhere(verbs), live(verbs), why="users complain")
        called.append(live(verbs))
        return CommandResult(status=0, stdout="", stderr="", seconds=0.0)

    world = with_smoke_test(verbs, smoke)
    verbs.shop.parameters.put("/penstock/shop/dev/rollout", "left behind")  # so that there is something to do
    assert deploy(world, DeployRequest(), TARGETS, yes).live
    assert called
    assert read_history(verbs.shop.objects).bad() == frozenset()
    assert rollback(verbs.world()).release == before


def test_what_was_taken_back_meanwhile_is_not_gone_back_from_twice(verbs: Verbs) -> None:
    verbs.deploy()
    before = live(verbs)
    verbs.code["users"] = 3
    verbs.deploy()
    meanwhile(verbs, lambda: rollback(verbs.world()))
    done = rollback(verbs.world(), lock_timeout=600)
    assert (done.release, done.changed) == (before, True)
    assert live(verbs) == before


def test_nobody_goes_back_from_a_release_that_came_while_he_waited(verbs: Verbs) -> None:
    meanwhile(verbs, verbs.deploy)
    with pytest.raises(Refused, match="went live while this command waited"):
        rollback(verbs.world(), lock_timeout=600)
    assert verbs.live_code()["users"] == 2


def test_without_patience_nothing_is_waited_for(verbs: Verbs) -> None:
    verbs.deploy()
    bob(verbs)
    with pytest.raises(Locked, match="bob on elsewhere"):
        rollback(verbs.world())


@pytest.mark.parametrize(("verb", "code"), [(switch, 2), (abort, 1)])
def test_switch_and_abort_wait_as_well_when_told_to(verbs: Verbs, verb: Callable[..., Any], code: int) -> None:
    verbs.deploy(strategy="blue-green")
    meanwhile(verbs, bool)
    assert verb(verbs.world(), lock_timeout=600).changed
    assert verbs.live_code()["users"] == code


def test_a_patient_deploy_that_lost_its_lease_does_not_bring_back_what_was_rolled_back(
    verbs: Verbs,
) -> None:
    before, suspended = live(verbs), list[str]()

    def smoke(_command: Command) -> CommandResult:
        if not suspended:
            suspended.append("the machine")
            FakeClock.sleep(verbs.shop.clock, LONG)
            rollback(elsewhere(verbs))
        return CommandResult(status=0, stdout="", stderr="", seconds=0.0)

    with pytest.raises(LeaseLost, match="lost while this command stood still"):
        deploy(with_smoke_test(verbs, smoke), DeployRequest(lock_timeout=1800), TARGETS, yes)
    assert live(verbs) == before
    assert verbs.live_code()["users"] == 1
