"""Walks that the configuration spells out: people's steps, a second look, and a deadline for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.rollout.test_advance import World, a_rollout

from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.rollout.state import Check, Finished, Order, Promote, Shift, Wait
from penstock.rollout.strategies import (
    Approve,
    Bake,
    Pause,
    SetWeight,
    Verify,
    custom,
    describe,
    is_walked,
    is_weighted,
    step_from_json,
    step_to_json,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHT, BAKE = PlannedStep(kind="weight", percent=20), PlannedStep(kind="bake", seconds=120.0)
PAUSE = PlannedStep(kind="pause", why="look at the dashboard", deadline=1800.0)
APPROVE = PlannedStep(kind="approve", people=2)
VERIFY = PlannedStep(kind="verify")


def begun(*steps: PlannedStep, authors: tuple[str, ...] = (), **rules: float) -> World:
    rollout = a_rollout(RolloutPolicy(strategy="custom", steps=steps), **rules)
    return World(type(rollout).from_json({**rollout.to_json(), "authors": list(authors)}), **BUSY)


BUSY = {"calls": 2000, "bad": 0}


def until(world: World, what: Callable[[World], object]) -> None:
    for _ in range(2000):
        if what(world):
            return
        world.turn()
    raise AssertionError("it never comes to that")


def held(world: World) -> str:
    return world.rollout.held or ""


def told(verb: str, by: str = "alice", number: int = 1) -> Order:
    return Order(id=f"{verb}-{by}-{number}", verb=verb, by=by)  # type: ignore[arg-type]


def moves(world: World) -> list[object]:
    return [action for action in world.walk if not isinstance(action, Wait)]


def test_steps_are_those_of_the_configuration_verified_first_and_promoted_last() -> None:
    policy = RolloutPolicy(strategy="custom", steps=(WEIGHT, BAKE, PAUSE, APPROVE))
    assert custom(policy) == (
        Verify(),
        SetWeight(20),
        Bake(120.0),
        Pause("look at the dashboard", 1800.0),
        Approve(2),
        SetWeight(100),
    )
    assert custom(RolloutPolicy(steps=(VERIFY, PlannedStep(kind="weight", percent=100)))) == (Verify(), SetWeight(100))


def test_a_walk_of_people_alone_is_walked_although_nothing_is_judged() -> None:
    steps = custom(RolloutPolicy(steps=(APPROVE,)))
    assert is_walked(steps)
    assert not is_weighted(steps)


def test_a_walk_says_when_each_weight_comes_at_the_earliest_and_that_people_take_time() -> None:
    steps = custom(RolloutPolicy(steps=(WEIGHT, BAKE, PAUSE)))
    assert walk(steps, 150.0) == (
        "verify → 20 % → bake 2m → pause: look at the dashboard (within 30m) → 100 % after 5m"
        "  (at the earliest, and people's time)"
    )


@pytest.mark.parametrize("step", [Pause("why", 60.0), Approve(2), Verify(30.0), SetWeight(5, 60.0), Bake(60.0, 90.0)])
def test_steps_and_their_deadlines_survive_json(step: Pause | Approve | Verify | SetWeight | Bake) -> None:
    assert step_from_json(step_to_json(step)) == step
    assert describe(step)


def test_a_pause_holds_at_its_weight_until_a_person_resumes() -> None:
    world = begun(WEIGHT, BAKE, PAUSE)
    until(world, lambda one: one.rollout.held)
    assert held(world) == "pause: look at the dashboard (within 30m); to go on: penstock resume -e dev"
    assert world.weight == 20
    for _ in range(10):
        assert isinstance(world.turn(), Wait)
    assert world.turn(told("resume")) == Promote()
    assert world.to_the_end().outcome == "promoted"


def test_a_resume_that_comes_early_ends_no_pause() -> None:
    world = begun(WEIGHT, BAKE, PAUSE)
    world.turn(told("resume"))
    until(world, lambda one: one.rollout.held)
    assert "look at the dashboard" in held(world)


def test_a_pause_that_nobody_ends_goes_back_at_its_own_deadline() -> None:
    world = begun(WEIGHT, BAKE, PAUSE, deadline=86_400.0)
    until(world, lambda one: one.rollout.held)
    paused = world.now
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", True)
    assert "did not end in time" in str(rollout.reverting)
    assert world.now - paused <= 1810


SOON = 600.0
LAST = PlannedStep(kind="weight", percent=60)


@pytest.mark.parametrize(
    ("steps", "stuck"),
    [
        ((WEIGHT, BAKE, PlannedStep(kind="approve", people=1, deadline=SOON)), "nobody"),
        ((WEIGHT, PlannedStep(kind="bake", seconds=120.0, deadline=SOON)), "no calls"),
        ((WEIGHT, BAKE, PlannedStep(kind="weight", percent=60, deadline=SOON), BAKE), "no move"),
        ((WEIGHT, BAKE, PlannedStep(kind="verify", deadline=SOON), LAST, BAKE), "no alarms"),
        ((WEIGHT, BAKE, PlannedStep(kind="pause", why="look", deadline=SOON)), "nobody"),
    ],
)
def test_every_kind_of_step_goes_back_at_its_own_deadline(steps: tuple[PlannedStep, ...], stuck: str) -> None:
    world = begun(*steps, deadline=86_400.0)
    at = next(at for at, step in enumerate(world.rollout.steps) if step.deadline is not None)
    world.calls = 0 if stuck == "no calls" else world.calls
    until(world, lambda one: one.rollout.at == at)
    entered = world.rollout.entered
    while world.rollout.reverting is None:
        assert world.rollout.outcome is None
        assert world.now < entered + SOON + 10, "it is past its deadline"
        if stuck == "no move":
            world.weight, world.now = 20, world.now + 5.0
        world.turn(alarms=None if stuck == "no alarms" else ())
    assert world.now >= entered + SOON
    assert world.rollout.reverting.startswith(f'"{describe(world.rollout.steps[at])}" did not end in time')
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive, world.weight) == ("reverted", True, 0)


def test_approvals_are_of_different_people_and_not_of_the_author() -> None:
    world = begun(WEIGHT, BAKE, APPROVE, authors=("carol",))
    until(world, lambda one: one.rollout.held)
    assert held(world).startswith("it needs 2 approvals and has 0: penstock approve -e dev candidate")
    world.turn(told("approve", "carol"))
    world.turn(told("approve", "alice"))
    world.turn(told("approve", "alice", 2))
    assert "has 1:" in held(world)
    assert world.turn(told("approve", "bob")) == Promote()


def test_an_author_promotes_past_no_yes_of_others_and_anybody_else_does() -> None:
    world = begun(WEIGHT, BAKE, APPROVE, authors=("carol",))
    until(world, lambda one: one.rollout.held)
    assert isinstance(world.turn(told("promote", "carol")), Wait)
    assert "it needs 2 approvals" in held(world)
    assert world.turn(told("promote", "bob")) == Promote()


def test_an_author_may_promote_where_no_yes_is_left_to_wait_for() -> None:
    world = begun(WEIGHT, BAKE, PAUSE, authors=("carol",))
    until(world, lambda one: one.rollout.held)
    assert world.turn(told("promote", "carol")) == Promote()


def test_a_resume_is_no_approval_and_an_approval_ends_no_pause_of_a_person() -> None:
    world = begun(WEIGHT, BAKE, PlannedStep(kind="approve", people=1))
    until(world, lambda one: one.rollout.held)
    world.turn(told("resume"))
    assert "1 approval" in held(world)
    world.turn(told("pause", "bob"))
    world.turn(told("approve"))
    assert held(world) == "paused by bob"
    assert world.turn(told("resume", "bob", 2)) == Promote()


def test_an_approval_before_its_step_counts_for_nothing() -> None:
    world = begun(WEIGHT, BAKE, PlannedStep(kind="approve", people=1))
    world.turn(told("approve"))
    until(world, lambda one: one.rollout.held)
    assert "has 0:" in held(world)


def test_while_people_think_a_candidate_that_fails_goes_back() -> None:
    world = begun(WEIGHT, BAKE, PAUSE)
    until(world, lambda one: one.rollout.held)
    world.bad = 60
    rollout = world.to_the_end()
    assert rollout.outcome == "reverted"
    assert not rollout.inconclusive


def test_who_passed_before_a_pause_and_no_longer_does_waits_for_a_pass() -> None:
    world = begun(WEIGHT, BAKE, PAUSE)
    until(world, lambda one: one.rollout.held)
    world.bad = 0
    lost = type(world.rollout).from_json({**world.rollout.to_json(), "evidence": a_rollout().evidence.to_json()})
    world.rollout = lost
    assert isinstance(world.turn(told("resume")), Wait)
    until(world, lambda one: one.weight == 100)


def test_the_candidate_is_verified_again_where_the_walk_says_so() -> None:
    world = begun(WEIGHT, BAKE, VERIFY, PlannedStep(kind="weight", percent=60), BAKE)
    assert world.to_the_end().outcome == "promoted"
    assert moves(world) == [Shift(20), Check(), Shift(60), Promote(), Finished()]


def test_a_candidate_that_is_not_well_any_more_goes_back() -> None:
    world = begun(WEIGHT, BAKE, VERIFY)
    world.wrong = "preview GET /users/health answered 502"
    rollout = world.to_the_end()
    assert rollout.outcome == "reverted"
    assert rollout.reverting == "it is not well any more: preview GET /users/health answered 502"
