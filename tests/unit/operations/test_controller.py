"""Rollouts that the controller function drives, over the fakes: detached ones, and those whose driver has died."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, yes
from unit.operations.role import Role
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import AccessDenied, Locked, UsageError
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.holder import leases_of
from penstock.operations.orders import tell
from penstock.operations.rollout import DEADLINE
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import TICK
from penstock.operations.status import rollout_status
from penstock.operations.tick import tick
from penstock.operations.wanted import DeployRequest
from penstock.operations.watchdog import read_brief
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import FakeSchedules, Fault, Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.world import World
    from penstock.ports import Clock

CONTROLLER = "penstock-shop-dev"
MARK = "/penstock/shop/dev/rollout"
"""What lets Terraform know of a rollout."""
MINUTE = 60.0
LONG = TTL + CALL_TIMEOUT + MARGIN + 1


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    return a_shop(tmp_path)


def a_shop(root: Path) -> Verbs:
    root.mkdir(exist_ok=True)
    found = Verbs(root=root)
    found.shop.clock = clock = Busy()
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0))
    clock.traffic = Traffic(found)
    found.deploy()
    found.code["users"] = 2
    return found


def in_the_account(verbs: Verbs, faults: Faults | None = None) -> World:
    """The ports as the controller has them: the brief instead of the checkout, its role, and another host."""
    brief = read_brief(verbs.shop.objects)
    assert brief is not None
    world = replace(verbs.world(), workspace=brief.workspace, host="in the account")
    world = Role(verbs).within(world)
    return faults.wrap_fields(world) if faults else world


def minutes(verbs: Verbs, count: int = 60) -> list[str]:
    """What the controller says while Scheduler calls it, minute by minute, until nobody calls it any more."""
    said = []
    for _ in range(count):
        verbs.shop.clock.sleep(MINUTE)
        calls = verbs.shop.schedules.scheduled(CONTROLLER)
        if not calls:
            break
        said += [tick(in_the_account(verbs), json.loads(one.payload)["rollout"]) for one in calls.values()]
    return said


def weight(verbs: Verbs) -> float:
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    return stage.canary.percent if stage.canary else 0.0


def worse(verbs: Verbs, share: float) -> None:
    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None
    clock.traffic.bad = {"users": share}


def test_a_detached_release_is_promoted_with_nobody_there(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    assert (left.detached, left.live, weight(verbs)) == (True, False, 0)
    said = minutes(verbs)
    assert said[0] == "at 10 %"
    assert "at 50 %" in said
    assert said[-1].endswith("is promoted")
    assert verbs.live_code()["users"] == 2
    assert verbs.shop.schedules.scheduled(CONTROLLER) == {}
    told = audit(verbs.world())
    assert [(run.what, run.outcome) for run in told.runs][-1] == (f"deploy release {left.release}", "promoted")
    assert told.runs[-1].evidence.endswith("→ pass")
    assert told.breaks == ()


def test_a_detached_release_that_fails_comes_back_with_nobody_there(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    worse(verbs, 0.2)
    assert left.release in minutes(verbs)[-1]
    assert (verbs.live_code()["users"], weight(verbs)) == (1, 0)
    assert audit(verbs.world()).runs[-1].outcome == "came back"
    last = rollout_status(verbs.world(), ended=True)
    assert last is not None
    assert last.outcome == "reverted"
    assert "users" in str(last.reverting)


def test_a_detached_release_that_nobody_calls_goes_back_at_its_deadline(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    began = verbs.shop.clock.now()
    nobody_calls(verbs)
    said = minutes(verbs, 120)
    assert "at 10 %" in said
    assert left.release in said[-1]
    assert "not decided within 1h" in said[-1]
    ended_at_its_deadline(verbs, began)


def test_what_a_dead_driver_left_goes_back_at_its_deadline(tmp_path: Path) -> None:
    recorded = Faults()
    deploy(recorded.wrap_fields(a_shop(tmp_path / "recorded").world()), DeployRequest(), TARGETS, yes)
    shifted = next(call.effect for call in recorded.effects() if "set_canary" in str(call))
    assert shifted is not None
    verbs = a_shop(tmp_path / "killed")
    nobody_calls(verbs)
    began = verbs.shop.clock.now()
    with pytest.raises(Killed):
        deploy(Faults(Fault(effect=shifted, when="after")).wrap_fields(verbs.world()), DeployRequest(), TARGETS, yes)
    assert weight(verbs) == 10
    verbs.shop.clock.sleep(LONG)
    assert "not decided within 1h" in minutes(verbs, 120)[-1]
    ended_at_its_deadline(verbs, began)


def nobody_calls(verbs: Verbs) -> None:
    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    clock.traffic = Traffic(verbs, per_minute=0)


def ended_at_its_deadline(verbs: Verbs, began: float) -> None:
    """Nobody has said anything, all traffic is on the stable release, and it did not take much longer than it may."""
    assert DEADLINE <= verbs.shop.clock.now() - began <= DEADLINE + 5 * MINUTE
    assert (weight(verbs), verbs.live_code()["users"]) == (0, 1)
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert (rollout.outcome, rollout.inconclusive, rollout.orders) == ("reverted", True, ())
    assert verbs.shop.schedules.scheduled(CONTROLLER) == {}
    assert verbs.shop.parameters.get(MARK) is None
    assert audit(verbs.world()).breaks == ()


def test_terraform_is_told_again_of_a_walk_whose_mark_somebody_took_away(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    assert verbs.shop.parameters.get(MARK) == left.release
    verbs.shop.parameters.delete(MARK)  # by who slept past its lease, and woke
    assert minutes(verbs, 1) == ["at 10 %"]
    assert verbs.shop.parameters.get(MARK) == left.release


def test_it_does_nothing_while_a_command_drives(verbs: Verbs) -> None:
    said: list[str] = []
    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None

    def called() -> None:
        calls = verbs.shop.schedules.scheduled(CONTROLLER)
        # A driver's lease is renewed by a thread that the fakes' clock does not know.
        said.extend(tick(in_the_account(verbs), name) for name in calls)

    clock.traffic.meanwhile = called
    assert verbs.deploy(confirm=yes).live
    assert set(said) == {"somebody drives it"}
    assert verbs.shop.schedules.scheduled(CONTROLLER) == {}


def test_whatever_a_driver_died_of_the_controller_brings_traffic_to_one_release(tmp_path: Path) -> None:
    recorded = Faults()
    deploy(recorded.wrap_fields(a_shop(tmp_path / "recorded").world()), DeployRequest(), TARGETS, yes)
    points = recorded.points()
    for at, point in enumerate(one_in(max(len(points) // 20, 1), points)):
        verbs = a_shop(tmp_path / f"{at}")
        with suppress(Killed):
            deploy(Faults(point).wrap_fields(verbs.world()), DeployRequest(), TARGETS, yes)
        under_way = RolloutStore(verbs.shop.objects).under_way()
        if not verbs.shop.schedules.scheduled(CONTROLLER):
            continue  # it died before traffic had moved, or after everything was over
        verbs.shop.clock.sleep(LONG)
        worse(verbs, 0.2 if at % 2 else 0.0)
        minutes(verbs, 120)
        where = f"killed at {point}, with {under_way and under_way.weight} %"
        assert weight(verbs) == 0, where
        assert RolloutStore(verbs.shop.objects).under_way() is None, where
        assert verbs.shop.parameters.get(MARK) is None, where
        assert under_way is None or verbs.shop.observe().pointer.candidate is None, where
        assert verbs.shop.schedules.scheduled(CONTROLLER) == {}, where
        assert audit(verbs.world()).breaks == (), where


def test_whatever_a_visit_died_of_the_next_one_goes_on(tmp_path: Path) -> None:
    recorded = Faults()
    first_visit(a_shop(tmp_path / "recorded"), recorded)
    for at, point in enumerate(one_in(8, recorded.points())):
        verbs = a_shop(tmp_path / f"{at}")
        with suppress(Killed):
            first_visit(verbs, Faults(point))
        verbs.shop.clock.sleep(LONG)
        assert minutes(verbs, 120)[-1].endswith("is promoted"), point
        assert verbs.live_code()["users"] == 2, point
        assert audit(verbs.world()).breaks == (), point


def first_visit(verbs: Verbs, faults: Faults) -> None:
    verbs.deploy(confirm=yes, detach=True)
    verbs.shop.clock.sleep(MINUTE)
    (name,) = verbs.shop.schedules.scheduled(CONTROLLER)
    tick(in_the_account(verbs, faults), name)


def test_a_handing_over_that_died_anywhere_keeps_nobody_out_for_long(tmp_path: Path) -> None:
    recorded = Faults()
    left_to_the_controller(a_shop(tmp_path / "recorded"), recorded)
    begun = next(call.effect or 0 for call in recorded.effects() if call.subject.startswith("rollout.json"))
    for point in recorded.points()[2 * begun :]:
        verbs = a_shop(tmp_path / "killed")
        with suppress(Killed):
            left_to_the_controller(verbs, Faults(point))
        verbs.shop.clock.sleep(LONG)
        rollout = RolloutStore(verbs.shop.objects).under_way()
        if verbs.shop.schedules.scheduled(CONTROLLER):
            assert minutes(verbs, 120)[-1].endswith("is promoted"), point
        else:
            assert rollout is None or not rollout.detached, f"{point}: nobody drives it, and nobody else may"
        verbs.code["users"] = 3
        assert verbs.deploy(confirm=yes, strategy="all-at-once").live, point
        assert verbs.live_code()["users"] == 3, point
        assert audit(verbs.world()).breaks == (), point


def left_to_the_controller(verbs: Verbs, faults: Faults) -> None:
    deploy(faults.wrap_fields(verbs.world()), DeployRequest(detach=True), TARGETS, yes)


def test_a_handing_over_that_scheduler_refuses_leaves_nothing_on_its_way(verbs: Verbs) -> None:
    world = verbs.world()

    class Refusing(FakeSchedules):
        def start(self, name: str, **_wanted: object) -> None:
            raise AccessDenied("AccessDeniedException: not authorized to perform scheduler:CreateSchedule", where=name)

    with pytest.raises(AccessDenied):
        deploy(replace(world, schedules=Refusing()), DeployRequest(detach=True), TARGETS, yes)
    last = RolloutStore(verbs.shop.objects).read()
    assert last is not None
    assert (last.outcome, last.detached) == ("reverted", False)
    assert "CreateSchedule" in str(last.reverting)
    assert verbs.shop.parameters.get(MARK) is None
    verbs.code["users"] = 3
    assert verbs.deploy(confirm=yes).live


def test_a_detached_rollout_that_nobody_ends_gives_way_when_it_is_overdue(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    minutes(verbs, 1)
    (name,) = verbs.shop.schedules.scheduled(CONTROLLER)
    verbs.shop.schedules.stop(name, group=CONTROLLER)  # by hand, or it has come to its end
    verbs.code["users"] = 3
    with pytest.raises(Locked, match="on its way"):
        verbs.deploy(confirm=yes)
    verbs.shop.clock.sleep(2 * DEADLINE)
    assert verbs.deploy(confirm=yes).live
    assert verbs.live_code()["users"] == 3
    assert left.release not in [promotion.release for promotion in read_history(verbs.shop.objects).promotions]


def test_another_release_waits_for_the_one_on_its_way_and_abort_ends_it(verbs: Verbs) -> None:
    left = verbs.deploy(confirm=yes, detach=True)
    verbs.shop.clock.sleep(MINUTE)
    (name,) = verbs.shop.schedules.scheduled(CONTROLLER)
    tick(in_the_account(verbs), name)
    verbs.code["users"] = 3
    with pytest.raises(Locked, match="on its way, at 10 %") as told:
        verbs.deploy(confirm=yes)
    assert "penstock abort" in told.value.hint
    assert weight(verbs) == 10
    abort(verbs.world(), why="the next one is better")
    assert weight(verbs) == 0
    assert minutes(verbs) == ["it has ended"]
    rows = {run.what: run.outcome for run in audit(verbs.world()).runs}
    assert rows[f"deploy release {left.release}"] == "came back"
    assert verbs.deploy(confirm=yes).live


def test_an_abort_that_a_visit_leaves_undone_is_carried_out_by_who_asked(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, detach=True)
    minutes(verbs, 1)
    visitor = in_the_account(verbs)
    held = leases_of(visitor).acquire(holder="controller", pid=1, run="visit", purpose=f"{TICK}x")
    world = verbs.world()
    world = replace(world, clock=GivesBack(verbs.shop.clock, held.give_back), host="a laptop")
    done = abort(world, why="enough")
    assert done.changed
    assert weight(verbs) == 0
    assert RolloutStore(verbs.shop.objects).under_way() is None


class GivesBack:
    """A clock during whose first sleep a visit of the controller ends."""

    def __init__(self, clock: Clock, give_back: Callable[[], None]) -> None:
        self._clock = clock
        self._give_back = give_back
        self.now, self.monotonic = clock.now, clock.monotonic

    def sleep(self, seconds: float) -> None:
        self._give_back()
        self._clock.sleep(seconds)


def test_orders_are_left_for_the_next_visit(verbs: Verbs) -> None:
    verbs.deploy(confirm=yes, detach=True)
    minutes(verbs, 1)
    tell(verbs.world(), "pause", why="lunch")
    assert "lunch" in minutes(verbs, 1)[-1]
    tell(verbs.world(), "resume")
    assert minutes(verbs, 1)[-1] == "at 10 %"
    done = tell(verbs.world(), "promote", why="seen enough")
    assert done.outcome == "promoted"
    assert verbs.live_code()["users"] == 2


def test_what_is_slow_is_fixed_when_it_begins_and_stays(verbs: Verbs) -> None:
    verbs.shop.clock.sleep(600)
    verbs.deploy(confirm=yes, detach=True)
    minutes(verbs, 1)
    before = RolloutStore(verbs.shop.objects).under_way()
    assert before is not None
    assert before.slow
    minutes(verbs, 4)
    after = RolloutStore(verbs.shop.objects).under_way()
    assert after is not None
    assert after.slow == before.slow


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        (RolloutPolicy(), "nothing to detach"),
        (RolloutPolicy(strategy="canary", weights=(10,), bake=60.0, controller=False), "no controller function"),
    ],
)
def test_detaching_is_refused_where_nobody_would_drive(verbs: Verbs, policy: RolloutPolicy, what: str) -> None:
    verbs.workspace = with_rollout(verbs, policy)
    with pytest.raises(UsageError, match=what):
        verbs.deploy(confirm=yes, detach=True)


def test_of_the_controllers_code_only_what_runs_is_kept(verbs: Verbs) -> None:
    verbs.shop.objects.put(f"controller/{'0' * 64}.zip", b"an older Penstock's")
    verbs.deploy(confirm=yes, detach=True)
    (key,) = verbs.shop.objects.list("controller/")
    running = verbs.shop.functions.get(CONTROLLER)
    assert running is not None
    assert key == f"controller/{running.code_sha256}.zip"


def test_the_brief_carries_neither_variables_nor_programs(verbs: Verbs) -> None:
    services = tuple(
        replace(service, functions=tuple(replace(one, env={"URL": "http://x"}) for one in service.functions))
        for service in verbs.workspace.services
    )
    after = replace(verbs.workspace.environment.after, smoke=("scripts/smoke.sh",))
    environment = replace(verbs.workspace.environment, after=after)
    verbs.workspace = replace(verbs.workspace, services=services, environment=environment)
    verbs.deploy(confirm=yes, detach=True)
    brief = read_brief(verbs.shop.objects)
    assert brief is not None
    assert brief.workspace.environment.after.smoke == ()
    assert all(function.env == {} for function in brief.workspace.functions)
    assert brief.workspace.environment.rollout == verbs.workspace.environment.rollout
