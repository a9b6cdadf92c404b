"""A canary over the fakes: traffic follows the weights, and the judge sees what it did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.test_bypass import with_uses
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, Inconclusive
from penstock.model.events import Note, RolloutJudged, RolloutMoved
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Uses
from penstock.operations.audit import audit
from penstock.operations.history import read_history
from penstock.operations.rollout_news import tell_news
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive
from penstock.operations.status import releases, rollout_status
from penstock.ports import AlarmState
from penstock.rollout.advance import judgement_of
from penstock.rollout.state import Observation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0))
    clock.traffic = Traffic(found)
    return found


def weights(verbs: Verbs) -> list[int]:
    return [moved.weight for moved in verbs.shop.events.of(RolloutMoved)]


def test_a_healthy_release_is_promoted_through_all_weights(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    done = verbs.deploy(confirm=yes)
    assert done.live
    assert verbs.live_code()["users"] == 2
    assert weights(verbs) == [10, 10, 50, 50], "what is slow becomes known at 10 %, and the pass at 50 %"
    assert verbs.shop.events.of(RolloutJudged)[-1].verdict == "PASS"


def test_who_watches_is_told_when_something_will_be_known_of_each_share(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    verbs.deploy(confirm=yes)
    said = [note.text for note in verbs.shop.events.of(Note) if "can be judged" in note.text]
    assert [text.partition(" can be")[0] for text in said] == [
        "its first full minute at 10 %",
        "its first full minute at 50 %",
    ]
    assert all(1 <= int(text.split()[-2]) <= 6 for text in said), said


def test_the_audit_tells_the_rollout_and_notices_a_ledger_that_somebody_changed(verbs: Verbs) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    verbs.deploy(confirm=yes)
    told = audit(verbs.world())
    assert [run.outcome for run in told.runs] == ["promoted", "promoted"]
    assert told.runs[-1].evidence.endswith("→ pass")
    assert told.breaks == ()
    key = sorted(verbs.shop.objects.list("ledger/"))[3]
    stored = verbs.shop.objects.get(key)
    assert stored is not None
    verbs.shop.objects.tamper(key, stored.body.replace(b"2023-11", b"2022-11"))
    assert [place.number for place in audit(verbs.world()).breaks] == [5]


def test_a_release_that_fails_in_one_call_of_twenty_goes_back(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    assert clock.traffic is not None
    clock.traffic.bad = {"users": 0.05}
    with pytest.raises(CameBack, match="users"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.outcome == "reverted"
    assert {line.release: line.state for line in releases(verbs.world())}[rollout.release] == "came back"
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    assert stage.canary is None


def test_a_minute_that_becomes_known_when_all_is_decided_is_no_news(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    assert clock.traffic is not None
    clock.traffic.bad = {"users": 0.05}
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    ended = RolloutStore(verbs.shop.objects).read()
    assert ended is not None
    going = replace(ended, outcome=None)
    told = len(verbs.shop.events.of(RolloutJudged))
    world = verbs.world()
    seen = Observation(now=clock.now(), weight=0, until=ended.judged + 60)
    with exclusive(world, "test") as session:
        tell_news(world, session, going, ended, seen, judgement_of(ended))
        assert len(verbs.shop.events.of(RolloutJudged)) == told
        tell_news(world, session, replace(going, reverting=None), going, seen, judgement_of(going))
        assert len(verbs.shop.events.of(RolloutJudged)) == told + 1


def test_trouble_on_both_sides_is_nobodys_fault(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    assert clock.traffic is not None
    clock.traffic.everywhere = 0.05
    clock.traffic.per_minute = 6000
    assert verbs.deploy(confirm=yes).live


def test_callers_around_the_stage_are_told_in_the_status_and_the_ledger_and_stop_nothing(
    verbs: Verbs, clock: Busy
) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    assert clock.traffic is not None
    clock.traffic.per_minute, clock.traffic.loyal = 6000, 0.6
    verbs.workspace = with_uses(verbs.workspace, "orders", Uses(services=("users",)))
    seen: list[str] = []

    def look() -> None:
        found = rollout_status(verbs.world())
        seen.extend(found.traffic if found else ())

    clock.traffic.meanwhile = look
    assert verbs.deploy(confirm=yes).live
    assert "shop-dev-users: 4.0 % of 6,000 calls reached the candidate instead of 10.0 %" in "\n".join(seen)
    told = [moved.what for moved in verbs.shop.events.of(RolloutMoved) if moved.what.startswith("traffic check")]
    (users,) = (what for what in told if "shop-dev-users" in what)
    assert users.endswith("; likely orders")
    assert users.removeprefix("traffic check: ") in seen
    bodies = [verbs.shop.objects.get(key) for key in verbs.shop.objects.list("ledger/")]
    assert any(b"traffic check: shop-dev-users" in stored.body for stored in bodies if stored)


def test_terraform_is_told_while_a_rollout_is_under_way_and_no_longer(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    told: list[str | None] = []
    assert clock.traffic is not None
    clock.traffic.meanwhile = lambda: told.append(verbs.shop.parameters.get("/penstock/shop/dev/rollout"))
    done = verbs.deploy(confirm=yes)
    assert set(told) == {done.release}
    assert verbs.shop.parameters.get("/penstock/shop/dev/rollout") is None


def test_a_sleeping_environment_is_not_taken_for_a_healthy_one(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    assert clock.traffic is not None
    clock.traffic.per_minute = 0
    with pytest.raises(Inconclusive, match="not decided within 1h"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1
    assert read_history(verbs.shop.objects).latest is not None


def test_an_alarm_that_begins_to_ring_stops_it_and_one_that_rang_before_does_not(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    verbs.code["users"] = 2
    began = clock.now()
    verbs.shop.alarms.alarms["mine"] = AlarmState(name="mine", value="ALARM", since=began)
    verbs.shop.alarms.alarms["shop-dev-rollout-users-green"] = AlarmState(
        name="shop-dev-rollout-users-green", value="OK", since=began
    )
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, alarms=("mine",)))
    assert verbs.deploy(confirm=yes).live
    verbs.code["users"] = 3
    verbs.shop.alarms.alarms["mine"] = AlarmState(name="mine", value="OK", since=began)

    def rings(seconds: float) -> None:
        if clock.now() > began + 3600 + seconds:
            verbs.shop.alarms.alarms["mine"] = AlarmState(name="mine", value="ALARM", since=clock.now())

    assert clock.traffic is not None
    began = clock.now() - 3600
    clock.traffic.meanwhile = lambda: rings(120.0)
    with pytest.raises(CameBack, match="alarm mine rings"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 2


def test_a_shorter_timeout_is_not_judged_before_the_errors_of_the_longer_one_have_come(
    verbs: Verbs, clock: Busy
) -> None:
    """Both sides hang: the candidate's calls fail after ten seconds, the stable side's 15 minutes after they began."""
    with_timeout(verbs, 900)
    verbs.deploy()
    with_timeout(verbs, 10)
    verbs.code["users"] = 2
    failed: set[int] = set()

    def stable_calls_fail() -> None:
        minute = int(clock.now() - 900) // 60 * 60
        stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
        assert stage is not None
        slot = {"FunctionName": "shop-dev-users", "Resource": f"shop-dev-users:{stage.variables['slot']}"}
        if minute not in failed:
            failed.add(minute)
            verbs.shop.metrics.record("AWS/Lambda", "Errors", slot, 1.0, at=minute, count=600)

    assert clock.traffic is not None
    clock.traffic.bad = {"users": 1.0}
    clock.traffic.meanwhile = stable_calls_fail
    assert verbs.deploy(confirm=yes).live, "it is no worse"


def with_timeout(verbs: Verbs, seconds: int) -> None:
    services = tuple(
        replace(service, functions=tuple(replace(function, timeout=seconds) for function in service.functions))
        for service in verbs.workspace.services
    )
    verbs.workspace = replace(verbs.workspace, services=services)
