"""After all traffic has moved only alarms are left to tell that a release is bad, for as long as it bakes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.role import Role
from unit.operations.test_busy_aws import FOR_EVER, Refusing
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import AccessDenied, CameBack, Refused, RemoteFault
from penstock.model.events import Note
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.audit import audit
from penstock.operations.history import read_history
from penstock.operations.holder import leases_of
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback, switch
from penstock.operations.tick import tick
from penstock.ports import AlarmState
from penstock.release.lease import TTL
from penstock.testing import Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.world import World

BLUE_GREEN = RolloutPolicy(strategy="blue-green", bake=1800.0, alarms=("mine",))
LINEAR = RolloutPolicy(strategy="linear", by=50, every=120.0, bake=1800.0, alarms=("mine",))
CANARY = RolloutPolicy(strategy="canary", weights=(10, 50), bake=1800.0, deadline=14_400.0, alarms=("mine",))


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    """Something is live, and users have changed."""
    found = with_traffic(tmp_path, clock)
    found.deploy()
    found.workspace = with_rollout(found, BLUE_GREEN)
    found.code["users"] = 2
    return found


def with_traffic(folder: Path, clock: Busy) -> Verbs:
    """An environment with callers and an alarm of the user's own that is quiet; nothing is deployed."""
    found = Verbs(root=folder)
    found.shop.clock = clock
    clock.traffic = Traffic(found)
    set_mine(found, rings=False)
    return found


def set_mine(verbs: Verbs, *, rings: bool) -> None:
    since = verbs.shop.clock.now()
    verbs.shop.alarms.alarms["mine"] = AlarmState(name="mine", value="ALARM" if rings else "OK", since=since)


def after_the_switch(verbs: Verbs, clock: Busy, seconds: float, act: Callable[[], object]) -> None:
    """Once, so long after users' new code has got all traffic."""
    moved: list[float] = []
    done: list[float] = []

    def look() -> None:
        if verbs.live_code()["users"] == 2 and not moved:
            moved.append(clock.now())
        if moved and not done and clock.now() >= moved[0] + seconds:
            done.append(clock.now())
            act()

    assert clock.traffic is not None
    clock.traffic.meanwhile = look


def ship(verbs: Verbs) -> None:
    """Deploy, and switch where the strategy waits for it."""
    if not verbs.deploy(confirm=yes).live:
        switch(verbs.world(), why="all is well")


@pytest.mark.parametrize("policy", [BLUE_GREEN, LINEAR, CANARY], ids=lambda policy: policy.strategy)
def test_an_alarm_that_rings_while_it_bakes_brings_all_traffic_back(
    verbs: Verbs, clock: Busy, policy: RolloutPolicy
) -> None:
    verbs.workspace = with_rollout(verbs, policy)
    after_the_switch(verbs, clock, 300, lambda: set_mine(verbs, rings=True))
    with pytest.raises(CameBack, match="went back: alarm mine rings"):
        ship(verbs)
    assert verbs.live_code()["users"] == 1
    run = audit(verbs.world()).runs[-1]
    assert run.outcome == "came back"
    assert [order.partition(": ")[2] for order in run.orders][-1] == "alarm mine rings"
    history = read_history(verbs.shop.objects)
    assert history.bad()
    assert history.move is None


@pytest.mark.parametrize("policy", [BLUE_GREEN, LINEAR, CANARY], ids=lambda policy: policy.strategy)
def test_an_alarm_that_rings_when_it_has_baked_is_nobodys_business(
    verbs: Verbs, clock: Busy, policy: RolloutPolicy
) -> None:
    verbs.workspace = with_rollout(verbs, policy)
    began = clock.now()
    ship(verbs)
    assert clock.now() >= began + 1800
    set_mine(verbs, rings=True)
    assert verbs.live_code()["users"] == 2
    assert not verbs.deploy().changed


def test_without_a_bake_nobody_waits(verbs: Verbs, clock: Busy) -> None:
    verbs.workspace = with_rollout(verbs, replace(BLUE_GREEN, bake=None))
    began = clock.now()
    ship(verbs)
    assert clock.now() < began + 60


def test_an_alarm_that_rang_before_the_switch_cannot_take_it_back(verbs: Verbs) -> None:
    set_mine(verbs, rings=True)
    ship(verbs)
    assert verbs.live_code()["users"] == 2
    assert any("rings already" in note.text for note in verbs.shop.events.of(Note))


def test_the_plan_says_how_long_alarms_can_take_it_back(verbs: Verbs) -> None:
    plan = verbs.deploy(plan_only=True).plan
    assert plan is not None
    watched = "alarms, mine among them, can take it back for 30m after all traffic has moved"
    assert plan.walk == f"verify → wait for penstock switch → 100 %; {watched}"


def test_nobody_has_to_wait_for_the_bake_to_roll_back(verbs: Verbs, clock: Busy) -> None:
    after_the_switch(verbs, clock, 60, lambda: rollback(verbs.world(), why="carts are empty"))
    began = clock.now()
    with pytest.raises(CameBack, match="was rolled back"):
        ship(verbs)
    assert clock.now() < began + 600
    assert verbs.live_code()["users"] == 1


def test_whoever_brings_another_release_ends_the_bake(verbs: Verbs, clock: Busy) -> None:
    def mend() -> None:
        verbs.code["users"] = 3
        verbs.deploy(confirm=yes)

    after_the_switch(verbs, clock, 60, mend)
    began = clock.now()
    ship(verbs)
    assert clock.now() < began + 600
    assert verbs.live_code()["users"] == 2, "the next one waits"


def test_an_alarm_waits_for_who_holds_the_environment(verbs: Verbs, clock: Busy) -> None:
    def hold() -> None:
        set_mine(verbs, rings=True)
        elsewhere = replace(verbs.world(), host="elsewhere")
        leases_of(elsewhere).acquire(holder="bob", pid=1, run="run-of-bob", purpose="look around")

    after_the_switch(verbs, clock, 60, hold)
    began = clock.now()
    with pytest.raises(CameBack, match="alarm mine rings"):
        ship(verbs)
    assert clock.now() >= began + TTL
    assert any("alarm mine rings, and" in note.text for note in verbs.shop.events.of(Note))


def test_alarms_that_cannot_be_read_are_told_once_and_take_nothing_back(verbs: Verbs, clock: Busy) -> None:
    def vanish() -> None:
        verbs.shop.alarms.broken = "throttled"

    after_the_switch(verbs, clock, 60, vanish)
    ship(verbs)
    told = [note.text for note in verbs.shop.events.of(Note) if "throttled" in note.text]
    assert told == ["the alarms cannot be read: throttled"]


class Outage:
    """AWS refuses calls of one method of a port, from the moment that it begins, so many times."""

    def __init__(self, verbs: Verbs, port: str, method: str) -> None:
        self.port, self.left = port, 0
        self.broken = Refusing(
            getattr(verbs.shop, port), method, times=FOR_EVER, fits=lambda *_, **__: self._goes_on(), fault=AccessDenied
        )

    def _goes_on(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def begins(self, times: int) -> None:
        self.left = times

    def in_world(self, verbs: Verbs) -> World:
        ports: dict[str, Any] = {self.port: self.broken}
        return replace(verbs.world(), **ports)


def switch_in(world: World, verbs: Verbs) -> None:
    verbs.deploy(confirm=yes)
    switch(world, why="all is well")


@pytest.mark.parametrize("call", ["parameters get", "objects get", "gateway set_stage", "objects put_if_match"])
def test_what_aws_refuses_while_an_alarm_rings_is_told_and_done_again(verbs: Verbs, clock: Busy, call: str) -> None:
    """Each is a call of another part of the way back: look, take the lease, move traffic."""
    outage = Outage(verbs, *call.split())

    def ring() -> None:
        set_mine(verbs, rings=True)
        outage.begins(3)

    after_the_switch(verbs, clock, 60, ring)
    with pytest.raises(CameBack, match="went back: alarm mine rings; all traffic is on"):
        switch_in(outage.in_world(verbs), verbs)
    assert verbs.live_code()["users"] == 1
    assert any("not authorized" in note.text for note in verbs.shop.events.of(Note))
    history = read_history(verbs.shop.objects)
    assert history.bad()
    assert history.move is None


def test_a_look_that_aws_refuses_does_not_end_the_watch(verbs: Verbs, clock: Busy) -> None:
    outage = Outage(verbs, "parameters", "get")
    after_the_switch(verbs, clock, 60, lambda: outage.begins(20))
    began = clock.now()
    switch_in(outage.in_world(verbs), verbs)
    assert clock.now() >= began + 1800
    assert verbs.live_code()["users"] == 2


def test_who_cannot_take_a_release_back_says_so_in_the_end(verbs: Verbs, clock: Busy) -> None:
    outage = Outage(verbs, "gateway", "set_stage")

    def ring() -> None:
        set_mine(verbs, rings=True)
        outage.begins(FOR_EVER)

    after_the_switch(verbs, clock, 60, ring)
    began = clock.now()
    with pytest.raises(RemoteFault, match="alarm mine rings, and AccessDenied"):
        switch_in(outage.in_world(verbs), verbs)
    assert clock.now() >= began + 1800


def test_who_may_not_go_back_names_the_alarm_that_rings(verbs: Verbs, clock: Busy) -> None:
    def ring() -> None:
        live = verbs.shop.observe().pointer.live_release
        verbs.shop.objects.put("terraform/removals.json", json.dumps([[live, ["index by_email"]]]).encode())
        set_mine(verbs, rings=True)

    after_the_switch(verbs, clock, 60, ring)
    with pytest.raises(Refused, match=r"alarm mine rings, and release \w+ may need .* index by_email"):
        ship(verbs)


@pytest.mark.parametrize("end", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("policy", [BLUE_GREEN, LINEAR], ids=lambda policy: policy.strategy)
def test_who_is_killed_or_interrupted_while_it_bakes_leaves_it_promoted(
    verbs: Verbs, clock: Busy, policy: RolloutPolicy, end: type[BaseException]
) -> None:
    verbs.workspace = with_rollout(verbs, policy)

    def ends() -> None:
        raise end

    after_the_switch(verbs, clock, 60, ends)
    with pytest.raises(end):
        ship(verbs)
    assert RolloutStore(verbs.shop.objects).under_way() is None
    history = read_history(verbs.shop.objects)
    assert history.move is None
    assert history.latest is not None
    assert verbs.shop.observe().pointer.live_release == history.latest.release
    stored = leases_of(verbs.world()).read()
    assert stored is None or not stored.is_held
    assert not verbs.deploy().changed, "nothing is half-made"
    assert verbs.live_code()["users"] == 2


def detached(verbs: Verbs) -> str:
    """The id of a rollout that is left to the controller."""
    verbs.workspace = with_rollout(verbs, replace(CANARY, bake=300.0))
    verbs.code["users"] = 1
    verbs.deploy(confirm=yes)
    verbs.code["users"] = 2
    verbs.deploy(confirm=yes, detach=True)
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    return rollout.id


def visit(verbs: Verbs, rollout: str, **ports: Any) -> str:
    """What the controller says a minute later, with these ports."""
    verbs.shop.clock.sleep(60.0)
    return tick(Role(verbs).within(replace(verbs.world(), host="in the account", **ports)), rollout)


def test_the_controller_watches_on_behind_a_rollout_that_it_has_ended(verbs: Verbs) -> None:
    rollout = detached(verbs)
    said = [visit(verbs, rollout) for _ in range(30) if verbs.live_code()["users"] == 1]
    assert said[-1].endswith("is promoted")
    assert "its alarms are watched" in visit(verbs, rollout)
    set_mine(verbs, rings=True)
    assert "went back: alarm mine rings" in visit(verbs, rollout)
    assert verbs.live_code()["users"] == 1
    assert audit(verbs.world()).runs[-1].outcome == "came back"
    assert visit(verbs, rollout) == "it has ended"


def promoted_by_the_controller(verbs: Verbs) -> str:
    rollout = detached(verbs)
    while "is promoted" not in visit(verbs, rollout):
        pass
    return rollout


def test_a_visit_behind_a_rollout_takes_no_lease_and_asks_no_function_while_all_is_quiet(verbs: Verbs) -> None:
    rollout = promoted_by_the_controller(verbs)
    faults = Faults()
    said = tick(faults.wrap_fields(replace(verbs.world(), host="in the account")), rollout)
    assert "its alarms are watched" in said
    assert faults.points() == []
    assert not [call for call in faults.calls if call.port == "Functions"]


def test_a_visit_behind_a_rollout_puts_right_what_a_late_driver_has_moved(verbs: Verbs) -> None:
    rollout = promoted_by_the_controller(verbs)
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    verbs.shop.gateway.set_canary(verbs.shop.api, "live", deployment=stage.deployment, percent=10.0, variables={})
    assert "its alarms are watched" in visit(verbs, rollout)
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    assert stage.canary is None


def test_a_clean_up_that_somebody_holds_up_is_told_to_be_left(verbs: Verbs, clock: Busy) -> None:
    def hold() -> None:
        elsewhere = replace(verbs.world(), host="elsewhere")
        leases_of(elsewhere).acquire(holder="bob", pid=1, run="run-of-bob", purpose="look around")

    after_the_switch(verbs, clock, 1790, hold)
    ship(verbs)
    assert verbs.live_code()["users"] == 2
    (told,) = [note.text for note in verbs.shop.events.of(Note) if "is left to the next penstock deploy" in note.text]
    assert "bob" in told


def test_the_controller_leaves_when_it_has_baked(verbs: Verbs) -> None:
    rollout = detached(verbs)
    said = [visit(verbs, rollout) for _ in range(40)]
    assert said[-1] == "it has ended"
    assert verbs.live_code()["users"] == 2
    assert not verbs.shop.schedules.scheduled("penstock-shop-dev")
