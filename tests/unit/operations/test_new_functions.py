"""A function that the live release does not have: its events go to it from its verification on, and share nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, digest, no, yes
from unit.operations.test_controller import LONG, minutes
from unit.operations.test_killed_rollouts import is_settled
from unit.operations.test_killed_verbs import answer
from unit.operations.test_warmth import kept_warm, warm
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, VerificationFailed
from penstock.model.events import PlanReady, RolloutMoved
from penstock.model.release import Pointer
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Route
from penstock.operations.abort import abort
from penstock.operations.deploy import deploy
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.status import status
from penstock.operations.switch import rollback, switch
from penstock.operations.wanted import DeployRequest
from penstock.testing import Faults, Killed

if TYPE_CHECKING:
    from pathlib import Path

    from unit.release.shop import Shop

    from penstock.testing import FakeParameters

CANARY = RolloutPolicy(strategy="canary", weights=(50,), bake=60.0, delay=0.0, margin=0.05)
MARK, POINTER = "/penstock/shop/dev/rollout", "/penstock/shop/dev/pointer"
NEW = "callers of worker move at once, when it is verified: it is new"


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    return adding(tmp_path)


def adding(folder: Path, *, kept: int | None = None) -> Verbs:
    """Users and orders are live; the next release changes users and adds a worker, which only a schedule calls."""
    folder.mkdir(exist_ok=True)
    verbs = Verbs(root=folder)
    verbs.shop.clock = clock = Busy()
    whole = kept_warm(verbs.workspace, "worker", kept, on=True)
    verbs.workspace = replace(whole, services=tuple(one for one in whole.services if one.name != "worker"))
    del verbs.code["worker"]
    verbs.deploy()
    verbs.workspace = whole
    verbs.workspace = with_rollout(verbs, CANARY)
    verbs.code |= {"users": 2, "worker": 1}
    clock.traffic = Traffic(verbs, per_minute=1000, quiet={"worker"})
    return verbs


def traffic(verbs: Verbs) -> Traffic:
    assert isinstance(verbs.shop.clock, Busy)
    assert verbs.shop.clock.traffic is not None
    return verbs.shop.clock.traffic


def code(shop: Shop) -> int | None:
    """The number of the code that all of the worker's events go to; None for what Terraform has made it from."""
    assert not shop.functions.aliases("shop-dev-worker")["live"].weights
    state = shop.functions.get("shop-dev-worker", "live")
    assert state is not None
    return next((number for number in range(5) if state.code_sha256 == digest("worker", number)), None)


def is_shared(verbs: Verbs) -> bool:
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    return stage is not None and stage.canary is not None


def watched(verbs: Verbs) -> set[int | None]:
    """What the worker's events met while HTTP callers shared."""
    met: set[int | None] = set()

    def look() -> None:
        if is_shared(verbs):
            met.add(code(verbs.shop))

    traffic(verbs).meanwhile = look
    return met


def test_one_that_only_its_callers_know_is_waited_for_by_nobody(verbs: Verbs) -> None:
    services = tuple(
        replace(one, functions=(replace(one.functions[0], on=()),)) if one.name == "worker" else one
        for one in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
    met = watched(verbs)
    assert verbs.deploy(confirm=yes).live
    assert met == {1}


def test_its_events_never_meet_what_terraform_made_it_from_once_callers_share(verbs: Verbs) -> None:
    met = watched(verbs)
    assert verbs.deploy(confirm=yes).live
    assert met == {1}
    assert code(verbs.shop) == 1
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.changed == ("users",), "nothing runs beside the worker that it could be judged by"


def test_the_plan_says_that_it_moves_at_once(verbs: Verbs) -> None:
    verbs.deploy(plan_only=True)
    assert NEW in verbs.shop.events.of(PlanReady)[-1].summary
    verbs.deploy(confirm=yes)
    verbs.code["worker"] = 2
    verbs.deploy(plan_only=True)
    assert "it is new" not in verbs.shop.events.of(PlanReady)[-1].summary


def test_before_it_is_verified_nobody_calls_it(verbs: Verbs) -> None:
    verbs.answers(lambda stage, _slot: answer(503 if stage == "preview" else 200))
    with pytest.raises(VerificationFailed):
        verbs.deploy(confirm=yes)
    assert code(verbs.shop) is None


def test_its_events_stay_with_it_when_the_release_goes_back_and_follow_the_next_one(verbs: Verbs) -> None:
    traffic(verbs).bad = {"users": 0.3}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert (code(verbs.shop), verbs.live_code()["users"]) == (1, 1)
    assert status(verbs.world()).agrees
    traffic(verbs).bad = {}
    verbs.code |= {"users": 3, "worker": 2}
    met = watched(verbs)
    assert verbs.deploy(confirm=yes).live
    assert met == {2}


def test_a_rollback_to_a_release_that_has_no_such_function_leaves_its_events_with_it(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, strategy="all-at-once")
    rollback(verbs.world())
    assert (code(verbs.shop), verbs.live_code()["users"]) == (1, 1)


def test_a_release_in_which_nothing_else_changed_is_not_walked(verbs: Verbs) -> None:
    verbs.code["users"] = 1
    verbs.deploy(confirm=yes)
    assert code(verbs.shop) == 1
    assert verbs.shop.events.of(RolloutMoved) == []


def test_its_events_do_not_wait_for_the_switch(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, strategy="blue-green")
    assert (code(verbs.shop), verbs.live_code()["users"]) == (1, 1)
    assert NEW in verbs.shop.events.of(PlanReady)[-1].summary
    assert not verbs.deploy(confirm=yes, strategy="blue-green").changed
    switch(verbs.world())
    assert (code(verbs.shop), verbs.live_code()["users"]) == (1, 2)


def test_one_that_is_kept_warm_is_new_as_well(tmp_path: Path) -> None:
    verbs = adding(tmp_path, kept=2)
    met = watched(verbs)
    assert verbs.deploy(confirm=yes).live
    assert met == {1}
    assert "move at the end" not in verbs.shop.events.of(PlanReady)[-1].summary
    assert warm(verbs, "shop-dev-worker") == {"live": 2}


def test_one_that_http_callers_reach_as_well_is_judged_by_them(verbs: Verbs) -> None:
    services = tuple(
        replace(one, functions=(replace(one.functions[0], routes=(Route("GET", "/worker/health"),)),))
        if one.name == "worker"
        else one
        for one in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
    traffic(verbs).quiet = set()
    met = watched(verbs)
    assert verbs.deploy(confirm=yes).live
    assert met == {1}
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.changed == ("users", "worker")


@pytest.mark.parametrize("again", ["the same command", "an abort", "another release", "the controller"])
def test_a_driver_killed_anywhere_leaves_its_events_where_they_are_answered(tmp_path: Path, again: str) -> None:
    verbs, faults = adding(tmp_path / "recorded"), Faults()
    deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
    for point in one_in(8, faults.points()):
        verbs = adding(tmp_path / "killed")
        met = watched(verbs)
        with suppress(Killed):
            deploy(Faults(point).wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)
        was = code(verbs.shop)
        assert was == 1 or not is_shared(verbs), f"killed at {point}"
        if again == "an abort":
            abort(verbs.world())
            assert code(verbs.shop) in {was, 1}, f"killed at {point}"
        elif again == "another release":
            verbs.code["worker"] = 2
            assert verbs.deploy(strategy="all-at-once").live
            assert code(verbs.shop) == 2, f"killed at {point}"
        elif again == "the controller":
            verbs.shop.clock.sleep(LONG)
            minutes(verbs)
            assert code(verbs.shop) in {was, 1}, f"killed at {point}"
        if again in ("the same command", "the controller"):
            verbs.deploy()
            assert code(verbs.shop) == 1, f"killed at {point}"
            assert verbs.live_code()["users"] == 2, f"killed at {point}"
        assert is_settled(verbs), f"killed at {point}"
        assert None not in met, f"killed at {point}"


class Offers:
    """The parameters, remembering whether Terraform knew of a rollout each time that a release was offered to it."""

    def __init__(self, inner: FakeParameters) -> None:
        self._inner = inner
        self.told: list[bool] = []

    def put(self, name: str, value: str) -> None:
        if name == POINTER and Pointer.from_text(value).candidate is not None:
            self.told.append(self._inner.get(MARK) is not None)
        self._inner.put(name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize(("strategy", "told"), [("canary", True), ("blue-green", False)])
def test_terraform_is_told_that_a_release_is_walked_before_it_is_offered(
    verbs: Verbs, strategy: str, told: bool
) -> None:
    """Else `terraform apply -var slot=production` would give it all traffic in between, unjudged."""
    offers = Offers(verbs.shop.parameters)
    world = replace(verbs.world(), parameters=offers)
    deploy(world, DeployRequest(strategy=strategy), TARGETS, no)
    assert offers.told == [told]
