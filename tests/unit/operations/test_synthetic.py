"""A rollout where nobody calls: requests of our own give the judge what it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.test_controller import minutes
from unit.operations.traffic import Busy, with_rollout

from penstock.model.errors import CameBack, Inconclusive
from penstock.model.events import RolloutMoved
from penstock.model.rollouts import Request, RolloutPolicy, Synthetic
from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.testing.gateway import Request as Arrived


class Sleepy:
    """Nobody calls but us; what we ask is counted as CloudWatch does."""

    def __init__(self, verbs: Verbs) -> None:
        self.verbs = verbs
        self.asked: list[Arrived] = []
        self.broken = False

    def __call__(self, request: Arrived) -> HttpAnswer:
        bad = self.broken and request.canary
        if request.stage.stage == "live":
            self.asked.append(request)
            name = f"shop-dev-{request.path.split('/')[1]}"
            dimensions = {"FunctionName": name, "Resource": f"{name}:{request.stage.variables['slot']}"}
            metrics, at = self.verbs.shop.metrics, self.verbs.shop.clock.now() // 60 * 60
            metrics.record("AWS/Lambda", "Invocations", dimensions, 1.0, at=at)
            metrics.record("AWS/Lambda", "Errors", dimensions, float(bad), at=at)
            metrics.record("AWS/Lambda", "Duration", dimensions, 20.0, at=at)
            if request.stage.canary:
                side = {"Route": f"GET /{name.removeprefix('shop-dev-')}/health", "Canary": str(request.canary).lower()}
                metrics.record("Penstock/shop-dev", "Requests", side, 1.0, at=at)
        return HttpAnswer(status=502 if bad else 200, body="", headers={}, seconds=0.01)

    @property
    def marked(self) -> list[Arrived]:
        return [request for request in self.asked if "x-penstock-synthetic" in request.headers]


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = Busy()
    policy = RolloutPolicy(
        strategy="canary", weights=(50,), bake=120.0, on_inconclusive="synthetic", deadline=10 * 3600.0
    )
    found.workspace = with_rollout(found, policy)
    environment = replace(found.workspace.environment, synthetic=Synthetic(rate=120))
    found.workspace = replace(found.workspace, environment=environment)
    return found


@pytest.fixture
def sleepy(verbs: Verbs) -> Sleepy:
    found = Sleepy(verbs)
    verbs.shop.gateway.behaviour = found
    verbs.deploy()
    verbs.code["users"] = 2
    return found


def test_a_healthy_release_is_promoted_by_what_our_own_requests_saw(verbs: Verbs, sleepy: Sleepy) -> None:
    assert verbs.deploy(confirm=yes).live
    assert {request.path for request in sleepy.marked} == {"/users/health"}, "of what changed"
    assert {request.canary for request in sleepy.marked} == {True, False}, "the weight decides who answers"
    told = [moved.what for moved in verbs.shop.events.of(RolloutMoved)]
    assert told.count("too few calls to judge: 120 requests of our own a minute help out") == 1
    before = len(sleepy.marked)
    verbs.shop.clock.sleep(3600)
    assert len(sleepy.marked) == before, "nobody asks any more"


def test_a_broken_release_is_found_by_our_own_requests(verbs: Verbs, sleepy: Sleepy) -> None:
    sleepy.broken = True
    with pytest.raises(CameBack, match="users"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1


def test_what_is_asked_can_be_said(verbs: Verbs, sleepy: Sleepy) -> None:
    asked = (Request("GET", "/users/u-1?full=1", {"x-team": "shop"}), Request("POST", "/orders/try", body="{}"))
    environment = replace(verbs.workspace.environment, synthetic=Synthetic(rate=600, requests=asked))
    verbs.workspace = replace(verbs.workspace, environment=environment)
    assert verbs.deploy(confirm=yes).live
    found = {(one.method, one.path, one.headers.get("x-team"), one.body) for one in sleepy.marked}
    assert found == {("GET", "/users/u-1?full=1", "shop", ""), ("POST", "/orders/try", None, "{}")}


def test_the_controller_asks_as_well(verbs: Verbs, sleepy: Sleepy) -> None:
    verbs.deploy(confirm=yes, detach=True)
    assert minutes(verbs, 120)[-1].endswith("is promoted")
    assert sleepy.marked


def test_without_a_route_to_ask_it_goes_back_at_its_deadline(verbs: Verbs, sleepy: Sleepy) -> None:
    services = tuple(
        replace(service, functions=tuple(replace(one, health=None) for one in service.functions))
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
    with pytest.raises(Inconclusive):
        verbs.deploy(confirm=yes)
    assert sleepy.marked == []
    assert any("no route" in moved.what for moved in verbs.shop.events.of(RolloutMoved))
