"""All traffic is to go back, and AWS refuses or the process dies before the pointer has moved: nobody goes forward."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations import test_bake as baking
from unit.operations.test_busy_aws import Refusing, Seen, Troubled, refusing_orders
from unit.operations.test_controller import LONG, minutes
from unit.operations.test_interrupted_rollouts import ship as ship_with_ctrl_c
from unit.operations.test_killed_rollouts import is_settled, ship, shop
from unit.operations.test_warmth import kept_warm
from unit.operations.traffic import Busy, with_rollout

from penstock.model.errors import AccessDenied, CameBack
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.history import read_history
from penstock.operations.prune import prune
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback
from penstock.testing import Fault, Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unit.operations.harness import Verbs

    from penstock.operations.world import World


def promotion(recorded: Faults) -> int:
    """The effect that writes the pointer which gives all traffic to the release."""
    written = [call.effect for call in recorded.effects() if call.method == "put" and "pointer" in call.subject]
    assert written[-1] is not None
    return written[-1]


def refusing_the_pointer(verbs: Verbs, fits: Callable[..., bool] = lambda *_: True) -> Refusing:
    """Nobody can move it, once."""
    return Refusing(
        verbs.shop.parameters,
        "put",
        1,
        lambda name, text: name.endswith("/pointer") and fits(name, text),
        fault=AccessDenied,
    )


def outcome(verbs: Verbs) -> str | None:
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    return rollout.outcome


def test_a_second_ctrl_c_anywhere_behind_the_promotion_leaves_the_way_back_to_the_controller(tmp_path: Path) -> None:
    recorded = ship_with_ctrl_c(shop(tmp_path / "recorded"))
    first = promotion(recorded)
    interrupted_twice = 0
    for later in range(1, 14):
        verbs = shop(tmp_path / f"twice {later}")
        with pytest.raises(KeyboardInterrupt):
            ship_with_ctrl_c(verbs, Fault(effect=first, when="after"), Fault(effect=first + later, when="after"))
        interrupted_twice += outcome(verbs) is None
        verbs.shop.clock.sleep(LONG)
        minutes(verbs)
        assert verbs.live_code()["users"] == 1, later
        assert outcome(verbs) == "reverted", later
        assert is_settled(verbs), later
        assert read_history(verbs.shop.objects).move is None, later
    assert interrupted_twice > 5


def by_the_controller(_world: World, verbs: Verbs) -> object:
    return minutes(verbs)


VERBS: dict[str, Callable[[World, Verbs], object]] = {
    "abort": lambda world, _: abort(world, why="again"),
    "rollback": lambda world, _: rollback(world, why="again"),
    "prune": lambda world, _: prune(world),
    "the controller": by_the_controller,
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_abort_that_aws_refuses_is_ended_by_whoever_comes_next(tmp_path: Path, verb: str) -> None:
    recorded = Faults()
    ship(shop(tmp_path / "recorded"), recorded)
    verbs = shop(tmp_path / "killed")
    with pytest.raises(Killed):
        ship(verbs, Faults(Fault(effect=promotion(recorded), when="after")))
    good = verbs.live_slot()
    verbs.shop.clock.sleep(LONG)
    with pytest.raises(AccessDenied):
        abort(replace(verbs.world(), parameters=refusing_the_pointer(verbs), host="a laptop"), why="customers call")
    verbs.shop.clock.sleep(LONG)
    slots: list[str] = []
    VERBS[verb](replace(verbs.world(), gateway=Seen(verbs.shop.gateway, slots), host="a laptop"), verbs)
    assert set(slots) <= {good}, "HTTP callers were never sent to it"
    assert (verbs.live_slot(), verbs.live_code()["users"], outcome(verbs)) == (good, 1, "reverted")
    assert is_settled(verbs)
    story = audit(verbs.world())
    assert {run.outcome for run in story.runs} & {"came back", "rolled back"}, story.runs
    assert story.breaks == ()


def test_a_deploy_whose_way_back_is_refused_is_not_finished_by_a_housekeeping_verb(tmp_path: Path) -> None:
    verbs = Troubled(root=tmp_path)
    verbs.shop.clock = Busy()
    verbs.workspace = kept_warm(verbs.workspace, "orders", None, on=True)
    verbs.deploy()
    verbs.code |= {"users": 2, "orders": 2}
    good = verbs.live_slot()
    orders = refusing_orders(verbs, AccessDenied)

    def is_back(_name: str, text: str) -> bool:
        return f'"live":"{good}"' in text and verbs.shop.observe().pointer.live != good

    pointer = refusing_the_pointer(verbs, is_back)
    verbs.trouble = lambda world: replace(world, functions=orders, parameters=pointer)
    with pytest.raises(AccessDenied):
        verbs.deploy()
    slots: list[str] = []
    verbs.trouble = lambda world: replace(world, gateway=Seen(verbs.shop.gateway, slots))
    prune(verbs.world())
    assert set(slots) <= {good}
    assert (verbs.live_slot(), verbs.live_code()["users"]) == (good, 1)
    assert read_history(verbs.shop.objects).move is None


def test_an_alarm_of_one_bad_minute_takes_the_release_back_though_aws_refused_once(tmp_path: Path) -> None:
    clock = Busy()
    verbs = baking.with_traffic(tmp_path, clock)
    verbs.deploy()
    verbs.workspace = with_rollout(verbs, baking.BLUE_GREEN)
    verbs.code["users"] = 2

    def rings(*_: Any) -> bool:
        if verbs.shop.alarms.alarms["mine"].value != "ALARM":
            return False
        baking.set_mine(verbs, rings=False)  # it is quiet again at the next look
        return True

    refusing = refusing_the_pointer(verbs, rings)
    baking.after_the_switch(verbs, clock, 60, lambda: baking.set_mine(verbs, rings=True))
    with pytest.raises(CameBack):
        baking.switch_in(replace(verbs.world(), parameters=refusing), verbs)
    assert verbs.live_code()["users"] == 1
    assert read_history(verbs.shop.objects).move is None


def test_so_does_the_controller(tmp_path: Path) -> None:
    verbs = baking.with_traffic(tmp_path, Busy())
    verbs.deploy()
    rollout = baking.promoted_by_the_controller(verbs)
    baking.set_mine(verbs, rings=True)
    with pytest.raises(AccessDenied):
        baking.visit(verbs, rollout, parameters=refusing_the_pointer(verbs))
    baking.set_mine(verbs, rings=False)
    baking.visit(verbs, rollout)
    assert verbs.live_code()["users"] == 1
    assert read_history(verbs.shop.objects).move is None
