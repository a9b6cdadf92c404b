"""Alarms during a rollout: ours look at one side, or at both together, and an incident makes all of them ring."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.test_rollouts import with_timeout
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, Inconclusive
from penstock.model.events import RolloutMoved
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.rollout_store import RolloutStore
from penstock.ports import AlarmState

if TYPE_CHECKING:
    from pathlib import Path

OURS = ("shop-dev-rollout-users-blue", "shop-dev-rollout-users-live", "shop-dev-rollout-api")


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock
    policy = RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0, alarms=("mine",))
    found.workspace = with_rollout(found, policy)
    clock.traffic = Traffic(found, per_minute=6000)
    for name in (*OURS, "mine"):
        set_alarm(found, name, rings=False)
    found.deploy()
    found.code["users"] = 2
    return found


def set_alarm(verbs: Verbs, name: str, *, rings: bool) -> None:
    state = AlarmState(name=name, value="ALARM" if rings else "OK", since=verbs.shop.clock.now())
    verbs.shop.alarms.alarms[name] = state


def an_incident(verbs: Verbs, clock: Busy, *alarms: str, everywhere: float = 0.6) -> None:
    """For three minutes from the second minute on, this share of all calls fails, and these alarms ring."""
    traffic, began = clock.traffic, clock.now()
    assert traffic is not None

    def go_on() -> None:
        assert traffic is not None
        is_on = 120 <= clock.now() - began < 300
        traffic.everywhere = everywhere if is_on else 0.0
        for name in alarms:
            set_alarm(verbs, name, rings=180 <= clock.now() - began < 360)

    traffic.meanwhile = go_on


@pytest.mark.parametrize("alarm", OURS)
def test_our_own_alarms_take_nothing_back_while_the_stable_side_fails_as_well(
    verbs: Verbs, clock: Busy, alarm: str
) -> None:
    an_incident(verbs, clock, alarm)
    assert verbs.deploy(confirm=yes).live
    told = [moved.what for moved in verbs.shop.events.of(RolloutMoved) if moved.what.startswith("alarm")]
    assert told == [f"alarm {alarm} rings, and the stable release fails as well: no reason to go back"]
    assert any(told[0] in line for line in ledger(verbs))


@pytest.mark.parametrize("alarm", OURS)
def test_our_own_alarm_stops_it_while_the_stable_side_is_well(verbs: Verbs, clock: Busy, alarm: str) -> None:
    an_incident(verbs, clock, alarm, everywhere=0.01)
    with pytest.raises(CameBack, match=f"alarm {alarm} rings"):
        verbs.deploy(confirm=yes)


def test_an_alarm_of_the_users_own_stops_it_whatever_else_fails(verbs: Verbs, clock: Busy) -> None:
    an_incident(verbs, clock, *OURS, "mine")
    with pytest.raises(CameBack, match="alarm mine rings"):
        verbs.deploy(confirm=yes)


def test_one_of_ours_that_the_user_names_is_the_users_own(verbs: Verbs, clock: Busy) -> None:
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, alarms=(OURS[0],)))
    an_incident(verbs, clock, OURS[0])
    with pytest.raises(CameBack, match=f"alarm {OURS[0]} rings"):
        verbs.deploy(confirm=yes)


def everything_hangs(verbs: Verbs, clock: Busy, *, minutes: int) -> None:
    """A fix has a timeout of 10 s instead of 900. From its fifth minute on all calls hang for these minutes.

    Its alarm rings as long as its calls fail, a minute late.
    """
    with_timeout(verbs, 900)
    verbs.code["users"] = 3
    verbs.deploy(confirm=yes, strategy="all-at-once")
    with_timeout(verbs, 10)
    verbs.code["users"] = 4
    traffic, began = clock.traffic, clock.now() // 60 * 60
    assert traffic is not None
    traffic.hangs = (began + 300, began + 300 + 60 * minutes)
    traffic.patience = 900
    alarm = f"shop-dev-rollout-users-{live_slot(verbs, other=True)}"
    set_alarm(verbs, alarm, rings=False)

    def go_on() -> None:
        assert traffic is not None
        assert traffic.hangs is not None
        set_alarm(verbs, alarm, rings=traffic.hangs[0] + 120 <= clock.now() < traffic.hangs[1] + 120)

    traffic.meanwhile = go_on


def live_slot(verbs: Verbs, *, other: bool) -> str:
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    slot = stage.variables["slot"]
    return {"blue": "green", "green": "blue"}[slot] if other else slot


@pytest.mark.parametrize("minutes", [3, 20])
def test_a_shorter_timeout_is_not_taken_back_while_the_stable_side_hangs(
    verbs: Verbs, clock: Busy, minutes: int
) -> None:
    everything_hangs(verbs, clock, minutes=minutes)
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, deadline=14_400.0))
    assert verbs.deploy(confirm=yes).live
    told = [moved.what for moved in verbs.shop.events.of(RolloutMoved) if moved.what.startswith("alarm")]
    assert "calls to the stable release that would tell why have not ended" in told[0]
    assert any(told[0] in line for line in ledger(verbs))


def test_no_weight_grows_while_that_is_open_and_a_deadline_ends_it(verbs: Verbs, clock: Busy) -> None:
    everything_hangs(verbs, clock, minutes=60)
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, deadline=900.0))
    with pytest.raises(Inconclusive, match="rings, and calls to the stable release that would tell why have not ended"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 3


def test_who_promotes_it_all_the_same_keeps_it_in_the_bake_while_that_is_open(verbs: Verbs, clock: Busy) -> None:
    everything_hangs(verbs, clock, minutes=60)
    traffic, store = clock.traffic, RolloutStore(verbs.shop.objects)
    assert traffic is not None
    go_on, ordered = traffic.meanwhile, list[str]()

    def promoted() -> None:
        go_on()
        rollout = store.under_way()
        if rollout is not None and rollout.open_alarms and not ordered:
            ordered.append(store.order(rollout, "promote", by="alice", why="it is the fix", at=clock.now()).id)

    traffic.meanwhile = promoted
    verbs.workspace = with_rollout(verbs, replace(verbs.workspace.environment.rollout, deadline=14_400.0))
    assert verbs.deploy(confirm=yes).live
    assert ordered
    rings = {name for name, state in verbs.shop.alarms.alarms.items() if state.value == "ALARM"}
    watched = [line for line in ledger(verbs) if "an alarm takes it back" in line]
    assert rings
    assert "mine" in watched[-1]
    assert not any(name in watched[-1] for name in rings)


def test_a_shorter_timeout_excuses_nobody_whose_stable_side_answers(verbs: Verbs, clock: Busy) -> None:
    everything_hangs(verbs, clock, minutes=20)
    assert clock.traffic is not None
    (begin, end), clock.traffic.hangs, began = clock.traffic.hangs or (0.0, 0.0), None, clock.now()
    clock.traffic.bad = {"users": 1.0}
    alarm = f"shop-dev-rollout-users-{live_slot(verbs, other=True)}"
    clock.traffic.meanwhile = lambda: set_alarm(verbs, alarm, rings=begin + 120 <= clock.now() < end)
    with pytest.raises(CameBack, match=f"alarm {alarm} rings"):
        verbs.deploy(confirm=yes)
    assert clock.now() < began + 600


def ledger(verbs: Verbs) -> list[str]:
    """What the ledger tells of the rollout, a line each."""
    found = (verbs.shop.objects.get(key) for key in sorted(verbs.shop.objects.list("ledger/")))
    entries = [json.loads(stored.body) for stored in found if stored]
    return [str(entry["data"]["what"]) for entry in entries if entry["kind"] in {"rollout", "failed"}]
