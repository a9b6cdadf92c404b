"""A deploy that waits while somebody else changes the environment, instead of being refused."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, no

from penstock.model.errors import Locked
from penstock.model.events import Note
from penstock.operations.deploy import deploy
from penstock.operations.holder import leases_of
from penstock.operations.store import LeaseStore
from penstock.operations.wanted import DeployRequest
from penstock.release.lease import TTL
from penstock.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.store import HeldLease
    from penstock.operations.world import Builds


class Watch(FakeClock):
    """Lets something happen after so many seconds of sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.after: dict[float, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for at in [at for at in self.after if at <= self.monotonic()]:
            self.after.pop(at)()


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    verbs = Verbs(root=tmp_path)
    verbs.shop.clock = Watch()
    verbs.deploy()
    verbs.code["orders"] = 2
    return verbs


def bob(verbs: Verbs) -> HeldLease:
    """Takes the lease on another machine."""
    leases = LeaseStore(verbs.shop.objects, clock=verbs.shop.clock, host="elsewhere", process_alive=lambda _: True)
    return leases.acquire(holder="bob", pid=7, run="bobs", purpose="rollback")


def talk(verbs: Verbs) -> list[str]:
    return [note.text for note in verbs.shop.events.of(Note) if note.text.startswith("waits")]


def test_it_waits_until_the_other_command_has_ended_says_so_once_and_then_deploys(verbs: Verbs) -> None:
    held = bob(verbs)
    clock = verbs.shop.clock
    assert isinstance(clock, Watch)
    began = clock.monotonic()
    clock.after[began + 31] = held.give_back
    assert verbs.deploy(lock_timeout=600).live
    assert 31 <= clock.monotonic() - began < 40
    (told,) = talk(verbs)
    assert told.startswith("waits: bob on elsewhere (process 7) holds the environment since")
    assert verbs.live_code()["orders"] == 2


def test_a_holder_that_is_gone_is_waited_for_as_long_as_its_lease_may_count(verbs: Verbs) -> None:
    bob(verbs)
    assert verbs.deploy(lock_timeout=10 * TTL).live


def test_it_does_not_wait_longer_than_it_was_told(verbs: Verbs) -> None:
    held = bob(verbs)
    clock = verbs.shop.clock
    began = clock.monotonic()
    with pytest.raises(Locked, match="bob on elsewhere"):
        verbs.deploy(lock_timeout=TTL / 3)
    assert TTL / 3 <= clock.monotonic() - began < TTL / 2
    held.give_back()
    assert verbs.live_code()["orders"] == 1


def test_without_it_nothing_is_waited_for(verbs: Verbs) -> None:
    bob(verbs)
    began = verbs.shop.clock.monotonic()
    with pytest.raises(Locked, match="bob on elsewhere"):
        verbs.deploy()
    assert verbs.shop.clock.monotonic() == began
    assert talk(verbs) == []


def test_whoever_was_quicker_after_the_look_is_waited_for_as_well(verbs: Verbs) -> None:
    """Two that wait see the environment free at the same moment; one of them finds the other's lease."""
    clock = verbs.shop.clock
    assert isinstance(clock, Watch)
    world, gone = verbs.world(), threading.Event()
    builds = world.builds

    def building() -> Builds:
        if not gone.is_set():  # while ours is being planned
            gone.set()
            held = bob(verbs)
            clock.after[clock.monotonic() + 20] = held.give_back
        return builds()

    done = deploy(replace(world, builds=building), DeployRequest(lock_timeout=600), TARGETS, no)
    assert done.live
    assert gone.is_set()
    assert leases_of(verbs.world()).read() is not None
