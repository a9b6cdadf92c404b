from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from penstock.model.errors import Busy, Conflict, LeaseLost, Locked
from penstock.model.ledger import machine
from penstock.operations.session import heartbeat
from penstock.operations.store import LOOK, HeldLease, LeaseStore
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL, Asking, Held, Take, decide, released
from penstock.testing import FakeClock, FakeObjectStore

if TYPE_CHECKING:
    from penstock.ports import StoredObject

NOW = 1_700_000_000.0
ALICE = Asking(holder="alice", host="laptop", pid=7, run="a", purpose="deploy release 1", now=NOW)
BOB = replace(ALICE, holder="bob", host="desk", pid=8, run="b", purpose="rollback")


def taken(asking: Asking) -> Take:
    decision = decide(None, asking)
    assert isinstance(decision, Take)
    return decision


def test_a_free_lease_is_taken() -> None:
    lease = taken(ALICE).lease
    assert (lease.holder, lease.fence, lease.expires) == ("alice", 1, NOW + TTL)


def test_a_held_lease_says_who_holds_it_since_when_and_for_what() -> None:
    decision = decide(taken(ALICE).lease, replace(BOB, now=NOW + 30))
    assert isinstance(decision, Held)
    for part in ("alice", "laptop", "process 7", "2023-11-14 22:13:20 UTC", "30 s ago", "deploy release 1"):
        assert part in decision.why
    assert "penstock unlock" in decision.hint


def test_an_expired_lease_is_taken_only_when_calls_under_way_have_ended() -> None:
    lease = taken(ALICE).lease
    free_at = lease.expires + CALL_TIMEOUT + MARGIN
    early = decide(lease, replace(BOB, now=free_at - 1))
    assert isinstance(early, Held)
    assert early.wait == pytest.approx(1)
    assert "may be dead" in early.why
    late = decide(lease, replace(BOB, now=free_at))
    assert isinstance(late, Take)
    assert (late.lease.fence, late.over) == (2, lease)


def test_the_lease_of_a_process_that_is_known_to_be_dead_is_taken_at_once() -> None:
    decision = decide(taken(ALICE).lease, BOB, holder_dead=True)
    assert isinstance(decision, Take)
    assert decision.lease.fence == 2


def test_a_lease_that_was_given_back_keeps_its_fence() -> None:
    decision = decide(released(taken(ALICE).lease), BOB)
    assert isinstance(decision, Take)
    assert (decision.lease.fence, decision.over) == (2, None)


def test_a_lease_from_the_future_is_told_as_a_wrong_clock() -> None:
    decision = decide(taken(replace(ALICE, now=NOW + 3600)).lease, BOB)
    assert isinstance(decision, Held)
    assert "the clock of laptop or of this machine is wrong" in decision.why


@pytest.mark.parametrize("ahead", [225.0, -3600.0])
def test_a_lease_is_as_old_as_the_store_says_whatever_the_clocks_of_the_machines(ahead: float) -> None:
    lease, bob = taken(ALICE).lease, replace(BOB, now=NOW + ahead)
    early = decide(lease, bob, age=10.0)
    assert isinstance(early, Held)
    assert early.wait == TTL + CALL_TIMEOUT + MARGIN - 10.0
    assert isinstance(decide(lease, bob, age=TTL + CALL_TIMEOUT + MARGIN), Take)


class Machine:
    """Two people at one bucket."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.objects = FakeObjectStore()
        self.alive = {7, 8}

    def store(self, host: str) -> LeaseStore:
        return LeaseStore(self.objects, clock=self.clock, host=host, process_alive=lambda pid: pid in self.alive)

    def alice(self) -> HeldLease:
        return self.store("laptop").acquire(holder="alice", pid=7, run="a", purpose="deploy")

    def bob(self, host: str = "desk", patience: float = 0.0) -> HeldLease:
        return self.store(host).acquire(holder="bob", pid=8, run="b", purpose="rollback", patience=patience)


def test_of_two_one_is_locked_out_with_exit_code_4() -> None:
    machine = Machine()
    machine.alice()
    with pytest.raises(Locked, match="alice on laptop") as caught:
        machine.bob()
    assert caught.value.exit_code == 4


def test_after_it_is_given_back_the_next_may_go() -> None:
    machine = Machine()
    machine.alice().give_back()
    assert machine.bob().lease.fence == 2


def test_keeping_renews_when_half_of_the_time_is_gone() -> None:
    machine = Machine()
    held = machine.alice()
    held.keep()
    assert held.lease.expires == NOW + TTL
    machine.clock.advance(TTL / 2 + 1)
    held.keep()
    assert held.lease.expires == NOW + TTL / 2 + 1 + TTL


def test_what_was_given_back_is_not_kept_again() -> None:
    machine = Machine()
    held = machine.alice()
    held.give_back()
    machine.clock.advance(TTL)
    held.keep()
    assert machine.bob().lease.fence == 2


def test_a_renewal_under_way_in_another_thread_does_not_leave_the_lease_held() -> None:
    class Slow(FakeObjectStore):
        """Says when the first conditional write over another has arrived, and answers it when told to."""

        def __init__(self) -> None:
            super().__init__()
            self.arrived, self.go = threading.Event(), threading.Event()

        def put_if_match(self, key: str, body: bytes, etag: str) -> str:
            self.arrived.set()
            assert self.go.wait(10)
            return super().put_if_match(key, body, etag)

    machine = Machine()
    machine.objects = slow = Slow()
    held = machine.alice()
    machine.clock.advance(TTL / 2 + 1)
    renewing = threading.Thread(target=held.keep)
    renewing.start()
    assert slow.arrived.wait(10)
    ending = threading.Thread(target=held.give_back)
    ending.start()
    slow.go.set()
    renewing.join()
    ending.join()
    stored = machine.store("desk").read()
    assert stored is not None
    assert not stored.is_held


def test_a_dead_process_of_this_machine_is_succeeded_at_once() -> None:
    machine = Machine()
    machine.alice()
    machine.alive.remove(7)
    held = machine.bob(host="laptop")
    assert held.over is not None
    assert held.over.holder == "alice"


def test_a_machine_of_the_same_name_does_not_take_a_holder_for_dead_whose_process_it_cannot_see() -> None:
    machines = Machine()
    runner, clone = machine("runner", "one boot"), machine("runner", "another boot")
    held = machines.store(runner).acquire(holder="alice", pid=7, run="a", purpose="deploy")
    machines.alive.clear()
    assert machines.store(runner).is_dead(held.lease)
    assert not machines.store(clone).is_dead(held.lease)
    with pytest.raises(Locked, match=r"alice on runner \(process 7\)"):
        machines.bob(host=clone)


class Stumbling(FakeObjectStore):
    """A bucket whose next answers are lost, before or behind the write."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[str] = []

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        how = self.lost.pop(0) if self.lost else "well"
        if how == "before":
            raise Busy("503 Slow Down", where=key)
        found = super().put_if_match(key, body, etag)
        if how == "behind":
            raise Busy("Read timeout", where=key)
        return found


class Beats(threading.Event):
    """So many heartbeats, one after the other, with nothing but time in between."""

    def __init__(self, clock: FakeClock, count: int) -> None:
        super().__init__()
        self.clock, self.left = clock, count

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.advance(timeout or 0.0)
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("how", ["before", "behind"])
def test_a_bucket_that_stumbles_once_costs_a_working_command_nothing(how: str) -> None:
    machine = Machine()
    machine.objects = bucket = Stumbling()
    alice = machine.alice()
    bucket.lost = [how]
    heartbeat(alice, Beats(machine.clock, 40))
    with pytest.raises(Locked):
        machine.bob()
    alice.check()


def test_an_answer_that_was_lost_does_not_leave_the_lease_behind() -> None:
    machine = Machine()
    machine.objects = bucket = Stumbling()
    alice = machine.alice()
    machine.clock.advance(TTL / 2 + 1)
    bucket.lost = ["behind"]
    with pytest.raises(Busy):
        alice.keep()
    alice.give_back()
    assert machine.bob().over is None


def test_the_heart_stops_when_somebody_else_has_the_lease() -> None:
    machine = Machine()
    alice = machine.alice()
    machine.clock.advance(TTL + CALL_TIMEOUT + MARGIN)
    machine.bob()
    beats = Beats(machine.clock, 40)
    heartbeat(alice, beats)
    assert beats.left == 39


def test_a_patient_successor_waits_for_expiry_calls_and_margin() -> None:
    machine = Machine()
    machine.alice()
    held = machine.bob(patience=TTL + CALL_TIMEOUT + MARGIN + 1)
    assert machine.clock.now() >= NOW + TTL + CALL_TIMEOUT + MARGIN
    assert held.lease.fence == 2


def test_a_driver_that_stood_still_past_its_lease_is_locked_out_when_it_wakes() -> None:
    machine = Machine()
    alice = machine.alice()
    machine.clock.advance(TTL + CALL_TIMEOUT + MARGIN)
    machine.bob()
    with pytest.raises(Locked, match="lost while this command stood still; bob on desk"):
        alice.keep()
    alice.give_back()
    stored = machine.store("desk").read()
    assert stored is not None
    assert stored.lease.holder == "bob"
    assert stored.is_held


def test_a_driver_that_nobody_succeeded_goes_on_after_standing_still() -> None:
    machine = Machine()
    alice = machine.alice()
    machine.clock.advance(10 * TTL)
    alice.keep()
    with pytest.raises(Locked):
        machine.bob()


def test_freeing_a_lease_that_changed_hands_meanwhile_is_a_conflict() -> None:
    machine = Machine()
    alice = machine.alice()
    seen = machine.store("desk").read()
    assert seen is not None
    machine.clock.advance(TTL / 2 + 1)
    alice.keep()
    with pytest.raises(Conflict):
        machine.store("desk").free(seen)


def freed_by_force(machine: Machine) -> None:
    stored = machine.store("desk").read()
    assert stored is not None
    machine.store("desk").free(stored)


def test_who_is_robbed_stops_at_the_next_look_though_nobody_has_taken_the_lease_yet() -> None:
    machine = Machine()
    alice = machine.alice()
    freed_by_force(machine)
    with pytest.raises(LeaseLost, match="nobody holds it"):
        alice.check()


def test_who_is_robbed_in_the_middle_of_many_calls_stops_within_seconds() -> None:
    machine = Machine()
    alice = machine.alice()
    freed_by_force(machine)
    machine.bob()
    alice.keep()  # each of many calls is not preceded by a look
    machine.clock.advance(LOOK)
    with pytest.raises(LeaseLost, match="bob on desk"):
        alice.keep()


def test_a_bucket_that_does_not_answer_a_look_stops_nobody_whose_time_is_not_over() -> None:
    class Deaf(FakeObjectStore):
        is_deaf = False

        def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
            if self.is_deaf:
                raise Busy("503 Slow Down", where=key)
            return super().get(key, at_most=at_most)

    machine = Machine()
    machine.objects = bucket = Deaf()
    alice = machine.alice()
    machine.clock.advance(LOOK)
    bucket.is_deaf = True
    alice.keep()
    with pytest.raises(Busy):
        alice.check()
    bucket.is_deaf = False
    freed_by_force(machine)
    with pytest.raises(LeaseLost):
        alice.keep()


def test_who_has_a_clock_that_is_ahead_takes_no_lease_of_a_command_that_lives() -> None:
    machine = Machine()
    machine.objects = FakeObjectStore(now=machine.clock.now)
    alice = machine.alice()
    ahead = LeaseStore(machine.objects, clock=FakeClock(NOW + 4 * TTL), host="desk", process_alive=lambda _pid: True)
    with pytest.raises(Locked, match="alice on laptop"):
        ahead.acquire(holder="bob", pid=8, run="b", purpose="rollback")
    stored = ahead.read()
    assert stored is not None
    assert stored.is_kept(NOW + 4 * TTL)
    alice.check()
    machine.clock.advance(TTL + CALL_TIMEOUT + MARGIN)
    assert ahead.acquire(holder="bob", pid=8, run="b", purpose="rollback").lease.fence == 2
