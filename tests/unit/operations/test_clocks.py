"""A machine whose clock is wrong judges by the bucket's: minutes whose numbers have come, and no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, yes
from unit.operations.test_bake import after_the_switch, with_traffic
from unit.operations.traffic import Busy, with_rollout

from penstock.api.wiring import Wiring
from penstock.model.errors import RemoteFault
from penstock.model.events import Note
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.bake import bake_under_way
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.store import LEASE
from penstock.operations.store_clock import EVERY, StoreClock
from penstock.operations.tick import tick
from penstock.operations.wanted import DeployRequest
from penstock.release.lease import MARGIN
from penstock.testing import FakeClock, FakeObjectStore, RecordedEvents

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.operations.world import World
    from penstock.ports import Clock, StoredObject

CANARY = RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0)
ALL_AT_ONCE = RolloutPolicy(strategy="all-at-once", bake=1800.0, alarms=("mine",))

ELSEWHERE = """
[workspace]
name = "shop"
services = ["services/*"]

[environments.dev]
endpoint = "http://127.0.0.1:9"
account = "111111111111"
region = "eu-west-1"
"""


@dataclass
class Wrong:
    """A machine's clock that is so many seconds ahead of everybody's."""

    right: Clock
    ahead: float

    def now(self) -> float:
        return self.right.now() + self.ahead

    def monotonic(self) -> float:
        return self.right.monotonic()

    def sleep(self, seconds: float) -> None:
        self.right.sleep(seconds)


class Stopped(FakeObjectStore):
    """A bucket that dates its answer, and a process that stands still for minutes before it reads it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(now=clock.now)
        self._clock = clock
        self.put(LEASE, b"{}")

    def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
        found = super().get(key, at_most=at_most)
        self._clock.advance(300)
        return found


class Unreachable(FakeObjectStore):
    def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:  # noqa: ARG002 - the port's
        raise RemoteFault("SlowDown", where=key)


def a_bucket(clock: FakeClock) -> FakeObjectStore:
    """One with a lease, and with a clock that is right."""
    found = FakeObjectStore(now=clock.now)
    found.put(LEASE, b"{}")
    return found


def warnings(events: RecordedEvents) -> list[str]:
    return [note.text for note in events.of(Note) if note.level == "warning"]


def with_wrong_clock(world: World, ahead: float) -> World:
    """The same on a machine whose clock is so many seconds ahead."""
    wrong = Wrong(world.clock, ahead)
    return replace(world, clock=wrong, traffic_clock=StoreClock(wrong, world.objects, world.events))


def a_shop(folder: Path, policy: RolloutPolicy) -> Verbs:
    """Something is live, and users have changed."""
    folder.mkdir()
    found = with_traffic(folder, Busy())
    found.deploy()
    found.workspace = with_rollout(found, policy)
    found.code["users"] = 2
    return found


def minutes_to_promotion(folder: Path, ahead: float) -> float:
    verbs = a_shop(folder, CANARY)
    began = verbs.shop.clock.now()
    assert deploy(with_wrong_clock(verbs.world(), ahead), DeployRequest(), TARGETS, yes).live
    return (verbs.shop.clock.now() - began) / 60


@pytest.mark.parametrize("ahead", [100.0, 200.0, 290.0, -200.0])
def test_a_healthy_release_is_promoted_in_the_same_minutes_whatever_the_clock_of_the_machine(
    tmp_path: Path, ahead: float
) -> None:
    right = minutes_to_promotion(tmp_path / "right", 0.0)
    assert minutes_to_promotion(tmp_path / "wrong", ahead) == right


def test_a_visit_of_the_controller_goes_on_by_the_same_clock_as_a_driver_that_was_wrong(tmp_path: Path) -> None:
    verbs = a_shop(tmp_path / "shop", CANARY)
    deploy(with_wrong_clock(verbs.world(), 200.0), DeployRequest(detach=True), TARGETS, yes)
    store, began = RolloutStore(verbs.shop.objects), verbs.shop.clock.now()
    rollout = store.under_way()
    assert rollout is not None
    assert rollout.began == pytest.approx(began, abs=MARGIN)
    for turn in range(60):
        tick(with_wrong_clock(verbs.world(), -290.0 if turn % 2 else 290.0), rollout.id)
        verbs.shop.clock.sleep(60)
        if store.under_way() is None:
            break
    assert verbs.live_code()["users"] == 2


def test_a_bake_ends_when_it_does_for_everybody_whoever_began_it(tmp_path: Path) -> None:
    verbs = a_shop(tmp_path / "shop", ALL_AT_ONCE)
    clock = verbs.shop.clock
    moved: list[float] = []

    def interrupt() -> None:
        moved.append(clock.now() - 60)
        raise KeyboardInterrupt

    assert isinstance(clock, Busy)
    after_the_switch(verbs, clock, 60, interrupt)
    with pytest.raises(KeyboardInterrupt):
        deploy(with_wrong_clock(verbs.world(), 200.0), DeployRequest(), TARGETS, yes)
    found = bake_under_way(verbs.world(), str(read_history(verbs.shop.objects).promotions[-1].release))
    assert found is not None
    assert found.until == pytest.approx(moved[0] + 1800, abs=MARGIN)


def test_it_is_told_once_how_far_the_clock_is_off_and_again_when_that_has_changed() -> None:
    right, events = FakeClock(), RecordedEvents()
    wrong = Wrong(right, 200.0)
    clock = StoreClock(wrong, a_bucket(right), events)
    for _ in range(5):
        assert clock.now() == right.now()
        clock.sleep(EVERY)
    assert warnings(events) == [
        "this machine's clock is 200 s ahead of AWS's, by which releases are judged: set it",
    ]
    wrong.ahead = -30.0
    clock.sleep(EVERY)
    assert clock.now() == right.now()
    assert "30 s behind AWS's" in warnings(events)[-1]
    wrong.ahead = 0.0  # somebody has set it
    clock.sleep(EVERY)
    assert clock.now() == right.now()
    assert len(warnings(events)) == 2


def test_a_clock_that_is_as_right_as_dates_can_tell_is_left_alone() -> None:
    right, events = FakeClock(), RecordedEvents()
    wrong = Wrong(right, MARGIN)
    assert StoreClock(wrong, a_bucket(right), events).now() == wrong.now()
    assert not warnings(events)


def test_what_an_answer_says_that_took_long_to_come_is_not_believed() -> None:
    right, events = FakeClock(), RecordedEvents()
    clock = StoreClock(right, Stopped(right), events)
    assert clock.now() == right.now()
    assert not warnings(events)


def test_without_a_bucket_the_machine_is_believed() -> None:
    right = FakeClock()
    assert StoreClock(right, Unreachable(), RecordedEvents()).now() == right.now()
    assert StoreClock(right, FakeObjectStore(now=right.now), RecordedEvents()).now() == right.now()


def test_a_command_is_wired_to_it(tmp_path: Path) -> None:
    service = tmp_path / "services" / "users"
    service.mkdir(parents=True)
    (tmp_path / "penstock.toml").write_text(ELSEWHERE)
    (service / "service.toml").write_text('handler = "app.handler"\n')
    (service / "app.py").write_text("def handler(event, context): ...\n")
    (service / "requirements.txt").write_text("")
    world = Wiring(tmp_path, "dev", events=RecordedEvents(), environ={}).world
    assert isinstance(world.traffic_clock, StoreClock)
