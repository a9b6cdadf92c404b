"""The last move of a rollout: refused half-way, interrupted, or overtaken by somebody's order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, write_rollout, yes
from unit.operations.test_controller import minutes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import Conflict
from penstock.model.events import NothingToDo, VerificationChecked
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.deploy import deploy
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback
from penstock.operations.wanted import DeployRequest
from penstock.release.observed import LIVE_STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.ports import Gateway, StageState
    from penstock.rollout.state import Verb


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock = Busy()
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(50,), bake=120.0))
    clock.traffic = Traffic(found, per_minute=3000)
    found.deploy()
    found.code["users"] = 2
    return found


class Stages:
    """The gateway, with something that happens instead of its first change of the live stage."""

    def __init__(self, gateway: Gateway, instead: Callable[[], None]) -> None:
        self._gateway = gateway
        self._instead: list[Callable[[], None]] = [instead]

    def set_stage(self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str]) -> StageState:
        if stage == LIVE_STAGE and self._instead:
            self._instead.pop()()
        found: StageState = self._gateway.set_stage(api_id, stage, deployment=deployment, variables=variables)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


def conflict() -> None:
    raise Conflict("ConflictException: Unable to complete operation due to concurrent modification", where="stage")


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_promotion_that_is_refused_half_way_is_finished_and_looked_at(verbs: Verbs) -> None:
    world = verbs.world()
    done = deploy(replace(world, gateway=Stages(world.gateway, conflict)), DeployRequest(), TARGETS, yes)
    assert done.live
    assert verbs.live_code()["users"] == 2
    stage = verbs.shop.gateway.stage(verbs.shop.api, LIVE_STAGE)
    assert stage is not None
    assert stage.canary is None
    assert any(check.check.startswith("live ") for check in verbs.shop.events.of(VerificationChecked)[-3:])


def test_ctrl_c_in_the_middle_of_a_promotion_takes_traffic_back(verbs: Verbs) -> None:
    world = verbs.world()
    with pytest.raises(KeyboardInterrupt):
        deploy(replace(world, gateway=Stages(world.gateway, interrupt)), DeployRequest(), TARGETS, yes)
    assert verbs.live_code()["users"] == 1
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.outcome == "reverted"
    observed = verbs.shop.observe()
    assert observed.pointer.live_release == rollout.stable


def test_who_aborts_or_rolls_back_too_late_is_told_so_or_taken_back(verbs: Verbs) -> None:
    stable = verbs.shop.observe().pointer.live_release
    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None
    assert verbs.deploy(confirm=yes).live
    ended = RolloutStore(verbs.shop.objects).read()
    assert ended is not None
    left = replace(ended, outcome=None)
    write_rollout(verbs, left)  # its driver died behind the last move, before it wrote that down
    aborted = abort(verbs.world())
    assert not aborted.changed
    assert "has all traffic already" in verbs.shop.events.of(NothingToDo)[-1].reason
    write_rollout(verbs, left)
    assert rollback(verbs.world()).release == stable
    assert verbs.live_code()["users"] == 1


def test_orders_are_taken_up_in_the_order_in_which_they_were_given(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, detach=True)
    store = RolloutStore(verbs.shop.objects)
    rollout = store.under_way()
    assert rollout is not None
    given = (
        store.order(rollout, "pause", by="bob", why="", at=9.0),
        store.order(rollout, "resume", by="bob", why="", at=10.0),
    )
    assert store.orders(rollout) == given


def test_machines_whose_clocks_are_minutes_apart_do_not_change_that_order(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, detach=True)
    clock = verbs.shop.clock
    verbs.shop.objects.now = clock.now
    store = RolloutStore(verbs.shop.objects)
    rollout = store.under_way()
    assert rollout is not None
    resume = store.order(rollout, "resume", by="alice", why="", at=clock.now() + 200.0)
    clock.sleep(3.0)
    pause = store.order(rollout, "pause", by="bob", why="not now", at=clock.now())
    assert store.orders(rollout) == (resume, pause)


@pytest.mark.parametrize("verbs_given", [("abort", "promote"), ("promote", "abort")])
def test_no_promotion_overtakes_an_abort_whichever_is_read_first(verbs: Verbs, verbs_given: tuple[Verb, Verb]) -> None:
    verbs.deploy(confirm=yes, detach=True)
    store = RolloutStore(verbs.shop.objects)
    rollout = store.under_way()
    assert rollout is not None
    for at, verb in enumerate(verbs_given):
        store.order(rollout, verb, by="bob", why="", at=float(at))
    assert "aborted by bob" in minutes(verbs)[-1]
    assert verbs.live_code()["users"] == 1
