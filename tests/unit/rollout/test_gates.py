"""Metric gates and webhooks in a walk: what stops it, what holds it up, and what is never taken for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.rollout.test_advance import BEGAN, LOAD, World, a_rollout

from penstock.model.gates import MetricGate, MetricTerm, Webhook, When
from penstock.model.rollouts import PlannedStep, RolloutPolicy
from penstock.rollout.advance import judgement_of
from penstock.rollout.gates import Gate, Points, finding, gates_of, look, to_ask
from penstock.rollout.state import Ask, Finished, Order, Promote, Revert, Shift, Wait
from penstock.rollout.strategies import (
    STRATEGIES,
    Bake,
    Consult,
    Pause,
    SetWeight,
    Verify,
    step_from_json,
    step_to_json,
)
from penstock.rollout.verdict import Verdict
from penstock.rollout.webhooks import LONGEST, asking, key_of, read

if TYPE_CHECKING:
    from collections.abc import Callable

WHENS: tuple[When, ...] = ("before-traffic", "each-step", "promotion")


def begun(*, metrics: tuple[MetricGate, ...] = (), webhooks: tuple[Webhook, ...] = (), **rules: object) -> World:
    policy = RolloutPolicy(strategy="canary", weights=(10, 50), bake=120.0, metrics=metrics, webhooks=webhooks)
    return World(a_rollout(policy, **rules), calls=2000, bad=0)


def hook(when: When, **more: float) -> Webhook:
    return Webhook(name="qa", url="https://qa.example.com", when=when, **more)  # type: ignore[arg-type]


def until(world: World, what: Callable[[World], object]) -> None:
    for _ in range(3000):
        if what(world):
            return
        world.turn()
    raise AssertionError("it never comes to that")


def moves(world: World) -> list[object]:
    return [action for action in world.walk if not isinstance(action, Wait)]


def the_gate(world: World) -> Gate:
    (gate,) = world.rollout.gates
    return gate


# ------------------------------------------------------------------------------------------ metrics


def test_a_metric_within_its_limits_stops_nothing() -> None:
    world = begun(metrics=(LOAD,))
    assert world.to_the_end().outcome == "promoted"
    assert finding(the_gate(world)).sentence == "load: 1, within its limits"


def test_a_metric_beyond_its_limit_twice_in_a_row_takes_traffic_back_and_says_why() -> None:
    world = begun(metrics=(LOAD,))
    world.number = 11.5
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", False)
    assert rollout.reverting == "load: 11.5 is more than 10, 2 times in a row → roll back"


def test_one_bad_point_holds_it_up_and_the_next_good_one_lets_it_go_on() -> None:
    world = begun(metrics=(LOAD,))
    world.number = 11.0
    until(world, lambda one: the_gate(one).failing)
    world.number = 1.0
    assert judgement_of(world.rollout).verdict is Verdict.INCONCLUSIVE
    assert world.to_the_end().outcome == "promoted"


def test_no_data_is_never_good_data_and_the_deadline_ends_it() -> None:
    world = begun(metrics=(LOAD,), deadline=1800.0)
    world.number = None
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", True)
    assert Shift(50) not in world.walk
    assert "load: no data for" in str(rollout.reverting)


def test_data_that_ends_after_the_first_step_keeps_all_traffic_from_the_release() -> None:
    world = begun(metrics=(LOAD,), deadline=3600.0)
    until(world, lambda one: one.weight == 50)
    world.number = None
    assert world.to_the_end().outcome == "reverted"
    assert Promote() not in world.walk


@pytest.mark.parametrize(("missing", "outcome"), [("zero", "promoted"), ("fail", "reverted")])
def test_who_says_what_no_data_means_is_believed(missing: str, outcome: str) -> None:
    world = begun(metrics=(replace(LOAD, missing=missing),))  # type: ignore[arg-type]
    world.number = None
    assert world.to_the_end().outcome == outcome


def test_a_provider_that_refuses_is_told_and_holds_up_and_is_no_fault_of_the_release() -> None:
    world = begun(metrics=(LOAD,))
    world.refused = "AccessDenied: no"
    until(world, lambda one: the_gate(one).fault)
    judgement = judgement_of(world.rollout)
    assert judgement.verdict is Verdict.ERROR
    assert judgement.sentence == "load could not be measured: AccessDenied: no"
    held = world.now
    while world.now < held + 900:
        world.turn()
    assert world.weight == 10
    world.refused = ""
    assert world.to_the_end().outcome == "promoted"


def test_a_provider_that_refuses_is_asked_again_after_a_minute_and_not_with_every_look() -> None:
    world = begun(metrics=(LOAD,))
    world.refused = "Throttling"
    until(world, lambda one: the_gate(one).fault)
    gate = the_gate(world)
    assert not to_ask(gate, clean=BEGAN, now=gate.again - 1, delay=0.0)
    assert to_ask(gate, clean=BEGAN, now=gate.again, delay=0.0)


def test_where_a_higher_weight_is_the_answer_to_too_little_an_error_is_not_too_little() -> None:
    world = begun(metrics=(LOAD,), on_inconclusive="raise", deadline=1800.0)
    world.refused = "AccessDenied"
    assert world.to_the_end().outcome == "reverted"
    assert Shift(50) not in world.walk


def test_a_person_who_promotes_does_not_wait_for_a_metric_without_data() -> None:
    world = begun(metrics=(LOAD,))
    world.number = None
    until(world, lambda one: one.weight == 10)
    world.turn(Order(id="1", verb="promote", by="alice"))
    assert world.to_the_end().outcome == "promoted"


def gate_of(**limits: object) -> Gate:
    metric = replace(LOAD, **{"max": None, **limits})  # type: ignore[arg-type]
    (gate,) = gates_of((metric,), candidate="green", stable="blue")
    return gate


def seen(gate: Gate, *values: float | None, before: float | None = None) -> Gate:
    start, found = 600, {}
    for at, value in enumerate(values):
        if value is not None:
            found[start + at * 60] = value
    points = Points(name="load", until=start + 60.0 * len(values), values=found, before=before)
    return look(gate, points, clean=float(start), now=2000.0)


def test_a_rise_and_a_fall_are_measured_by_what_was_before() -> None:
    orders = gate_of(max_fall=0.2, failures=1)
    assert finding(seen(orders, 81.0, before=100.0)).verdict is Verdict.PASS
    fallen = finding(seen(orders, 79.0, before=100.0))
    assert fallen.verdict is Verdict.FAIL
    assert fallen.sentence == (
        "load: 79 is more than 20 % below what it was before, which would be 80, once → roll back"
    )
    assert finding(seen(gate_of(max_rise=0.5, failures=1), 151.0, before=100.0)).verdict is Verdict.FAIL


def test_without_anything_before_to_compare_with_nothing_passes() -> None:
    assert finding(seen(gate_of(max_fall=0.2), 5.0)).verdict is Verdict.INCONCLUSIVE


def test_failing_points_count_in_a_row_and_a_gap_between_them_ends_no_row() -> None:
    assert finding(seen(gate_of(max=10.0), 11.0, 9.0, 11.0)).verdict is Verdict.INCONCLUSIVE
    assert finding(seen(gate_of(max=10.0), 11.0, None, 11.0)).verdict is Verdict.FAIL


def test_a_fail_stays_whatever_comes_after_it() -> None:
    failed = seen(gate_of(min=2.0), 1.0, 1.0)
    later = look(failed, Points(name="load", until=9000.0, values={720: 5.0}), clean=600.0, now=9000.0)
    assert finding(later).verdict is Verdict.FAIL


def test_what_is_no_number_is_within_no_limit() -> None:
    assert finding(seen(gate_of(max=10.0, failures=1), float("nan"))).verdict is Verdict.FAIL


@pytest.mark.parametrize(("value", "verdict"), [(11, Verdict.FAIL), (10, Verdict.PASS), (-1, Verdict.FAIL)])
def test_a_whole_number_is_a_number_like_any_other(value: int, verdict: Verdict) -> None:
    assert finding(seen(gate_of(max=10.0, min=0.0, failures=1), value)).verdict is verdict


def test_points_that_the_weight_before_had_a_part_in_are_not_looked_at() -> None:
    gate = replace(gate_of(max=10.0), metric=replace(LOAD, period=300))
    assert list(to_ask(gate, clean=660.0, now=1800.0, delay=120.0)) == [900, 1200]


def test_slots_are_named_by_what_they_are_for_the_release() -> None:
    asked = replace(
        LOAD,
        expression="{candidate} - {stable}",
        terms={"bad": MetricTerm(namespace="N", metric="M", statistic="Sum", dimensions={"Slot": "{candidate}"})},
    )
    (gate,) = gates_of((asked,), candidate="green", stable="blue")
    assert gate.metric.expression == "green - blue"
    assert gate.metric.terms["bad"].dimensions == {"Slot": "green"}


# ------------------------------------------------------------------------------------------ webhooks


def test_webhooks_stand_in_the_walk_where_they_are_asked() -> None:
    policy = RolloutPolicy(strategy="canary", weights=(10,), bake=60.0)
    steps = STRATEGIES["canary"](policy)
    asked = Consult("qa", 600.0)
    walks = {when: asking(steps, (hook(when),)) for when in WHENS}
    assert walks["before-traffic"] == (Verify(), asked, SetWeight(10), Bake(60.0), SetWeight(100))
    assert walks["each-step"] == (Verify(), SetWeight(10), Bake(60.0), asked, SetWeight(100))
    assert walks["promotion"] == walks["each-step"]


def test_between_steps_only_those_of_each_step_are_asked_and_before_all_traffic_everybody_is() -> None:
    policy = RolloutPolicy(
        strategy="custom",
        steps=(
            PlannedStep(kind="weight", percent=10),
            PlannedStep(kind="bake", seconds=60.0),
            PlannedStep(kind="weight", percent=50),
            PlannedStep(kind="bake", seconds=60.0),
            PlannedStep(kind="pause"),
        ),
    )
    each, last = hook("each-step"), replace(hook("promotion"), name="boss")
    steps = asking(STRATEGIES["custom"](policy), (each, last))
    qa, boss = Consult("qa", 600.0), Consult("boss", 600.0)
    assert steps[3:5] == (qa, SetWeight(50))
    assert steps[5:] == (Bake(60.0), qa, Pause(), qa, boss, SetWeight(100))


@pytest.mark.parametrize("when", WHENS)
def test_a_release_that_moves_all_at_once_asks_before_it_does(when: When) -> None:
    policy = RolloutPolicy(strategy="all-at-once", webhooks=(hook(when),))
    world = World(a_rollout(policy), calls=0, bad=0)
    assert world.to_the_end().outcome == "promoted"
    assert moves(world) == [Ask("qa"), Promote(), Finished()]


def test_a_walk_that_a_person_switches_stays_as_it_is() -> None:
    steps = STRATEGIES["blue-green"](RolloutPolicy())
    assert asking(steps, (hook("promotion"),)) == steps


def test_a_no_before_traffic_keeps_all_traffic_away() -> None:
    world = begun(webhooks=(hook("before-traffic"),))
    world.says = Verdict.FAIL
    assert world.to_the_end().reverting == "qa: FAIL"
    assert [action for action in moves(world) if isinstance(action, Shift)] == []


def test_a_no_in_the_middle_takes_traffic_back() -> None:
    world = begun(webhooks=(hook("each-step"),))
    world.says = Verdict.FAIL
    assert world.to_the_end().outcome == "reverted"
    assert moves(world) == [Shift(10), Ask("qa"), Revert("qa: FAIL"), Finished()]


def test_who_has_not_decided_is_asked_again_every_ten_seconds_until_the_deadline_of_the_question() -> None:
    world = begun(webhooks=(hook("before-traffic", deadline=60.0),))
    world.says = Verdict.INCONCLUSIVE
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", True)
    assert rollout.reverting == '"ask qa (within 1m)" did not end in time: qa: INCONCLUSIVE'
    assert len([action for action in moves(world) if action == Ask("qa")]) == 6


def test_who_cannot_be_asked_is_asked_again_every_minute_and_nothing_goes_on_meanwhile() -> None:
    world = begun(webhooks=(hook("each-step", deadline=600.0),))
    until(world, lambda one: one.weight == 10)
    world.says = Verdict.ERROR
    until(world, lambda one: one.replies)
    asked = world.now
    while world.now < asked + 170:
        world.turn()
    assert world.weight == 10
    assert len([action for action in moves(world) if action == Ask("qa")]) == 3
    world.says = Verdict.PASS
    assert world.to_the_end().outcome == "promoted"


def test_the_judge_goes_on_watching_while_somebody_else_decides() -> None:
    world = begun(webhooks=(hook("each-step", deadline=3000.0),))
    world.says = Verdict.INCONCLUSIVE
    until(world, lambda one: Ask("qa") in one.walk)
    world.bad = 60
    rollout = world.to_the_end()
    assert (rollout.outcome, rollout.inconclusive) == ("reverted", False)
    assert "users" in str(rollout.reverting)


def test_a_question_that_was_answered_is_not_asked_again_by_who_takes_over() -> None:
    world = begun(webhooks=(hook("before-traffic"),))
    until(world, lambda one: one.weight == 10)
    assert moves(world) == [Ask("qa"), Shift(10)]


def test_a_question_bears_the_same_key_whenever_it_is_asked() -> None:
    assert key_of("r-1", 3, "qa") == key_of("r-1", 3, "qa") != key_of("r-1", 5, "qa")


def test_asking_is_a_step_that_survives_json() -> None:
    assert step_from_json(step_to_json(Consult("qa", 60.0))) == Consult("qa", 60.0)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, "", Verdict.PASS),
        (204, "", Verdict.PASS),
        (200, " \n", Verdict.PASS),
        (201, '{"status": "ok"}', Verdict.PASS),
        (200, '{"status": " Passed"}', Verdict.PASS),
        (200, '\ufeff{"status": "ok"}', Verdict.PASS),
        (200, '{"status": "FAIL "}', Verdict.FAIL),
        (200, '\ufeff{"status": "fail"}', Verdict.FAIL),
        (200, '{"status": "failure", "reason": "3 tests red"}', Verdict.FAIL),
        (200, "<html>Sign in</html>", Verdict.ERROR),
        (200, "fine", Verdict.ERROR),
        (200, '{"status": "fail", "reas', Verdict.ERROR),
        (200, '{"status": "rejected"}', Verdict.ERROR),
        (200, '{"status": "no"}', Verdict.ERROR),
        (200, '{"status": ""}', Verdict.ERROR),
        (200, '{"status": false}', Verdict.ERROR),
        (200, '{"status": null}', Verdict.ERROR),
        (200, '{"Status": "fail"}', Verdict.ERROR),
        (200, "{}", Verdict.ERROR),
        (200, '[{"status": "fail"}]', Verdict.ERROR),
        (200, "false", Verdict.ERROR),
        (409, '{"status": "fail", "reason": "3 of 40 checks are red"}', Verdict.FAIL),
        (422, '{"status": "failed"}', Verdict.FAIL),
        (202, "", Verdict.INCONCLUSIVE),
        (202, '{"status": "ok"}', Verdict.INCONCLUSIVE),
        (200, '{"status": "running"}', Verdict.INCONCLUSIVE),
        (404, "", Verdict.ERROR),
        (401, '{"status": "unauthorized"}', Verdict.ERROR),
        (400, "fail", Verdict.ERROR),
        (500, '{"status": "fail"}', Verdict.ERROR),
        (503, "", Verdict.ERROR),
        (302, "", Verdict.ERROR),
        (200, '{"status": "error"}', Verdict.ERROR),
        (200, "[" * 100_000, Verdict.ERROR),
        (400, '{"status": ["fail"]}', Verdict.ERROR),
        (100, "", Verdict.ERROR),
    ],
)
def test_only_a_yes_is_a_yes_and_only_a_no_is_a_no(status: int, body: str, verdict: Verdict) -> None:
    assert read("qa", "qa.example.com", status, body)[0] is verdict


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            '{"status": "s3cr3t", "reason": "who knows s3cr3t?"}',
            'qa says neither yes nor no: its status is "***": who knows ***?',
        ),
        ("<html>Sign in</html>", "qa says neither yes nor no: its answer is no JSON with a status"),
        ('{"status": true}', "qa says neither yes nor no: its answer is no JSON with a status"),
    ],
)
def test_an_answer_that_nobody_understands_is_told_without_secrets(body: str, sentence: str) -> None:
    said = read("qa", "qa.example.com", 200, body, hide=lambda text: text.replace("s3cr3t", "***"))
    assert said == (Verdict.ERROR, sentence)


def test_a_webhooks_own_words_are_short_and_printable() -> None:
    _, sentence = read(
        "qa", "qa.example.com", 409, '{"status": "fail", "reason": "\\u001b[31mred\\n' + "x" * 1000 + '"}'
    )
    assert sentence.isprintable()
    assert sentence.startswith("qa says no: [31mred x")
    assert len(sentence) < LONGEST + 40
