"""Who moved traffic is told also where it was no command of ours, or one that died before it could tell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, no

from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.switch import rollback, switch
from penstock.operations.wanted import DeployRequest
from penstock.release.ledger import BY_HAND
from penstock.testing import FakeIdentity, Faults, Killed

if TYPE_CHECKING:
    from pathlib import Path

BOB = FakeIdentity(name="user/bob")


def moved_by_hand(verbs: Verbs) -> None:
    """As `terraform apply -var slot=production` does it."""
    pointer = verbs.shop.observe().pointer
    assert pointer.candidate is not None
    after = replace(pointer, live=pointer.candidate, candidate=None)
    verbs.shop.parameters.put("/penstock/shop/dev/pointer", after.to_text())
    deployment = after.slot(after.live).deployment
    assert deployment is not None
    verbs.shop.gateway.set_stage(verbs.shop.api, "live", deployment=deployment, variables={"slot": after.live})


def test_a_switch_by_hand_is_told_by_the_next_command_as_nobodys_own(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    first = verbs.deploy().release
    verbs.code["users"] = 2
    second = verbs.deploy(strategy="blue-green").release
    moved_by_hand(verbs)

    rollback(verbs.world())

    told = audit(verbs.world())
    assert [(run.by == BY_HAND, run.outcome, run.release, run.previous) for run in told.runs] == [
        (False, "promoted", first, ""),
        (False, "done", "", ""),
        (False, "rolled back", first, second),
        (True, "promoted", second, first),
    ]
    assert (told.figures.promotions, told.figures.failed_share) == (2, 0.5)
    assert [one.by == BY_HAND for one in read_history(verbs.shop.objects).promotions] == [False, True, False]


def test_a_deploy_finds_a_switch_by_hand_that_nobody_has_told_yet(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    verbs.deploy()
    verbs.code["users"] = 2
    verbs.deploy(strategy="blue-green")
    moved_by_hand(verbs)
    verbs.deploy()
    assert [run.by == BY_HAND for run in audit(verbs.world()).runs] == [False, False, False, True]
    assert not verbs.deploy().changed


def test_a_promotion_is_told_of_the_command_that_was_killed_in_it_and_counted_once(tmp_path: Path) -> None:
    def waiting(folder: Path) -> Verbs:
        folder.mkdir()
        verbs = Verbs(root=folder)
        verbs.deploy()
        verbs.code["users"] = 2
        verbs.deploy(strategy="blue-green")
        return verbs

    recorded, faults = waiting(tmp_path / "recorded"), Faults()
    switch(faults.wrap_fields(recorded.world()))
    named = recorded.shop.observe().pointer.live_release
    for point in faults.points():
        verbs = waiting(tmp_path / str(point))
        with suppress(Killed):
            switch(Faults(point).wrap_fields(verbs.world()))
        was_named = verbs.shop.observe().pointer.live_release == named
        verbs.code["users"] = 3
        deploy(replace(verbs.world(), identity=BOB), DeployRequest(), TARGETS, no)

        told = audit(verbs.world())
        found = [run.by.rpartition("/")[2] for run in told.runs if run.release == named]
        booked = [one.by.rpartition("/")[2] for one in read_history(verbs.shop.objects).promotions]
        assert found == (["alice"] if was_named else []), f"killed at {point}"
        assert booked == ["alice", *found, "bob"], f"killed at {point}"
        assert told.figures.promotions == (3 if was_named else 2), f"killed at {point}"
        assert told.breaks == ()


def test_a_promotion_that_ctrl_c_has_cut_short_is_told_of_the_command_that_began_it(tmp_path: Path) -> None:
    class Pressing(Faults):
        """Ctrl-C as soon as the pointer is written."""

        def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
            done = super().around(name, method, act, args, kwargs)
            if (name, method) == ("Parameters", "put"):
                raise KeyboardInterrupt
            return done

    verbs = Verbs(root=tmp_path)
    verbs.deploy()
    verbs.code["users"] = 2
    named = verbs.deploy(strategy="blue-green").release
    with pytest.raises(KeyboardInterrupt):
        switch(Pressing().wrap_fields(verbs.world()))
    assert [run.outcome for run in audit(verbs.world()).runs] == ["promoted", "done", "interrupted"]

    verbs.code["users"] = 3
    deploy(replace(verbs.world(), identity=BOB), DeployRequest(), TARGETS, no)

    told = [(run.by.rpartition("/")[2], run.outcome, run.release == named) for run in audit(verbs.world()).runs]
    assert told[2:] == [("alice", "promoted", True), ("bob", "promoted", False)]
    assert [one.by.rpartition("/")[2] for one in read_history(verbs.shop.objects).promotions] == [
        "alice",
        "alice",
        "bob",
    ]
