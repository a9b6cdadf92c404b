"""With 1,000 functions: a visit of the controller ends before Lambda ends it, and HTTP callers come back at once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from samples import one_in
from unit.operations.many import Many

from penstock.model.errors import Conflict, Refused, RemoteFault
from penstock.operations.abort import abort
from penstock.operations.history import read_history
from penstock.operations.late import note_late
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.pace import AT_ONCE
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback
from penstock.operations.tick import OUT_OF_TIME, tick
from penstock.ports import AlarmState
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.operations.world import World
    from penstock.ports import AlarmValue

MANY = 1000
LONGEST = 200.0
"""Seconds of a visit at Lambda's rate, of the 300 that its function has."""
SOON = 2.0
LONG = TTL + CALL_TIMEOUT + MARGIN + 1


class Dying(Faults):
    """The process dies before its first call of that method behind the pointer's write."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self._method, self._decided, self._died = method, False, False

    def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
        self._decided = self._decided or (name == "Parameters" and method == "put")
        self._died = self._died or (self._decided and method == self._method)
        if self._died:
            raise Killed
        return super().around(name, method, act, args, kwargs)


class Visits:
    """The controller's, a minute apart; what they said, and how many seconds each one took."""

    def __init__(self, place: Many) -> None:
        self.place = place
        self.rollout = place.rollout()
        self.said: list[str] = []
        self.took: list[float] = []

    def visit(self, faults: Faults | None = None) -> str:
        clock = self.place.shop.clock
        clock.sleep(60.0)
        began = clock.monotonic()
        world = replace(self.place.world(faults), host="in the account")
        self.said.append(tick(world, self.rollout.id))
        self.took.append(clock.monotonic() - began)
        return self.said[-1]

    def order(self, verb: str) -> None:
        objects, now = self.place.shop.objects, self.place.shop.clock.now()
        RolloutStore(objects).order(self.rollout, verb, by="alice", why="", at=now)  # type: ignore[arg-type]


def at_ten_percent(place: Many) -> Visits:
    visits = Visits(place)
    assert visits.visit() == "at 10 %"
    return visits


def test_a_visit_that_shares_one_that_waits_and_one_that_promotes() -> None:
    place = Many(MANY)
    visits = at_ten_percent(place)
    assert visits.visit() == "at 10 %"
    visits.order("promote")
    assert visits.visit().endswith("is promoted")
    assert place.is_on("green")
    assert max(visits.took) < LONGEST


@pytest.mark.parametrize(("consumers", "last"), [(5, 60.0), (1, LONGEST)])
def test_visits_that_promote_new_code_of_all_of_them_end_in_time_and_go_on_where_the_one_before_stopped(
    consumers: int, last: float
) -> None:
    place = Many(MANY, changed=1, consumers=consumers)
    visits = at_ten_percent(place)
    visits.order("promote")
    for _ in range(4):
        if visits.visit().endswith("is promoted"):
            break
    assert visits.said[-1].endswith("is promoted")
    assert place.is_on("green")
    assert max(visits.took) < LONGEST
    assert visits.took[-1] < last
    assert RolloutStore(place.shop.objects).under_way() is None
    entries = tuple(LedgerStore(place.shop.objects, clock=place.shop.clock, actor="", run="").entries())
    moved = [entry for entry in entries if entry.kind == "traffic-moved"]
    assert [entry.data["why"] for entry in moved] == ["promotion"]
    assert not [entry for entry in entries if entry.kind in {"failed", "took-over"}]


class Consumers(Faults):
    """How many consumers were still with the release before when HTTP callers moved."""

    def __init__(self, place: Many) -> None:
        super().__init__()
        self.place, self.behind = place, list[int]()

    def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
        if method == "set_stage" and "green" in str(kwargs) + str(args):
            self.behind.append(sum(not self.place.is_behind(one, "green") for one in self.place.callers))
        return super().around(name, method, act, args, kwargs)


def test_consumers_go_first_also_where_a_promotion_takes_several_visits() -> None:
    place = Many(MANY, changed=1, consumers=1)
    visits = at_ten_percent(place)
    visits.order("promote")
    watched = Consumers(place)
    for _ in range(4):
        if visits.visit(watched).endswith("is promoted"):
            break
    assert OUT_OF_TIME in visits.said
    assert watched.behind == [0]


class RefusesThenDies(Faults):
    """AWS refuses a consumer of the promotion; the process dies while all of them are on their way back."""

    def __init__(self, place: Many) -> None:
        super().__init__()
        self.place, self.refused = place, False

    def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
        if method == "set_alias" and self.place.pointer().live == "green" and not self.refused:
            self.refused = True
            raise RemoteFault("not now", where=str(args[0]))
        if method == "set_alias" and self.refused and self.place.pointer().live == "blue":
            raise Killed
        return super().around(name, method, act, args, kwargs)


def test_a_way_back_that_died_behind_the_pointer_is_ended_by_the_next_visit_with_its_reason() -> None:
    place = Many(100, changed=1)
    visits = at_ten_percent(place)
    visits.order("promote")
    with pytest.raises(Killed):
        visits.visit(RefusesThenDies(place))
    place.shop.clock.sleep(LONG)
    visits.visit()
    assert place.is_on("blue")
    assert read_history(place.shop.objects).move is None
    rollout = RolloutStore(place.shop.objects).read()
    assert rollout is not None
    assert (rollout.outcome, rollout.reverting) == ("reverted", "AWS did not take the whole move")


class Conflicting(Faults):
    """Somebody else changes one function while `live` of it follows."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function, self.met = function, False

    def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
        if method == "set_alias" and args[0] == self.function and not self.met:
            self.met = True
            raise Conflict("The RevisionId provided does not match", where=self.function)
        return super().around(name, method, act, args, kwargs)


def test_somebody_who_changes_a_function_that_nobody_calls_takes_no_release_back() -> None:
    place = Many(100, changed=1)
    visits = at_ten_percent(place)
    visits.order("promote")
    conflict = Conflicting(max({f"shop-dev-{name}" for name in place.names} - place.callers))
    assert visits.visit(conflict).endswith("is promoted")
    assert conflict.met
    assert place.is_on("green")


def test_http_callers_follow_as_soon_as_consumers_understand_them_and_come_back_at_once() -> None:
    place, consumers = Many(MANY, changed=1), list[bool]()
    visits = at_ten_percent(place)
    visits.order("promote")

    class Watched(Faults):
        def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
            if method == "set_stage":
                consumers.append(all(place.is_behind(one, "green") for one in place.callers))
            return super().around(name, method, act, args, kwargs)

    assert visits.visit(Watched()) == OUT_OF_TIME
    assert consumers[0]
    stage = place.shop.gateway.stage(place.shop.api, "live")
    assert stage is not None
    assert (stage.variables["slot"], stage.canary) == ("green", None)
    assert not place.is_on("green")  # of those whom nobody calls by `live` some are left
    assert seconds_until_http_moves(place, lambda world: abort(world, why="customers call")) < SOON
    assert place.is_on("blue")
    assert place.pointer().live == "blue"


@pytest.mark.parametrize("changed", [10, 1])
def test_a_visit_that_takes_a_release_back(changed: int) -> None:
    place = Many(MANY, changed=changed)
    visits = at_ten_percent(place)
    visits.order("abort")
    assert "alice" in visits.visit()
    assert place.is_on("blue")
    assert visits.visit() == "it has ended"
    assert max(visits.took) < LONGEST


def test_visits_behind_a_rollout_and_one_that_an_alarm_has_take_it_back() -> None:
    place = Many(MANY)
    ring(place, "OK")
    place.promoted()
    visits = Visits(place)
    ended = replace(visits.rollout, alarms=("mine",), weight=100).ended("promoted", at=place.shop.clock.now())
    place.write(ended)
    assert "alarms are watched" in visits.visit()
    ring(place, "ALARM")
    assert "alarm mine rings" in visits.visit()
    assert place.is_on("blue")
    assert visits.visit() == "it has ended"
    assert max(visits.took) < LONGEST


def ring(place: Many, value: AlarmValue) -> None:
    place.shop.alarms.alarms["mine"] = AlarmState(name="mine", value=value, since=place.shop.clock.now())


def test_a_visit_after_a_late_call_looks_at_all_of_them() -> None:
    place = Many(MANY)
    visits = Visits(place)
    place.write(visits.rollout.ended("reverted", at=place.shop.clock.now()))
    late, new = place.names[0], place.at(place.names[0], "green")
    place.shop.functions.set_alias(f"shop-dev-{late}", "live", place.at(late, "blue"), weights={new: 0.1})
    note_late(place.world(), "deploy")
    assert visits.visit() == "it has ended"
    assert place.is_on("blue")
    assert max(visits.took) < LONGEST


def seconds_until_http_moves(place: Many, act: Callable[[World], object]) -> float:
    """From a command's begin to its first call that moves the stage."""
    moved: list[float] = []
    clock, began = place.shop.clock, place.shop.clock.monotonic()

    class Watched(Faults):
        def around(self, name: str, method: str, act: Any, args: Any, kwargs: Any) -> Any:
            if method == "set_stage":
                moved.append(clock.monotonic() - began)
            return super().around(name, method, act, args, kwargs)

    act(place.world(Watched()))
    return moved[0]


def test_a_rollback_moves_http_callers_at_once() -> None:
    place = Many(MANY)
    place.promoted()
    assert seconds_until_http_moves(place, lambda world: rollback(world, why="customers call")) < SOON
    assert place.is_on("blue")


@pytest.mark.parametrize("verb", [abort, rollback])
def test_who_ends_a_rollout_without_a_driver_moves_http_callers_at_once(verb: Callable[..., object]) -> None:
    place = Many(MANY)
    at_ten_percent(place)
    assert seconds_until_http_moves(place, lambda world: verb(world, why="customers call")) < SOON
    assert place.is_on("blue")


@pytest.mark.parametrize("at", ["set_stage", "set_alias"])
def test_a_visit_after_a_promotion_that_was_cut_short(at: str) -> None:
    place = Many(MANY)
    visits = at_ten_percent(place)
    visits.order("promote")
    with suppress(Killed):
        visits.visit(Dying(at))
    assert place.pointer().live == "green"
    assert not place.is_on("green")
    place.shop.clock.sleep(LONG)
    visits.took.clear()
    assert visits.visit().endswith("is promoted")
    assert place.is_on("green")
    assert max(visits.took) < LONGEST


FEW = AT_ONCE + 5
"""So many are not read back before traffic moves."""


def rolled_back(place: Many, faults: Faults | None = None) -> None:
    rollback(place.world(faults), why="customers call")


def aborted(place: Many, faults: Faults | None = None) -> None:
    abort(place.world(faults), why="customers call")


def visited(place: Many, faults: Faults | None = None) -> None:
    rollout = RolloutStore(place.shop.objects).read()
    assert rollout is not None
    tick(replace(place.world(faults), host="in the account"), rollout.id)


def promoting(place: Many) -> None:
    at_ten_percent(place).order("promote")


@pytest.mark.parametrize(
    ("before", "act", "ends_on"),
    [
        (Many.promoted, rolled_back, "blue"),
        (at_ten_percent, aborted, "blue"),
        (promoting, visited, "green"),
    ],
    ids=["rollback", "abort", "promotion by a visit"],
)
def test_whatever_a_move_of_many_died_of_the_same_again_ends_it(
    before: Callable[[Many], object], act: Callable[..., None], ends_on: str
) -> None:
    place, recorded = Many(FEW), Faults()
    before(place)
    act(place, recorded)
    assert place.is_on(ends_on)
    for point in one_in(6, recorded.points()):
        place = Many(FEW)
        before(place)
        with suppress(Killed):
            act(place, Faults(point))
        place.shop.clock.sleep(LONG)
        with suppress(Refused):  # it had ended, and there is nothing further back
            act(place)
        assert place.is_on(ends_on), point
        assert place.pointer().live == ends_on, point
        assert RolloutStore(place.shop.objects).under_way() is None, point
