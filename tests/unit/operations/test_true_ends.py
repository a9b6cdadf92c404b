"""What is written down as ended is so in AWS, whatever was refused or died on the way there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.operations.test_bake import promoted_by_the_controller, set_mine, visit
from unit.operations.test_busy_aws import Refusing, Seen, Troubled, dies_in_the_move, live_version, with_canary
from unit.operations.test_controller import GivesBack
from unit.operations.test_controller import minutes as controlled
from unit.operations.test_killed_verbs import answer
from unit.operations.test_warmth import kept_warm, warm
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import AccessDenied, CameBack, Refused
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.holder import leases_of
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import switch
from penstock.operations.wanted import DeployRequest
from penstock.testing import Fault, Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.rollout.state import Rollout

BOB = "arn:aws:iam::111111111111:user/bob"


@pytest.fixture
def verbs(tmp_path: Path) -> Troubled:
    """Release one is live; two comes by a canary of 10 and 50 %, also to who calls orders by its alias."""
    found = Troubled(root=tmp_path)
    found.shop.clock = Busy()
    found.workspace = kept_warm(found.workspace, "orders", None, on=True)
    found.deploy()
    found.code |= {"users": 2, "orders": 2}
    with_canary(found)
    return found


def last(verbs: Verbs) -> Rollout:
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    return rollout


def goes_back(verbs: Verbs) -> bool:
    move = read_history(verbs.shop.objects).move
    return move is not None and move.rollback


def moves_orders_at_the_end(verbs: Verbs) -> None:
    """Who calls its alias gets no share: these callers write no log that could be judged here."""
    verbs.workspace = kept_warm(verbs.workspace, "orders", 1, on=True)


def not_well_with_all_traffic(verbs: Verbs) -> None:
    moves_orders_at_the_end(verbs)
    good = verbs.live_slot()
    verbs.answers(lambda stage, slot: answer(503 if stage == "live" and slot != good else 200))


def test_a_way_back_from_all_traffic_that_is_refused_once_is_gone_to_its_end(verbs: Troubled) -> None:
    slot, before = verbs.live_slot(), live_version(verbs, "orders")
    not_well_with_all_traffic(verbs)
    refusing = Refusing(
        verbs.shop.gateway, "set_stage", 1, lambda *_args, **_given: goes_back(verbs), fault=AccessDenied
    )
    verbs.trouble = lambda world: replace(world, gateway=refusing)
    with pytest.raises(CameBack, match="its way back was cut short"):
        verbs.deploy(confirm=yes)
    assert refusing.refused["set_stage"] == 1
    assert (verbs.live_slot(), live_version(verbs, "orders"), verbs.live_code()["users"]) == (slot, before, 1)
    assert read_history(verbs.shop.objects).move is None
    assert last(verbs).outcome == "reverted"


def test_why_it_came_back_from_all_traffic_is_written_down(verbs: Troubled) -> None:
    not_well_with_all_traffic(verbs)
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert (last(verbs).outcome, last(verbs).weight) == ("reverted", 100)
    assert "not well with traffic" in str(last(verbs).reverting)


def test_the_controller_ends_a_way_back_that_was_refused_behind_the_bake(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    verbs.shop.clock = clock = Busy()
    clock.traffic = Traffic(verbs)
    set_mine(verbs, rings=False)
    verbs.workspace = kept_warm(verbs.workspace, "users", 3)
    rollout = promoted_by_the_controller(verbs)
    slot = verbs.live_slot()
    set_mine(verbs, rings=True)
    refusing = Refusing(verbs.shop.gateway, "set_stage", 1, fault=AccessDenied)
    with pytest.raises(AccessDenied):
        visit(verbs, rollout, gateway=refusing)
    assert verbs.live_slot() == slot
    assert "went back" in visit(verbs, rollout)
    assert verbs.live_code()["users"] == 1
    assert read_history(verbs.shop.objects).move is None
    assert warm(verbs) == {verbs.live_slot(): 3}
    assert audit(verbs.world()).runs[-1].outcome == "came back"
    assert visit(verbs, rollout) == "it has ended"


def dies_in_the_promotion(verbs: Troubled) -> list[str]:
    """The driver dies when the pointer names the candidate and no caller has moved; where the stage is sent since."""
    moves_orders_at_the_end(verbs)
    dies_in_the_move(verbs)
    stages: list[str] = []
    verbs.trouble = lambda world: replace(world, gateway=Seen(verbs.shop.gateway, stages))
    return stages


def by_the_same_command(verbs: Troubled) -> None:
    RolloutStore(verbs.shop.objects).order(last(verbs), "abort", by=BOB, why="stop", at=0.0)
    with pytest.raises(CameBack, match=r"aborted by .*bob: stop"):
        verbs.deploy(confirm=yes)


def by_who_waits_for_the_driver(verbs: Troubled) -> None:
    held = leases_of(verbs.world()).acquire(holder="driver", pid=1, run="driver", purpose="deploy")
    world = verbs.world()
    assert abort(replace(world, clock=GivesBack(verbs.shop.clock, held.give_back), host="a laptop"), why="stop").changed


@pytest.mark.parametrize("obeyed", [by_the_same_command, by_who_waits_for_the_driver])
def test_an_abort_that_outlives_the_driver_takes_nobody_forward(
    verbs: Troubled, obeyed: Callable[[Troubled], None]
) -> None:
    slot, before = verbs.live_slot(), live_version(verbs, "orders")
    stages = dies_in_the_promotion(verbs)
    obeyed(verbs)
    assert set(stages) <= {slot}, "no caller was sent forward"
    assert (verbs.live_slot(), live_version(verbs, "orders"), verbs.live_code()["users"]) == (slot, before, 1)
    assert last(verbs).outcome == "reverted"
    assert str(last(verbs).reverting).startswith("aborted by ")


def test_a_release_that_is_turned_down_stays_so_whatever_its_driver_dies_of(tmp_path: Path) -> None:
    steps = (PlannedStep(kind="approve", people=1), PlannedStep(kind="weight", percent=50))

    def asked(folder: Path) -> Verbs:
        folder.mkdir(exist_ok=True)
        verbs = Verbs(root=folder)
        verbs.shop.clock = clock = Busy()
        clock.traffic = Traffic(verbs, per_minute=3000)
        verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="custom", steps=steps))
        verbs.deploy()
        verbs.code["users"] = 2

        def turn_down() -> None:
            store = RolloutStore(verbs.shop.objects)
            rollout = store.under_way()
            if rollout is not None and not rollout.orders and not store.orders(rollout):
                store.order(rollout, "abort", by=BOB, why="not on a Friday", at=0.0)

        clock.traffic.meanwhile = turn_down
        return verbs

    def ship(verbs: Verbs, faults: Faults) -> None:
        deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, yes)

    recorded = Faults()
    with pytest.raises(Refused):
        ship(asked(tmp_path / "recorded"), recorded)
    for point in one_in(4, recorded.points()):
        verbs = asked(tmp_path / "killed")
        with suppress(Killed, Refused):
            ship(verbs, Faults(point))
        with suppress(Refused):
            ship(verbs, Faults())
        assert verbs.live_code()["users"] == 1, f"killed at {point}"
        assert verbs.shop.observe().pointer.candidate is None, f"killed at {point}"
        assert str(last(verbs).reverting).endswith("not on a Friday"), f"killed at {point}"
        told = [order for run in audit(verbs.world()).runs for order in run.orders]
        assert any("not on a Friday" in order for order in told), f"killed at {point}"


def test_an_abort_from_another_checkout_takes_all_shares_back(verbs: Troubled) -> None:
    verbs.deploy(confirm=yes, detach=True)
    assert controlled(verbs, 1) == ["at 10 %"]
    state = verbs.shop.functions.aliases("shop-dev-orders")["live"]
    assert state.weights
    services = tuple(service for service in verbs.workspace.services if service.name != "orders")
    abort(replace(verbs.world(), workspace=replace(verbs.workspace, services=services), host="a laptop"))
    assert last(verbs).outcome == "reverted"
    assert not verbs.shop.functions.aliases("shop-dev-orders")["live"].weights


def test_what_a_dead_driver_kept_warm_is_given_back_by_whoever_comes_next(verbs: Troubled) -> None:
    verbs.workspace = kept_warm(verbs.workspace, "users", 3)
    verbs.deploy(confirm=yes, strategy="all-at-once")
    verbs.code["users"] = 3
    recorded = Faults()
    deploy(recorded.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
    verbs.code["users"] = 4
    (first, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    faults = Faults(Fault(effect=first or 0, when="after"))
    with pytest.raises(Killed):
        deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
    assert warm(verbs) == {"blue": 3, "green": 3}
    switch(verbs.world())
    assert last(verbs).outcome == "reverted"
    assert warm(verbs) == {verbs.live_slot(): 3}


def test_a_share_that_went_back_is_booked_though_the_bucket_refused_it_at_first(verbs: Troubled) -> None:
    assert isinstance(verbs.shop.clock, Busy)
    assert verbs.shop.clock.traffic is not None
    verbs.shop.clock.traffic.bad = {"users": 0.3}

    def is_booking(key: str, body: bytes, *_rest: Any) -> bool:
        return key == "releases/history.json" and b'"came_back": []' not in body

    refusing = Refusing(verbs.shop.objects, "put_if_match", 1, is_booking, fault=AccessDenied)
    verbs.trouble = lambda world: replace(world, objects=refusing)
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert refusing.refused["put_if_match"] == 1
    assert last(verbs).release in read_history(verbs.shop.objects).came_back
