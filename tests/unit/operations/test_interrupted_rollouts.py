"""Ctrl-C at every effect of a rollout: traffic is back when the command has ended, and nobody goes on with it later. A
second one leaves it where it is, on its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, no
from unit.operations.test_controller import CONTROLLER, LONG, minutes
from unit.operations.test_killed_rollouts import is_settled, shop

from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.wanted import DeployRequest
from penstock.testing import Fault, Faults

if TYPE_CHECKING:
    from pathlib import Path

    from unit.operations.harness import Verbs

    from penstock.testing.faults import Call


def ctrl_c() -> None:
    raise KeyboardInterrupt


def ship(verbs: Verbs, *presses: Fault, detach: bool = False) -> Faults:
    """A deploy during which Ctrl-C is pressed at these effects; the last one's recording."""
    world, faults = verbs.world(), Faults()
    for press in presses or (None,):
        faults = Faults(press, meanwhile=ctrl_c)
        world = faults.wrap_fields(world)
    deploy(world, DeployRequest(detach=detach), TARGETS, no)
    return faults


def of_the_walk(recorded: Faults) -> list[Call]:
    """The effects from the rollout's first word to its last; the ledger's lie between others of the walk."""
    effects = [call for call in recorded.effects() if not call.subject.startswith(("ledger", "lease.json"))]
    words = [at for at, call in enumerate(effects) if call.subject.startswith("rollout.json")]
    return effects[words[0] : words[-1] + 1]


@pytest.mark.parametrize("detach", [False, True], ids=["driven here", "left to the controller"])
def test_ctrl_c_anywhere_takes_the_release_back_for_good(tmp_path: Path, *, detach: bool) -> None:
    walk = of_the_walk(ship(shop(tmp_path / "recorded"), detach=detach))
    assert {"put", "start"} <= {call.method for call in walk}
    for call in walk:
        for when in ("before", "after"):
            verbs = shop(tmp_path / "interrupted")
            where = f"Ctrl-C {when} {call}"
            assert call.effect is not None
            with pytest.raises(KeyboardInterrupt):
                ship(verbs, Fault(effect=call.effect, when=when), detach=detach)
            assert is_settled(verbs), where
            assert verbs.live_code()["users"] == 1, where
            assert verbs.shop.schedules.scheduled(CONTROLLER) == {}, where
            last = RolloutStore(verbs.shop.objects).read()
            assert last is not None
            assert (last.outcome, last.reverting) == ("reverted", "interrupted"), where
            assert audit(verbs.world()).runs[-1].outcome in {"came back", "interrupted"}, where


def test_the_ledger_tells_of_a_share_that_ctrl_c_took_back_and_how_long_that_took(tmp_path: Path) -> None:
    recorded = ship(shop(tmp_path / "recorded"))
    (shift, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    assert shift is not None
    verbs = shop(tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt):
        ship(verbs, Fault(effect=shift, when="after"))
    told = audit(verbs.world())
    assert told.figures.failed_share == 0.5
    assert told.runs[-1].back is not None


def test_a_second_ctrl_c_leaves_the_release_where_it_is_and_the_controller_takes_it_back(tmp_path: Path) -> None:
    recorded = ship(shop(tmp_path / "recorded"))
    (shift, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    assert shift is not None
    verbs = shop(tmp_path / "twice")
    first = Fault(effect=shift, when="after")
    with pytest.raises(KeyboardInterrupt):
        # After the shift comes the word that traffic goes back, then the first step of the way.
        ship(verbs, first, Fault(effect=shift + 2, when="after"))
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    assert stage.canary is not None
    assert stage.canary.percent == 50
    left = RolloutStore(verbs.shop.objects).under_way()
    assert left is not None
    assert left.reverting == "interrupted"
    verbs.shop.clock.sleep(LONG)
    assert "went back: interrupted" in minutes(verbs)[-1]
    assert is_settled(verbs)
    assert verbs.live_code()["users"] == 1
