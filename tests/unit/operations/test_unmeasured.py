"""What was never measured is no good news: a canary over the fakes whose measurements have holes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.access_log import fits_filters
from penstock.model.errors import CameBack, Inconclusive
from penstock.model.events import Note, PlanReady, RolloutJudged, RolloutMoved
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Function, Route
from penstock.operations.rollout_store import RolloutStore
from penstock.ports import AlarmState

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def traffic(verbs: Verbs, clock: Busy) -> Traffic:
    clock.traffic = Traffic(verbs)
    return clock.traffic


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0))
    found.deploy()
    found.code["users"] = 2
    return found


def test_a_service_whose_requests_no_access_log_tells_of_does_not_pass(verbs: Verbs, traffic: Traffic) -> None:
    traffic.logged = False
    with pytest.raises(Inconclusive, match="no line of the access log"):
        verbs.deploy(confirm=yes)
    judged = verbs.shop.events.of(RolloutJudged)[-1]
    assert judged.verdict == "ERROR"
    assert judged.sentence.startswith("users: its 5xx were never measured")
    assert {moved.weight for moved in verbs.shop.events.of(RolloutMoved)} == {10}, "no more weight while blind"


def test_a_service_whose_calls_take_nobody_knows_how_long_does_not_pass(verbs: Verbs, traffic: Traffic) -> None:
    traffic.timed = False
    with pytest.raises(Inconclusive, match="users: its latency was never measured"):
        verbs.deploy(confirm=yes)


# ------------------------------------------------------------------------------------------ the access log


@pytest.fixture
def wide(verbs: Verbs, traffic: Traffic) -> Verbs:
    """An API with more routes than metric filters may count."""
    traffic.queried = True
    services = tuple(
        replace(service, functions=tuple(with_many(one) for one in service.functions))
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
    verbs.deploy(confirm=yes, strategy="all-at-once")  # else every service changes with the routes
    verbs.code["users"] = 3
    assert not fits_filters(verbs.workspace)
    return verbs


def with_many(function: Function) -> Function:
    more = tuple(Route("ANY", f"/{function.name}/{number}") for number in range(25))
    return replace(function, routes=(*function.routes, *more))


def test_beyond_the_limit_of_metric_filters_the_log_itself_is_asked(wide: Verbs, traffic: Traffic) -> None:
    traffic.handled = {"users": 0.05}
    with pytest.raises(CameBack, match=r"users: .* canary calls answered 5xx"):
        wide.deploy(confirm=yes)
    (told,) = (text for text in notes(wide) if text.startswith("5xx are counted by a query of the access log"))
    assert "1,056 pairs of route and side are more than metric filters may count" in told
    assert "quota “different name/value pairs for the dimensions of a metric filter within one hour”: 1,000" in told


def test_a_log_that_is_asked_lets_a_healthy_release_pass(wide: Verbs, traffic: Traffic) -> None:
    assert wide.deploy(confirm=yes).live
    assert traffic.queried


def test_a_log_that_is_not_there_lets_nobody_pass(wide: Verbs, traffic: Traffic) -> None:
    traffic.logged = False
    with pytest.raises(Inconclusive):
        wide.deploy(confirm=yes)
    assert any("there is no log group /aws/apigateway/shop-dev" in text for text in notes(wide))


def test_without_an_access_log_it_is_told_what_is_not_judged(verbs: Verbs, traffic: Traffic) -> None:
    traffic.logged = False
    verbs.workspace = with_rollout(verbs, RolloutPolicy(weights=(10, 50), bake=300.0))
    assert verbs.deploy(confirm=yes, strategy="canary").live
    assert any(text.startswith("5xx that functions answer themselves are not judged") for text in notes(verbs))


# ------------------------------------------------------------------------------------------ thresholds of slowness


class Awakening(Busy):
    """Nobody calls before the release has its first share of the traffic."""

    def sleep(self, seconds: float) -> None:
        traffic, verbs = self.traffic, self.traffic.verbs if self.traffic else None
        if traffic is not None and verbs is not None:
            stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
            traffic.per_minute = 600 if stage is not None and stage.canary else 0
        super().sleep(seconds)


@pytest.fixture
def asleep(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock = Awakening()
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0))
    found.deploy()
    found.code["users"] = 2
    clock.traffic = Traffic(found)
    return found


def notes(verbs: Verbs) -> list[str]:
    return [note.text for note in verbs.shop.events.of(Note)]


def test_without_a_history_it_is_told_and_the_first_minutes_beside_it_say_what_is_slow(asleep: Verbs) -> None:
    assert asleep.deploy(confirm=yes).live
    assert [text for text in notes(asleep) if "latency" in text] == [
        (
            "latency of users is not judged yet: fewer than 20 calls in the last hour, so nobody knows what is slow; "
            "the first 20 beside the release tell it"
        )
    ]
    told = [moved.what for moved in asleep.shop.events.of(RolloutMoved)]
    assert [what for what in told if "slow" in what] == [
        (
            "what is slow is known now: shop-dev-orders:green above 25 ms, shop-dev-users:green above 25 ms, "
            "shop-dev-worker:green above 25 ms"
        )
    ]
    rollout = RolloutStore(asleep.shop.objects).read()
    assert rollout is not None
    assert rollout.slow == {f"shop-dev-{name}:green": 25.0 for name in ("orders", "users", "worker")}
    assert rollout.evidence.series["users", "latency"].canary.calls


def test_a_release_that_answers_nothing_at_all_has_a_forecast_too(verbs: Verbs, traffic: Traffic) -> None:
    traffic.everywhere = 1.0
    verbs.shop.clock.sleep(3600.0)
    verbs.deploy(plan_only=True)
    (ready,) = verbs.shop.events.of(PlanReady)[-1:]
    assert "a healthy release is not promoted before the deadline of 1h" in ready.plan["forecast"]


def test_a_plan_tells_it_as_well(asleep: Verbs) -> None:
    asleep.deploy(plan_only=True)
    assert any(text.startswith("latency of users is not judged yet") for text in notes(asleep))


def test_a_slower_release_is_found_though_there_was_no_history(asleep: Verbs) -> None:
    traffic = asleep.shop.clock.traffic  # type: ignore[attr-defined]
    traffic.slower = {"users": 30.0}
    with pytest.raises(CameBack, match=r"users: .* canary calls were slow"):
        asleep.deploy(confirm=yes)


def test_who_has_a_history_is_judged_by_it_and_nothing_is_told(verbs: Verbs, traffic: Traffic) -> None:
    verbs.shop.clock.sleep(600.0)
    assert verbs.deploy(confirm=yes).live
    assert not any("latency" in text for text in notes(verbs))
    assert not any("what is slow" in moved.what for moved in verbs.shop.events.of(RolloutMoved))
    assert traffic.timed


# ------------------------------------------------------------------------------------------ alarms


def test_nothing_goes_on_while_the_alarms_cannot_be_read(verbs: Verbs, traffic: Traffic) -> None:
    alarms = verbs.shop.alarms
    alarms.alarms["mine"] = AlarmState(name="mine", value="OK", since=0.0)
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, alarms=("mine",)))

    def breaks() -> None:
        alarms.broken = "AccessDenied: cloudwatch:DescribeAlarms"

    traffic.meanwhile = breaks
    with pytest.raises(Inconclusive, match="alarms cannot be read"):
        verbs.deploy(confirm=yes)


def test_an_alarm_of_ones_own_that_does_not_exist_is_told(verbs: Verbs, traffic: Traffic) -> None:
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, alarms=("mispelt",)))
    assert verbs.deploy(confirm=yes).live
    assert traffic.logged
    assert any(text.startswith("alarm mispelt does not exist") for text in notes(verbs))
