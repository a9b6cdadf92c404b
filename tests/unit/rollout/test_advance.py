"""`advance` explored: whatever is seen, in whatever order, the promises of its docstring hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock.model.gates import MetricGate, MetricTerm, Webhook, When
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.release.share import UNEVEN
from penstock.rollout.advance import Judged, advance, deadline, decide, judged, judgement_of, step_of, to_ask
from penstock.rollout.gates import Points, gates_of
from penstock.rollout.judge import JudgePolicy, Verdict
from penstock.rollout.minutes import first_clean_minute, is_due, old_enough, to_judge
from penstock.rollout.state import (
    Action,
    Ask,
    Check,
    Finished,
    Observation,
    Order,
    Promote,
    Revert,
    Rollout,
    Rules,
    Shift,
    Verb,
    Wait,
)
from penstock.rollout.strata import Sample, Stratum
from penstock.rollout.strategies import STRATEGIES, Consult, SetWeight
from penstock.rollout.webhooks import Reply, asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEGAN = 1_700_000_040.0
LOAD = MetricGate(
    name="load", terms={"series": MetricTerm(namespace="Shop", metric="Load", statistic="Average")}, max=10.0
)


def a_rollout(steps: RolloutPolicy | None = None, **rules: object) -> Rollout:
    """A canary of users that is verified and has no traffic yet."""
    policy = steps or RolloutPolicy(strategy="canary", weights=(10, 50), bake=120.0)
    walk = STRATEGIES[policy.strategy](policy)
    return Rollout(
        id="r-1",
        environment="dev",
        release="candidate",
        stable="stable",
        steps=asking(walk, policy.webhooks),
        gates=gates_of(policy.metrics, candidate="green", stable="blue"),
        rules=replace(Rules(), **rules),  # type: ignore[arg-type]
        policy=JudgePolicy(),
        changed=("users",),
        began=BEGAN,
        entered=BEGAN,
        moved=BEGAN,
    )


def traffic(minutes: range, *, calls: int, bad: int, weight: int) -> tuple[Stratum, ...]:
    """So many calls a minute of users at that weight; so many of the canary's are bad."""
    canary = calls * max(weight, 0) // 100
    return tuple(
        Stratum(
            minute=minute,
            service="users",
            signal="errors",
            stable=Sample(calls=calls - canary),
            canary=Sample(calls=canary, bad=min(bad, canary)),
        )
        for minute in minutes
    )


def spelled_out(weight: int, between: list[str]) -> list[PlannedStep]:
    """A weight, its bake, and what is to happen before the next one."""
    return [
        PlannedStep(kind="weight", percent=weight),
        PlannedStep(kind="bake", seconds=60.0),
        *(PlannedStep(kind=kind, people=1, deadline=600.0) for kind in between),  # type: ignore[arg-type]
    ]


class World:
    """What AWS would say, without AWS: a weight, a clock, and traffic of a known kind."""

    def __init__(self, rollout: Rollout, *, calls: int, bad: int) -> None:
        self.rollout, self.calls, self.bad = rollout, calls, bad
        self.now, self.weight = BEGAN, 0
        self.wrong = ""
        self.judged: Judged | None = None
        self.unlogged = False
        """Whether the access log tells nothing."""
        self.checked: tuple[int, str] | None = None
        self.walk: list[Action] = []
        self.number: float | None = 1.0
        """What a point of every gate says; None for no data."""
        self.refused = ""
        """Why CloudWatch does not answer about gates."""
        self.says = Verdict.PASS
        """What webhooks reply."""
        self.replies: tuple[Reply, ...] = ()

    def turn(
        self, *orders: Order, alarms: tuple[str, ...] | None = (), opened: tuple[str, ...] = (), blind: bool = False
    ) -> Action:
        minutes = to_judge(self.rollout, self.now)
        strata = traffic(minutes, calls=self.calls, bad=self.bad, weight=self.weight)
        if self.unlogged:
            unseen = (replace(one, signal="5xx", canary=Sample(), unseen=one.canary.calls) for one in strata)
            strata = (*strata, *unseen)
        seen = Observation(
            now=self.now,
            weight=None if blind else self.weight,
            strata=strata,
            until=max(self.rollout.judged, old_enough(self.rollout, self.now) if minutes else 0.0),
            alarms=alarms,
            open_alarms=opened,
            orders=orders,
            checked=self.checked,
            points=tuple(self.points()),
            replies=self.replies,
        )
        again = advance(self.rollout, seen)
        assert decide(self.rollout, seen, self.judged)[:2] == again, "what was judged before spares only time"
        self.rollout, action = advance(Rollout.from_json(json.loads(json.dumps(self.rollout.to_json()))), seen)
        assert (self.rollout, action) == again, "the same observation always gives the same walk, also through JSON"
        self.judged = judged(self.rollout, self.judged)
        self.walk.append(action)
        match action:
            case Wait(seconds=seconds):
                self.now += max(seconds, 0.1)
            case Check():
                self.checked = (self.rollout.at, self.wrong)
            case Ask(webhook=webhook):
                said = f"{webhook}: {self.says.name}"
                self.replies = (
                    Reply(step=self.rollout.at, webhook=webhook, verdict=self.says, sentence=said, at=self.now),
                )
            case Shift(percent=percent):
                self.weight = percent
            case Promote():
                self.weight = 100
            case Revert():
                self.weight = 0
        return action

    def points(self) -> Iterator[Points]:
        for gate in self.rollout.gates:
            if due := to_ask(self.rollout, gate, self.now):
                values = {} if self.number is None else dict.fromkeys(due, self.number)
                name = gate.metric.name
                yield Points(name=name, fault=self.refused, until=float(due.stop), values=values)

    def to_the_end(self) -> Rollout:
        for _ in range(10_000):
            if isinstance(self.turn(), Finished):
                return self.rollout
        raise AssertionError("it never ends")


def test_enough_healthy_traffic_is_promoted() -> None:
    world = World(a_rollout(), calls=2000, bad=0)
    assert world.to_the_end().outcome == "promoted"
    assert [step for step in world.walk if not isinstance(step, Wait)] == [Shift(10), Shift(50), Promote(), Finished()]


def test_a_canary_that_fails_goes_back_and_says_how_badly() -> None:
    world = World(a_rollout(), calls=600, bad=6)
    rollout = world.to_the_end()
    assert rollout.outcome == "reverted"
    assert not rollout.inconclusive
    assert "users" in str(rollout.reverting)


def test_without_traffic_the_deadline_ends_it() -> None:
    world = World(a_rollout(deadline=900.0), calls=0, bad=0)
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", True)
    assert world.now - BEGAN < 910


def test_who_is_asked_and_says_nothing_is_not_waited_for_for_ever() -> None:
    world = World(a_rollout(deadline=1200.0, on_inconclusive="ask"), calls=20, bad=0)
    rollout = world.to_the_end()
    assert rollout.outcome == "reverted"
    assert "a person is to decide" in str(rollout.reverting)


def test_who_is_asked_is_told_what_to_type_and_until_when() -> None:
    world = World(a_rollout(deadline=1200.0, on_inconclusive="ask"), calls=20, bad=0)
    while not world.rollout.held:
        world.turn()
    assert str(world.rollout.held).startswith(
        "a person is to decide until 2023-11-14 22:34 UTC, or it goes back: "
        "penstock promote -e dev, or penstock abort -e dev; users: "
    )


def test_who_was_asked_is_not_needed_any_more_when_the_evidence_comes() -> None:
    world = World(a_rollout(on_inconclusive="ask"), calls=20, bad=0)
    while not world.rollout.held:
        world.turn()
    world.calls = 2000
    assert world.to_the_end().outcome == "promoted"


def test_a_pause_that_a_person_ordered_is_not_ended_by_evidence() -> None:
    world = World(a_rollout(deadline=1200.0), calls=2000, bad=0)
    while world.weight == 0:
        world.turn()
    world.turn(Order(id="1", verb="pause", by="alice"))
    assert world.to_the_end().outcome == "reverted"


def test_more_weight_does_not_mend_a_measurement() -> None:
    world = World(a_rollout(deadline=1200.0, on_inconclusive="raise"), calls=2000, bad=0)
    world.unlogged = True
    assert world.to_the_end().outcome == "reverted"
    assert Shift(50) not in world.walk


def test_nothing_goes_on_while_alarms_cannot_be_read_and_the_deadline_says_so() -> None:
    world = World(a_rollout(deadline=1200.0), calls=2000, bad=0)
    while world.rollout.outcome is None:
        world.turn(alarms=None)
    assert Shift(10) not in world.walk
    assert "its alarms cannot be read" in str(world.rollout.reverting)


# ------------------------------------------------------------------------------------------ whose minutes, and when


def due(rollout: Rollout, service: str, now: float) -> list[int]:
    return [minute for minute in to_judge(rollout, now) if is_due(rollout, service, minute, old_enough(rollout, now))]


def at_ten_percent(**timeouts: float) -> World:
    world = World(a_rollout(slowest=10.0, timeouts={"users": 10.0, **timeouts}), calls=600, bad=0)
    while world.rollout.at != 2:
        world.turn()
    return world


@pytest.mark.parametrize(("timeout", "later"), [(3.0, 0), (10.0, 0), (11.0, 1), (70.0, 1), (900.0, 15)])
def test_a_minute_of_each_service_is_judged_when_its_own_calls_must_have_ended(timeout: float, later: int) -> None:
    world = at_ten_percent(worker=timeout)
    rollout, clean = world.rollout, int(first_clean_minute(world.rollout))
    first, users = (
        next(now for now in range(clean, clean + 7200) if due(rollout, service, now)) for service in ("worker", "users")
    )
    assert due(rollout, "worker", first) == [clean]
    complete = clean + 60 + timeout + rollout.rules.delay
    assert complete <= first <= complete + 60, "never while errors may still come in, and no more than a tick later"
    assert first == users + 60 * later


@pytest.mark.parametrize("into", [0.0, 1.0, 29.0, 59.0])
def test_the_first_whole_minute_of_a_canary_is_cold_and_that_of_a_higher_weight_is_not(into: float) -> None:
    rollout, whole = a_rollout(propagation=10.0), 1_700_000_100
    shifted = replace(rollout, at=2, weight=10, moved=whole + into)
    settled = whole + 60 if into <= 50.0 else whole + 120
    assert first_clean_minute(shifted) == settled + 60
    assert first_clean_minute(replace(shifted, at=4, weight=50)) == settled


def test_calls_of_the_cold_minute_bring_nobody_back() -> None:
    world, moved = World(a_rollout(deadline=86_400.0), calls=6000, bad=0), 0.0

    def turn(cold: range) -> None:
        """As `World.turn`, with every call of the canary in these minutes bad."""
        due = to_judge(world.rollout, world.now)
        world.bad = 600 if set(due) & set(cold) else 0
        world.turn()

    while world.weight != 10:
        world.turn()
        moved = world.now
    first = (int(moved) // 60 + 1) * 60
    while world.rollout.outcome is None:
        turn(range(int(moved) // 60 * 60, first + 60, 60))
    assert world.rollout.outcome == "promoted"


def test_a_look_without_news_is_not_judged_anew_and_one_with_news_is() -> None:
    long = RolloutPolicy(strategy="canary", weights=(10, 50), bake=1200.0)
    world = World(a_rollout(long, deadline=86_400.0), calls=600, bad=0)
    while not world.rollout.evidence.canary_calls("users"):
        world.turn()
    known = judged(world.rollout)
    quiet = Observation(now=world.now, weight=world.weight, until=world.rollout.judged)
    waits, _, still = decide(world.rollout, quiet, known)
    assert still is known
    assert judged(waits, known) is known
    for other in (
        replace(waits, policy=replace(waits.policy, margin=0.05)),
        replace(waits, changed=()),
        replace(waits, gates=gates_of((LOAD,), candidate="green", stable="blue")),
        replace(waits, replies=(Reply(step=waits.at, webhook="qa", verdict=Verdict.FAIL, sentence="no", at=0.0),)),
    ):
        assert judged(other, known) is not known
        assert judged(other, known) == judged(other)
    before = world.rollout.judged
    while world.rollout.judged == before:
        world.turn()
    assert judged(world.rollout, known).judgement == judgement_of(world.rollout) != known.judgement


def test_a_fast_service_does_not_wait_for_a_slow_one_that_changed_too() -> None:
    world = World(a_rollout(slowest=900.0, timeouts={"users": 10.0, "worker": 900.0}), calls=600, bad=60)
    assert world.to_the_end().outcome == "reverted"
    assert world.now - BEGAN < 600, "users is found bad long before the worker's first minute is complete"


def test_every_clean_minute_of_every_service_is_judged_once_though_the_weight_has_moved_on() -> None:
    world = at_ten_percent(worker=900.0)
    world.calls = 10_000
    judged: dict[str, list[int]] = {"users": [], "worker": []}
    while world.now < BEGAN + 3000:
        for service, minutes in judged.items():
            minutes.extend(due(world.rollout, service, world.now))
        world.turn(alarms=None if world.rollout.at == 4 else ())  # it stays at 50 %
    (*_, (begin, end)) = world.rollout.clean
    assert {minute < end for minute in judged["users"]} == {True, False}, "of both weights"
    assert begin == judged["users"][0]
    assert len(set(judged["worker"])) == len(judged["worker"])
    last = judged["worker"][-1]
    assert last > end, "it has come to the second weight"
    assert {minute for minute in judged["users"] if minute <= last} <= set(judged["worker"])
    moved = range(int(end), int(first_clean_minute(world.rollout)), 60)
    assert not set(moved) & set(judged["worker"]), "and left the change of weight out"


def test_raising_the_weight_brings_the_evidence_that_was_missing() -> None:
    world = World(a_rollout(deadline=86_400.0, on_inconclusive="raise"), calls=60, bad=0)
    assert world.to_the_end().outcome == "promoted"
    assert Shift(50) in world.walk


def test_an_alarm_that_begins_to_ring_takes_traffic_back() -> None:
    world = World(a_rollout(), calls=600, bad=0)
    while world.weight == 0:
        world.turn()
    assert world.turn(alarms=("shop-dev-users-errors",)) == Revert("alarm shop-dev-users-errors rings")


def test_somebody_elses_weight_is_set_right_and_what_was_measured_under_it_does_not_count() -> None:
    world = World(a_rollout(), calls=600, bad=0)
    while world.weight != 10:
        world.turn()
    world.turn()
    world.weight = 0
    assert world.turn() == Shift(10)
    assert min(to_judge(world.rollout, world.now + 3600)) > world.now


def learned(world: World) -> int:
    """Calls of the canary that were judged."""
    return sum(one.canary.calls for one in world.rollout.evidence.series.values())


def baking() -> World:
    """A canary that has been at 10 % for a while."""
    world = World(a_rollout(), calls=0, bad=0)
    until(world, lambda: world.weight == 10)
    world.turn()
    return world


def moving() -> World:
    """A canary that was just told to go to 50 %."""
    world = World(a_rollout(), calls=2000, bad=0)
    until(world, lambda: world.weight == 50)
    return world


def until(world: World, what: Callable[[], object]) -> None:
    for _ in range(2000):
        if what():
            return
        world.turn()
    raise AssertionError("it never comes to that")


@pytest.mark.parametrize("weight", [0, 5, 90, UNEVEN])
def test_somebody_elses_weight_is_set_right_while_it_is_paused_as_well(weight: int) -> None:
    world = baking()
    assert isinstance(world.turn(Order(id="1", verb="pause", by="alice")), Wait)
    world.weight = weight
    assert world.turn() == Shift(10)
    assert isinstance(world.turn(), Wait)


@pytest.mark.parametrize("kind", ["pause", "approve"])
def test_somebody_elses_weight_is_set_right_while_people_are_waited_for(kind: str) -> None:
    steps = RolloutPolicy(strategy="custom", steps=tuple(spelled_out(20, [kind])))
    world = World(a_rollout(steps), calls=2000, bad=0)
    until(world, lambda: world.rollout.held)
    world.weight = 90
    assert world.turn() == Shift(20)


def test_before_the_first_weight_nobody_else_gives_it_one() -> None:
    world = World(a_rollout(RolloutPolicy(strategy="blue-green")), calls=600, bad=0)
    world.turn()
    world.weight = 50
    assert world.turn() == Shift(0)


def test_somebody_elses_weight_is_not_raised_while_alarms_cannot_be_read_but_lowered_it_is() -> None:
    world = baking()
    world.weight = 0
    assert isinstance(world.turn(alarms=None), Wait)
    world.weight = 90
    assert world.turn(alarms=None) == Shift(10)


def test_nothing_grows_and_nothing_goes_back_while_an_alarm_is_open_until_its_deadline() -> None:
    world = World(a_rollout(deadline=3600.0), calls=2000, bad=0)
    while world.weight == 0:
        world.turn()
    while world.rollout.outcome is None and not world.rollout.reverting:
        assert isinstance(world.turn(opened=("ours",)), Wait | Revert)
        assert world.weight in {0, 10}
    assert "alarm ours rings, and calls to the stable release" in str(world.rollout.reverting)
    world = baking()
    world.weight = 0
    assert isinstance(world.turn(opened=("ours",)), Wait)
    assert world.turn() == Shift(10)


def test_an_alarm_stays_open_behind_a_promotion_until_the_last_calls_tell_and_no_other_one_becomes_it() -> None:
    world = baking()
    promoted = Order(id="1", verb="promote", by="alice")
    assert world.turn(promoted, opened=("ours",)) == Promote()
    at_all = replace(world.rollout, outcome=None)
    seen = Observation(now=world.now, weight=100)
    assert advance(at_all, replace(seen, open_alarms=("ours", "other")))[0].open_alarms == ("ours",)
    assert advance(at_all, replace(seen, alarms=("ours",)))[0].open_alarms == ()
    assert advance(at_all, replace(seen, alarms=None))[0].open_alarms == ("ours",)


def test_no_weight_grows_after_somebody_said_pause_though_the_move_had_begun() -> None:
    world = moving()
    world.weight = UNEVEN  # AWS refused in the middle of it
    assert world.turn(Order(id="1", verb="pause", by="alice")) == Shift(10)
    assert isinstance(world.turn(), Wait)
    assert world.turn(Order(id="2", verb="resume", by="alice")) == Shift(50)


@pytest.mark.parametrize("weight", [10, 50, UNEVEN])
def test_minutes_around_a_move_whose_driver_died_are_not_judged(weight: int) -> None:
    world = moving()
    before = learned(world)
    world.weight = weight
    world.now += 900  # until somebody comes
    world.bad = 60
    world.turn()
    assert learned(world) == before
    assert world.rollout.reverting is None
    assert min(to_judge(world.rollout, world.now + 3600)) > world.now


class Walks(RuleBasedStateMachine):
    """Any traffic, any orders, any blindness, any pause of the driver, and somebody else at the weight."""

    @initialize(
        weights=st.sets(st.integers(1, 99), min_size=1, max_size=4),
        policy=st.sampled_from(["extend", "raise", "synthetic", "ask"]),
        strategy=st.sampled_from(["canary", "linear", "custom"]),
        between=st.lists(st.sampled_from(["pause", "approve", "verify"]), max_size=2),
        hooks=st.lists(st.sampled_from(["before-traffic", "each-step", "promotion"]), max_size=2),
    )
    def begin(self, weights: set[int], policy: str, strategy: str, between: list[str], hooks: list[When]) -> None:
        rising = tuple(sorted(weights))
        steps = RolloutPolicy(
            strategy=strategy,  # type: ignore[arg-type]
            weights=rising,
            steps=tuple(step for weight in rising for step in spelled_out(weight, between)),
            by=30,
            every=60.0,
            bake=60.0,
            metrics=(LOAD,),
            webhooks=tuple(Webhook(name=f"hook{at}", url="", when=when) for at, when in enumerate(hooks)),
        )
        self.world = World(a_rollout(steps, on_inconclusive=policy, deadline=1800.0), calls=300, bad=0)
        self.failed = False
        self.given = 0

    @rule(bad=st.integers(0, 60), calls=st.sampled_from([0, 10, 600, 5000]), turns=st.integers(1, 40))
    def goes_on(self, bad: int, calls: int, turns: int) -> None:
        self.world.bad, self.world.calls = bad, calls
        for _ in range(turns):
            self._turn()

    @rule(number=st.sampled_from([None, 1.0, 11.0]), refused=st.sampled_from(["", "", "AccessDenied"]))
    def a_metric_says(self, number: float | None, refused: str) -> None:
        self.world.number, self.world.refused = number, refused

    @rule(says=st.sampled_from(Verdict))
    def webhooks_say(self, says: Verdict) -> None:
        self.world.says = says

    @rule(verb=st.sampled_from(["pause", "resume", "approve", "promote", "abort"]))
    def is_told(self, verb: Verb) -> None:
        self.given += 1
        self._turn(Order(id=str(self.given), verb=verb, by="alice"))

    @rule()
    def cannot_see(self) -> None:
        before = self.world.weight
        self.world.turn(blind=True)
        self.failed = self.failed or self.world.rollout.reverting is not None
        assert self.world.weight in (before, 0, 100)

    @rule(seconds=st.floats(1, 900))
    def the_driver_sleeps(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(weight=st.integers(UNEVEN, 99), seconds=st.floats(0, 900))
    def somebody_changes_the_weight(self, weight: int, seconds: float) -> None:
        if self.world.rollout.outcome is None:
            self.world.weight = weight
            self.world.now += seconds
            self._turn()

    @rule()
    def an_alarm_rings(self) -> None:
        self._turn(alarms=("mine",))

    def _turn(self, *orders: Order, alarms: tuple[str, ...] = ()) -> None:
        world = self.world
        before, asked = world.weight, world.now
        was_failed, over = self.failed, world.rollout.outcome
        wanted, seen = world.rollout.weight, world.rollout.evidence
        action = world.turn(*orders, alarms=alarms)
        verdict = judgement_of(world.rollout).verdict
        self.failed = was_failed or world.rollout.reverting is not None
        if was_failed and over is None:
            assert isinstance(action, Revert | Finished)
        if isinstance(action, Promote):
            assert verdict is Verdict.PASS or world.rollout.promoted_by
            questions = {(at, one.webhook) for at, one in enumerate(world.rollout.steps) if isinstance(one, Consult)}
            yes = {(reply.step, reply.webhook) for reply in world.rollout.replies if reply.verdict is Verdict.PASS}
            assert questions == yes or world.rollout.promoted_by
        if isinstance(action, Shift) and action.percent > wanted:
            assert verdict is not Verdict.FAIL
            assert verdict is not Verdict.ERROR
        if world.weight < before and before == wanted:
            assert isinstance(action, Revert)
        if over is None and before not in {wanted, 100}:
            assert world.rollout.evidence == seen, "nothing is learned under somebody else's weight"
            assert isinstance(action, Revert | Finished | Promote) or world.weight == world.rollout.weight
        if asked >= deadline(world.rollout) and over is None:
            assert isinstance(action, Revert | Finished | Promote)
        step = step_of(world.rollout)
        if step is not None and step.deadline is not None and asked >= world.rollout.entered + step.deadline:
            assert isinstance(action, Revert | Finished | Promote), "each kind of step ends at its own deadline, too"

    @invariant()
    def it_has_ended_only_at_none_or_all(self) -> None:
        if hasattr(self, "world") and self.world.rollout.outcome is not None:
            assert self.world.weight == (100 if self.world.rollout.outcome == "promoted" else 0)

    @invariant()
    def weights_are_those_of_the_strategy(self) -> None:
        if hasattr(self, "world"):
            known = {step.percent for step in self.world.rollout.steps if isinstance(step, SetWeight)}
            assert self.world.weight in known | {0}

    @invariant()
    def nothing_young_was_judged(self) -> None:
        if hasattr(self, "world") and self.world.rollout.judged:
            assert self.world.rollout.judged <= old_enough(self.world.rollout, self.world.now)


TestWalks = Walks.TestCase
TestWalks.settings = settings(max_examples=60, stateful_step_count=25)
