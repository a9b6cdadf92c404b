"""What people say to a rollout that somebody drives: waited for, told in the ledger, with the exit code it earns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import Verbs, write_rollout, yes
from unit.operations.test_controller import in_the_account
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import Busy as Busy503
from penstock.model.errors import CameBack, Locked, Refused, RemoteFault
from penstock.model.events import Note, NothingToDo, Recovered
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.history import read_history
from penstock.operations.holder import leases_of
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.orders import PATIENCE, tell
from penstock.operations.recall import KEY as RECALL
from penstock.operations.rollout_store import ORDERS, RolloutStore
from penstock.operations.session import TICK
from penstock.operations.store import LEASE
from penstock.operations.switch import rollback
from penstock.operations.tick import tick
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import FakeIdentity, FakeObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.world import World
    from penstock.ports import Clock, StoredObject
    from penstock.rollout.state import GoingOn, Rollout

ALICE, BOB = (f"arn:aws:iam::111111111111:user/{name}" for name in ("alice", "bob"))

BACK: dict[str, Callable[..., Any]] = {"abort": abort, "rollback": rollback}


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock = Busy()
    found.workspace = with_rollout(found, RolloutPolicy(strategy="canary", weights=(50,), bake=120.0))
    clock.traffic = Traffic(found, per_minute=3000)
    found.deploy()
    found.code["users"] = 2
    return found


class Elsewhere:
    """A clock during whose sleeps a process on another machine does something, called with the seconds since."""

    def __init__(self, clock: Clock, does: Callable[[float], None]) -> None:
        self._clock = clock
        self._does = does
        self._began = clock.monotonic()
        self.now, self.monotonic = clock.now, clock.monotonic

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._does(self._clock.monotonic() - self._began)


def driven(verbs: Verbs, does: Callable[[float], None]) -> tuple[World, Rollout]:
    """The world of somebody else, while a driver on another machine holds the lease of a canary under way."""
    verbs.deploy(confirm=yes, detach=True)
    rollout = RolloutStore(verbs.shop.objects).under_way()
    assert rollout is not None
    held = leases_of(verbs.world()).acquire(holder=ALICE, pid=1, run="driver", purpose="deploy")

    def lives(seconds: float) -> None:
        held.keep()
        does(seconds)

    world = replace(verbs.world(), clock=Elsewhere(verbs.shop.clock, lives), host="a laptop")
    return replace(world, identity=FakeIdentity(name="user/bob")), rollout


@pytest.mark.parametrize("verb", ["pause", "approve", "resume"])
def test_an_order_to_what_was_promoted_before_it_was_written_down_does_not_tell_of_a_share(
    verbs: Verbs, verb: GoingOn
) -> None:
    verbs.deploy(confirm=yes, detach=True)

    class Slow(FakeIdentity):
        """Somebody who is asked for while a visit of the controller ends the rollout."""

        def caller(self) -> str:
            rollout = RolloutStore(verbs.shop.objects).under_way()
            if rollout is not None:
                write_rollout(verbs, replace(rollout, weight=100).ended("promoted", at=verbs.shop.clock.now()))
            return super().caller()

    told = tell(replace(verbs.world(), identity=Slow(name="user/bob")), verb)
    assert (told.weight, told.outcome) == (100, "promoted")


def test_who_promotes_what_goes_back_meanwhile_is_told_as_the_driver_is(verbs: Verbs) -> None:
    def finds_it_bad(_seconds: float) -> None:
        rollout = RolloutStore(verbs.shop.objects).under_way()
        if rollout is not None:
            bad = replace(rollout, weight=50, reverting="users: 9 of 9 canary calls failed")
            gone_back = bad.ended("reverted", at=verbs.shop.clock.now())
            write_rollout(verbs, gone_back)

    world, _ = driven(verbs, finds_it_bad)
    with pytest.raises(CameBack, match="users: 9 of 9 canary calls failed"):
        tell(world, "promote")


def test_an_order_waits_for_a_driver_that_keeps_a_slot_warm_and_says_so(verbs: Verbs) -> None:
    def takes_its_time(seconds: float) -> None:
        store = RolloutStore(verbs.shop.objects)
        rollout = store.under_way()
        if seconds > 14 * 60 and rollout is not None and (orders := store.orders(rollout)):
            taken = tuple(order.id for order in orders)
            write_rollout(verbs, replace(rollout, orders=taken, held="paused by bob"))

    world, _ = driven(verbs, takes_its_time)
    assert tell(world, "pause").outcome is None
    said = [event.text for event in verbs.shop.events.of(Note) if "in the middle of something" in event.text]
    assert len(said) == 1


def test_an_order_that_nobody_ever_takes_up_is_given_up(verbs: Verbs) -> None:
    world, _ = driven(verbs, lambda _: None)
    began = verbs.shop.clock.monotonic()
    with pytest.raises(RemoteFault, match="nobody took the order up within 30 minutes"):
        tell(world, "pause")
    assert verbs.shop.clock.monotonic() - began >= PATIENCE


def test_a_visit_that_ends_while_a_command_looks_who_it_is_refuses_nobody(verbs: Verbs) -> None:
    held = leases_of(verbs.world()).acquire(holder=ALICE, pid=1, run="visit", purpose=f"{TICK}x")

    class Ends(FakeObjectStore):
        """The visit ends between the first look at its lease and the second."""

        looks = 0

        def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
            if key == LEASE:
                self.looks += 1
                if self.looks == 2:
                    held.give_back()
            return verbs.shop.objects.get(key, at_most=at_most)

        def __getattribute__(self, name: str) -> Any:
            own = ("get", "looks", "__class__")
            return object.__getattribute__(self if name in own else verbs.shop.objects, name)

    assert not abort(replace(verbs.world(), objects=Ends(), host="a laptop")).changed


def test_the_ledger_tells_every_order_once_with_who_and_why(verbs: Verbs) -> None:
    given: list[str] = []

    def people() -> None:
        store = RolloutStore(verbs.shop.objects)
        rollout = store.under_way()
        if rollout is None or rollout.weight == 0:
            return
        if not given:
            store.order(rollout, "pause", by=BOB, why="lunch", at=0.0)
        elif len(given) == 1 and rollout.held:
            store.order(rollout, "resume", by=ALICE, why="", at=1.0)
        else:
            return
        given.append(rollout.id)

    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None
    clock.traffic.meanwhile = people
    assert verbs.deploy(confirm=yes).live
    entries = LedgerStore(verbs.shop.objects, clock=clock, actor="", run="").entries()
    told = [(entry.data["verb"], entry.data["by"], entry.data["why"]) for entry in entries if entry.kind == "order"]
    assert told == [("pause", BOB, "lunch"), ("resume", ALICE, "")]
    assert audit(verbs.world()).runs[-1].orders == (f"pause by {BOB}: lunch", f"resume by {ALICE}")


def test_an_order_is_told_also_when_the_ledger_refused_it_at_first(verbs: Verbs) -> None:
    class Stumbling(FakeObjectStore):
        """Refuses the first write of an order's entry."""

        stumbles = 1

        def put_if_absent(self, key: str, body: bytes) -> str:
            if b'"kind":"order"' in body and self.stumbles:
                self.stumbles -= 1
                raise Busy503("SlowDown: reduce your request rate", where=key)
            return super().put_if_absent(key, body)

    verbs.deploy(confirm=yes, detach=True)
    objects = Stumbling()
    for key in verbs.shop.objects.list(""):
        stored = verbs.shop.objects.get(key)
        assert stored is not None
        objects.tamper(key, stored.body)
    verbs.shop.objects = objects
    tell(verbs.world(), "promote", why="I know")
    assert objects.stumbles == 0
    entries = LedgerStore(objects, clock=verbs.shop.clock, actor="", run="").entries()
    assert [entry.data["why"] for entry in entries if entry.kind == "order"] == ["I know"]


def test_who_turns_a_release_down_before_it_had_traffic_refuses_it(verbs: Verbs) -> None:
    steps = (
        PlannedStep(kind="approve", people=1),
        PlannedStep(kind="weight", percent=50),
        PlannedStep(kind="bake", seconds=120.0),
    )
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="custom", steps=steps))

    def no() -> None:
        store = RolloutStore(verbs.shop.objects)
        rollout = store.under_way()
        if rollout is not None and not store.orders(rollout):
            store.order(rollout, "abort", by=BOB, why="not on a Friday", at=0.0)

    clock = verbs.shop.clock
    assert isinstance(clock, Busy)
    assert clock.traffic is not None
    clock.traffic.meanwhile = no
    with pytest.raises(Refused, match=r"got no traffic: aborted by .*bob: not on a Friday; all of it stays on"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1
    assert verbs.shop.observe().pointer.candidate is None, "neither switch nor Terraform can move traffic to it"


@pytest.mark.parametrize("verb", [abort, rollback])
def test_who_ends_a_rollout_without_a_driver_is_named_as_the_reason_and_it_counts(
    verbs: Verbs, verb: Callable[..., object]
) -> None:
    verbs.deploy(confirm=yes, detach=True)
    store = RolloutStore(verbs.shop.objects)
    rollout = store.under_way()
    assert rollout is not None
    for _ in range(2):
        verbs.shop.clock.sleep(60.0)
        tick(in_the_account(verbs), rollout.id)
    verb(verbs.world(), why="customers call")
    ended = store.read()
    assert ended is not None
    assert ended.outcome == "reverted"
    assert ended.reverting is not None
    assert ended.reverting.startswith(f"aborted by {ALICE}: ")
    assert ended.reverting.endswith("customers call")
    assert verbs.shop.events.of(Recovered)[-1].what.startswith(ended.reverting)
    told = audit(verbs.world())
    assert told.figures.failed_share == 0.5
    assert told.runs[-1].back is not None


def test_an_abort_that_comes_too_early_to_take_the_lease_is_obeyed_all_the_same(verbs: Verbs) -> None:
    """The driver is gone, and a call that it had sent may still land for some minutes."""
    _, rollout = driven(verbs, lambda _: None)
    verbs.shop.clock.sleep(TTL + 1)
    with pytest.raises(Locked) as told:
        abort(replace(verbs.world(), host="a laptop"), why="it is bad")
    assert told.value.hint.startswith("abort is written down, and obeyed by whoever goes on with the rollout")
    verbs.shop.clock.sleep(CALL_TIMEOUT + MARGIN)
    tick(in_the_account(verbs), rollout.id)
    now = RolloutStore(verbs.shop.objects).read()
    assert now is not None
    assert now.outcome == "reverted"
    assert verbs.live_code()["users"] == 1


@pytest.mark.parametrize("verb", ["abort", "rollback", "promote"])
def test_who_is_patient_waits_for_what_a_driver_that_is_gone_may_still_have_under_way(verbs: Verbs, verb: str) -> None:
    """Of those two and a half minutes the controller, which would do it, is not there for one."""
    driven(verbs, lambda _: None)
    verbs.shop.clock.sleep(TTL + 1)
    world = replace(verbs.world(), host="a laptop")
    if verb == "promote":
        tell(world, "promote", lock_timeout=CALL_TIMEOUT + 2 * MARGIN)
    else:
        assert BACK[verb](world, why="it is bad", lock_timeout=CALL_TIMEOUT + 2 * MARGIN).changed
    assert verbs.live_code()["users"] == (2 if verb == "promote" else 1)
    ended = RolloutStore(verbs.shop.objects).read()
    assert ended is not None
    assert ended.outcome == ("promoted" if verb == "promote" else "reverted")
    waited = [note.text for note in verbs.shop.events.of(Note) if note.text.startswith("waits: ")]
    assert len(waited) == 1
    assert "it was not renewed for" in waited[0]


@pytest.mark.parametrize("verb", ["abort", "rollback", "promote"])
def test_an_order_that_the_controller_obeys_while_its_giver_waits_is_carried_out_once(verbs: Verbs, verb: str) -> None:
    _, rollout = driven(verbs, lambda _: None)
    verbs.shop.clock.sleep(TTL + 1)
    free = CALL_TIMEOUT + MARGIN - 1

    def controller(seconds: float) -> None:
        if seconds >= free and RolloutStore(verbs.shop.objects).under_way() is not None:
            tick(in_the_account(verbs), rollout.id)

    world = replace(verbs.world(), host="a laptop", clock=Elsewhere(verbs.shop.clock, controller))
    if verb == "promote":
        assert tell(world, "promote", lock_timeout=600).outcome == "promoted"
    else:
        assert BACK[verb](world, lock_timeout=600).changed
    assert verbs.live_code()["users"] == (2 if verb == "promote" else 1)
    assert len(read_history(verbs.shop.objects).promotions) == (2 if verb == "promote" else 1)


@pytest.mark.parametrize("driver", ["a command", "the controller"])
@pytest.mark.parametrize("form", [{"to": "0"}, {"services": ("users",)}])
def test_a_named_rollback_beside_a_rollout_is_refused_at_once_and_told_how_to_end_that(
    verbs: Verbs, driver: str, form: dict[str, Any]
) -> None:
    """It would otherwise wait for a walk of an hour, or for the person who approves its next step."""
    world, rollout = driven(verbs, lambda _: None)
    if driver == "the controller":
        leases = leases_of(verbs.world())
        stored = leases.read()
        assert stored is not None
        leases.free(stored)
    began = verbs.shop.clock.monotonic()
    with pytest.raises(Locked, match=f"release {rollout.release} is on its way") as told:
        rollback(world, lock_timeout=600, **form)
    assert verbs.shop.clock.monotonic() == began
    assert "penstock abort -e dev" in told.value.hint
    assert verbs.shop.objects.get(RECALL) is None, "nobody is asked to take back what goes on"


def test_a_named_rollback_ends_a_rollout_whose_driver_is_gone(verbs: Verbs) -> None:
    first = verbs.shop.observe().pointer.live_release
    verbs.workspace = with_rollout(verbs, RolloutPolicy())
    verbs.deploy()
    verbs.code["users"] = 3
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="canary", weights=(50,), bake=120.0))
    verbs.deploy(confirm=yes, detach=True)
    rollout = RolloutStore(verbs.shop.objects).under_way()
    assert rollout is not None
    write_rollout(verbs, replace(rollout, detached=False))
    assert rollback(verbs.world(), to=first, lock_timeout=600).release == first
    assert RolloutStore(verbs.shop.objects).under_way() is None
    assert verbs.live_code()["users"] == 1


def test_a_rollback_that_finds_the_candidate_promoted_does_not_advise_to_roll_back(verbs: Verbs) -> None:
    world, rollout = driven(verbs, lambda _: None)
    stored = leases_of(verbs.world()).read()
    assert stored is not None

    def ends(_seconds: float) -> None:
        if RolloutStore(verbs.shop.objects).under_way() is not None:
            leases_of(verbs.world()).free(stored)
            for order in verbs.shop.objects.list(ORDERS):  # it promotes before it looks for orders
                verbs.shop.objects.delete(order)
            tell(verbs.world(), "promote")

    before = verbs.shop.observe().pointer.live_release
    world = replace(world, clock=Elsewhere(verbs.shop.clock, ends))
    done = rollback(world, lock_timeout=600)
    assert (done.release, done.previous) == (before, rollout.release)
    assert not any("penstock rollback" in event.reason for event in verbs.shop.events.of(NothingToDo))
