"""Provisioned concurrency follows the live slot: warm before traffic comes, given back behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.role import Role
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack
from penstock.model.events import PlanReady, RolloutMoved
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Concurrency, EventSource
from penstock.operations.holder import somebody_is_at_it
from penstock.operations.switch import rollback, switch
from penstock.operations.tick import tick
from penstock.operations.watchdog import read_brief

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.workspace import Function, Workspace
    from penstock.ports import Provisioned

USERS, ORDERS = "shop-dev-users", "shop-dev-orders"


def kept_warm(workspace: Workspace, name: str, count: int | None, *, on: bool = False) -> Workspace:
    """One function with so many environments kept warm; `on` lets only events reach it."""

    def one(function: Function) -> Function:
        if function.name != name:
            return function
        warm = replace(function, concurrency=Concurrency(provisioned=count))
        source = EventSource(kind="schedule", source="rate(5 minutes)")
        return replace(warm, routes=(), health=None, on=(source,)) if on else warm

    services = tuple(
        replace(service, functions=tuple(one(function) for function in service.functions))
        for service in workspace.services
    )
    return replace(workspace, services=services)


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = Busy()
    found.workspace = kept_warm(found.workspace, "users", 3)
    found.deploy()
    found.code["users"] = 2
    return found


def warm(verbs: Verbs, function: str = USERS) -> dict[str, int]:
    found = {alias: verbs.shop.functions.provisioned(function, alias) for alias in ("blue", "green", "live")}
    return {alias: one.requested for alias, one in found.items() if one is not None}


def with_traffic(verbs: Verbs) -> Traffic:
    assert isinstance(verbs.shop.clock, Busy)
    verbs.shop.clock.traffic = Traffic(verbs, per_minute=2000)
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="canary", weights=(10, 50), bake=120.0))
    return verbs.shop.clock.traffic


def test_only_the_live_slot_is_warm_after_each_deploy_and_rollback(verbs: Verbs) -> None:
    assert warm(verbs) == {verbs.live_slot(): 3}
    verbs.deploy()
    assert warm(verbs) == {verbs.live_slot(): 3}
    rollback(verbs.world())
    assert warm(verbs) == {verbs.live_slot(): 3}
    assert warm(verbs, ORDERS) == {}


def test_a_slot_that_waits_costs_nothing_and_is_warm_when_traffic_comes(verbs: Verbs) -> None:
    verbs.deploy(strategy="blue-green")
    before = verbs.live_slot()
    assert warm(verbs) == {before: 3}
    switch(verbs.world())
    assert verbs.live_slot() != before
    assert warm(verbs) == {verbs.live_slot(): 3}


def test_both_slots_are_warm_while_they_share_traffic(verbs: Verbs) -> None:
    seen: list[dict[str, int]] = []
    with_traffic(verbs).meanwhile = lambda: seen.append(warm(verbs))
    verbs.deploy(confirm=yes)
    assert seen[0] == {"blue": 3, "green": 3}
    assert warm(verbs) == {verbs.live_slot(): 3}


def test_what_goes_back_gives_back(verbs: Verbs) -> None:
    with_traffic(verbs).bad = {"users": 0.1}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert warm(verbs) == {verbs.live_slot(): 3}


def test_a_function_that_only_events_reach_is_warm_at_live_and_moves_all_at_once(verbs: Verbs) -> None:
    verbs.workspace = kept_warm(verbs.workspace, "orders", 2, on=True)
    verbs.deploy()
    assert warm(verbs, ORDERS) == {"live": 2}
    verbs.code["orders"] = 2
    verbs.code["users"] = 3
    with_traffic(verbs)
    assert verbs.deploy(confirm=yes).live, "Lambda would have refused weights of an alias that is kept warm"
    assert warm(verbs, ORDERS) == {"live": 2}
    assert "callers of orders move at the end: live is kept warm" in verbs.shop.events.of(PlanReady)[-1].summary


def test_a_release_of_which_nothing_shares_traffic_moves_at_once(verbs: Verbs) -> None:
    verbs.workspace = kept_warm(verbs.workspace, "orders", 2, on=True)
    verbs.deploy()
    verbs.code["orders"] = 2
    with_traffic(verbs)
    assert verbs.deploy(confirm=yes).live
    assert verbs.shop.events.of(RolloutMoved) == []


def test_another_number_alone_is_something_to_do(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.workspace = kept_warm(verbs.workspace, "users", 5)
    assert verbs.deploy().changed
    assert warm(verbs) == {verbs.live_slot(): 5}
    assert not verbs.deploy().changed


def test_what_the_configuration_has_forgotten_is_given_back(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.workspace = kept_warm(verbs.workspace, "users", None)
    verbs.deploy()
    assert warm(verbs) == {}
    stored = verbs.shop.objects.get("warm.json")
    assert stored is not None
    assert json.loads(stored.body) == []


def test_a_visit_of_the_controller_does_not_stay_until_a_slot_is_warm(verbs: Verbs) -> None:
    """Lambda ends the controller after five minutes, lease in hand, and may take fifteen to warm a slot."""
    with_traffic(verbs)
    verbs.deploy(confirm=yes)
    verbs.code["users"] = 3
    verbs.deploy(confirm=yes, detach=True)
    clock, began = verbs.shop.clock, verbs.shop.clock.monotonic()
    warming = Warming(verbs, until=began + 400)
    brief, said = read_brief(verbs.shop.objects), list[str]()
    assert brief is not None
    while calls := verbs.shop.schedules.scheduled("penstock-shop-dev"):
        clock.sleep(60)
        visit = Role(verbs).within(
            replace(verbs.world(), workspace=brief.workspace, functions=warming, host="in the account")
        )
        (rollout,) = [json.loads(one.payload)["rollout"] for one in calls.values()]
        entered = clock.monotonic()
        said.append(tick(visit, rollout))
        if entered < warming.until:
            assert clock.monotonic() - entered < 60
            assert not somebody_is_at_it(visit), "the lease is given back"
            stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
            assert stage is not None
            assert stage.canary is None, "nobody is sent where it is cold"
    assert said[-1].endswith("is promoted")
    assert warm(verbs) == {verbs.live_slot(): 3}
    assert verbs.live_code()["users"] == 3


@dataclass
class Warming:
    """Functions that Lambda does not keep warm before that monotonic time."""

    verbs: Verbs
    until: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.verbs.shop.functions, name)

    def provisioned(self, name: str, alias: str) -> Provisioned | None:
        found = self.verbs.shop.functions.provisioned(name, alias)
        is_cold = (
            found is not None and alias != self.verbs.live_slot() and self.verbs.shop.clock.monotonic() < self.until
        )
        return replace(found, status="IN_PROGRESS") if found is not None and is_cold else found


def test_who_keeps_nothing_warm_pays_for_no_look(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    verbs.deploy()
    assert verbs.shop.objects.get("warm.json") is None
