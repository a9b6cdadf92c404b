"""The verbs killed at every effect that the ports recorded, then given again: nobody goes a step too far or not far
enough, and what was approved or refused stays so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.release.shop import NAMES

from penstock.model.errors import CameBack, Refused, VerificationFailed
from penstock.model.workspace import ApprovalPolicy
from penstock.operations.abort import abort
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.holder import somebody_is_at_it
from penstock.operations.switch import rollback, switch
from penstock.operations.wanted import DeployRequest
from penstock.ports import HttpAnswer
from penstock.testing import Fault, Faults, Killed

if TYPE_CHECKING:
    from pathlib import Path

ONES = dict.fromkeys(NAMES, 1)


def answer(status: int) -> HttpAnswer:
    return HttpAnswer(status=status, body="", headers={}, seconds=0.01)


def three_releases(folder: Path) -> tuple[Verbs, list[str]]:
    folder.mkdir(exist_ok=True)
    verbs = Verbs(root=folder)
    made = []
    for number in (1, 2, 3):
        verbs.code["users"] = number
        made.append(verbs.deploy().release)
    return verbs, made


def test_a_rollback_killed_anywhere_and_given_again_goes_back_once(tmp_path: Path) -> None:
    verbs, _ = three_releases(tmp_path / "recorded")
    faults = Faults()
    rollback(faults.wrap_fields(verbs.world()))
    points = faults.points()
    assert len(points) > 20
    for point in points:
        verbs, made = three_releases(tmp_path / "killed")
        try:
            rollback(Faults(point).wrap_fields(verbs.world()))
        except Killed:
            begun = verbs.live_code()["users"] != 3
            if not begun or somebody_is_at_it(verbs.world()):  # with the lease given back it had come to its end
                rollback(verbs.world())
        # Otherwise that effect was refused (a conditional write), and there is no "after" it to die at.
        assert verbs.live_code()["users"] == 2, f"killed at {point}"
        history = read_history(verbs.shop.objects)
        assert set(history.bad()) == {made[2]}, f"killed at {point}"
        assert history.move is None, f"killed at {point}"


def test_a_deploy_killed_after_the_switch_still_comes_back_when_it_is_not_well(tmp_path: Path) -> None:
    def shop(folder: Path) -> Verbs:
        verbs, _ = three_releases(folder)
        verbs.code["users"] = 4
        good = verbs.live_slot()
        verbs.answers(lambda stage, slot: answer(503 if stage == "live" and slot != good else 200))
        return verbs

    def killed(verbs: Verbs, faults: Faults) -> None:
        deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)

    verbs, faults = shop(tmp_path / "recorded"), Faults()
    with pytest.raises(CameBack):
        killed(verbs, faults)
    for point in one_in(6, faults.points()):
        verbs = shop(tmp_path / "killed")
        with pytest.raises(Killed):
            killed(verbs, Faults(point))
        if verbs.live_code()["users"] == 3 and read_history(verbs.shop.objects).bad():
            continue  # it had come back already
        with pytest.raises(CameBack):
            verbs.deploy()
        assert verbs.live_code()["users"] == 3, f"killed at {point}"


def test_a_rollback_that_fails_its_check_marks_nobody_bad(tmp_path: Path) -> None:
    verbs, made = three_releases(tmp_path)
    verbs.answers(lambda stage, _slot: answer(200 if stage == "live" else 502))
    with pytest.raises(VerificationFailed):
        rollback(verbs.world(), to=made[0])
    assert read_history(verbs.shop.objects).bad() == frozenset()
    verbs.answers(lambda _stage, _slot: answer(200))
    verbs.code["users"] = 4
    verbs.deploy()
    assert rollback(verbs.world()).release == made[2]


def test_there_is_no_going_back_to_a_release_that_never_had_traffic(tmp_path: Path) -> None:
    verbs, _ = three_releases(tmp_path)
    verbs.code["users"] = 4
    verbs.answers(lambda stage, _slot: answer(200 if stage == "live" else 502))
    with pytest.raises(VerificationFailed):
        verbs.deploy()
    failed = next(slot for slot in ("blue", "green") if slot != verbs.live_slot())
    pointer = verbs.shop.observe().pointer
    never_live = pointer.blue.release if failed == "blue" else pointer.green.release
    assert never_live is not None
    with pytest.raises(Refused, match="never had traffic"):
        rollback(verbs.world(), to=never_live)
    assert verbs.live_code()["users"] == 3


def test_a_yes_is_used_up_when_traffic_moves(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    environment = replace(verbs.workspace.environment, approvals=ApprovalPolicy(required=1))
    verbs.workspace = replace(verbs.workspace, environment=environment)
    verbs.deploy(confirm=yes)
    verbs.code["users"] = 2
    verbs.deploy(confirm=yes)
    rollback(verbs.world())
    with pytest.raises(Refused, match="needs 1 approval"):
        verbs.deploy(confirm=no)
    assert verbs.live_code() == ONES
    verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 2


def test_one_service_is_mixed_with_what_is_live_when_the_lease_is_held(tmp_path: Path) -> None:
    """Somebody else's deploy that ends while ours builds is not taken back."""
    verbs = Verbs(root=tmp_path)
    verbs.deploy()
    verbs.code["orders"] = 2
    world = verbs.world()
    meanwhile = Verbs(root=tmp_path, shop=verbs.shop, code={**ONES, "users": 2})

    class Slow:
        def recipes(self, *arguments: Any) -> Any:
            return world.builds().recipes(*arguments)

        def build(self, *arguments: Any) -> Any:
            found = world.builds().build(*arguments)
            meanwhile.deploy(services=("users",))
            return found

    slow = replace(world, builds=Slow)
    deploy(slow, DeployRequest(services=("orders",)), TARGETS, no)
    assert verbs.live_code() == {**ONES, "orders": 2, "users": 2}


def waiting(folder: Path) -> Verbs:
    """Three releases, and a fourth that waits in the idle slot."""
    verbs, _ = three_releases(folder)
    verbs.code["users"] = 4
    verbs.deploy(strategy="blue-green")
    return verbs


def test_an_abort_killed_anywhere_and_given_again_leaves_no_candidate_and_traffic_where_it_is(tmp_path: Path) -> None:
    verbs, faults = waiting(tmp_path / "recorded"), Faults()
    abort(faults.wrap_fields(verbs.world()))
    for point in faults.points():
        verbs = waiting(tmp_path / "killed")
        with suppress(Killed):
            abort(Faults(point).wrap_fields(verbs.world()))
        abort(verbs.world())
        assert verbs.shop.observe().pointer.candidate is None, f"killed at {point}"
        assert verbs.live_code()["users"] == 3, f"killed at {point}"
        assert not somebody_is_at_it(verbs.world()), f"killed at {point}"


def test_an_abort_after_a_switch_that_was_killed_goes_back_unless_the_release_was_found_well(tmp_path: Path) -> None:
    verbs, faults = waiting(tmp_path / "recorded"), Faults()
    switch(faults.wrap_fields(verbs.world()))
    for point in faults.points():
        verbs = waiting(tmp_path / "killed")
        with suppress(Killed):
            switch(Faults(point).wrap_fields(verbs.world()))
        before = verbs.shop.observe().pointer
        was_found_well = before.candidate is None and read_history(verbs.shop.objects).move is None
        aborted = abort(verbs.world(), why="customers call")
        assert aborted.changed != was_found_well, f"killed at {point}"
        assert verbs.live_code()["users"] == (4 if was_found_well else 3), f"killed at {point}"
        assert verbs.shop.observe().pointer.candidate is None, f"killed at {point}"
        assert read_history(verbs.shop.objects).bad() == {
            release for release in [aborted.release] if before.candidate is None and release
        }, f"killed at {point}"


def test_an_abort_that_is_killed_while_it_goes_back_is_finished_by_the_next(tmp_path: Path) -> None:
    def cut_short(folder: Path) -> Verbs:
        verbs, _ = three_releases(folder)
        verbs.code["users"] = 4
        with pytest.raises(Killed):
            deploy(Faults(arrival).wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
        return verbs

    verbs, recorded = three_releases(tmp_path / "recorded")[0], Faults()
    verbs.code["users"] = 4
    deploy(recorded.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
    (*_, moved) = [call.effect for call in recorded.effects() if call.method == "put" and "pointer" in call.subject]
    assert moved is not None
    arrival = Fault(effect=moved, when="after")
    verbs, faults = cut_short(tmp_path / "aborted"), Faults()
    assert abort(faults.wrap_fields(verbs.world())).changed
    for point in faults.points():
        verbs = cut_short(tmp_path / "killed")
        with suppress(Killed):
            abort(Faults(point).wrap_fields(verbs.world()))
        abort(verbs.world())
        assert verbs.live_code()["users"] == 3, f"killed at {point}"
        assert len(read_history(verbs.shop.objects).bad()) == 1, f"killed at {point}"
        assert not somebody_is_at_it(verbs.world()), f"killed at {point}"
