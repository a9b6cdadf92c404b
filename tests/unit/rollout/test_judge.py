"""What the judge says, and that it says the same however the minutes come."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from math import exp, inf, log
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.rollout.hypergeometric import log_probability
from penstock.rollout.judge import Evidence, JudgePolicy, Series, Verdict, accumulate, begin_step, judge, unmeasured
from penstock.rollout.sentences import WENT_BAD, undecided
from penstock.rollout.strata import SIGNALS, Sample, Signal, Stratum

if TYPE_CHECKING:
    from collections.abc import Iterable

POLICY = JudgePolicy()
USERS = frozenset({"users"})


def stratum(
    minute: int,
    canary: tuple[int, int],
    stable: tuple[int, int],
    *,
    service: str = "users",
    signal: Signal = "errors",
) -> Stratum:
    return Stratum(
        minute=minute * 60,
        service=service,
        signal=signal,
        canary=Sample(calls=canary[0], bad=canary[1]),
        stable=Sample(calls=stable[0], bad=stable[1]),
    )


def seen(strata: Iterable[Stratum], changed: frozenset[str] = USERS, policy: JudgePolicy = POLICY) -> Evidence:
    return accumulate(Evidence(), strata, policy, changed)


def sides(most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, most).flatmap(lambda calls: st.tuples(st.just(calls), st.integers(0, calls)))


WALKS = st.lists(
    st.builds(
        stratum,
        st.integers(0, 12),
        sides(40),
        sides(200),
        service=st.sampled_from(["users", "orders", "mail"]),
        signal=st.sampled_from(SIGNALS),
    ),
    max_size=25,
    unique_by=lambda one: (one.minute, one.service, one.signal),
)


# ------------------------------------------------------------------------------------------ sentences


def test_a_regression_is_named_with_its_numbers() -> None:
    evidence = seen([stratum(1, (150, 2), (1_400, 3)), stratum(2, (162, 12), (1_404, 3))])
    verdict = judge(evidence, POLICY, USERS)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.sentence == (
        "users: 14 of 312 canary calls failed, 6 of 2,804 beside it; odds 22×, e > 1,000,000 ≥ 100 → roll back"
    )
    assert not verdict.may_go_on


def test_a_regression_just_proved_says_how_sure_it_is() -> None:
    verdict = judge(seen([stratum(1, (60, 5), (540, 3))]), POLICY, USERS)
    assert (
        verdict.sentence
        == "users: 5 of 60 canary calls failed, 3 of 540 beside it; odds 16×, e = 203 ≥ 100 → roll back"
    )


def test_a_suspicion_is_told_before_it_is_proved() -> None:
    verdict = judge(seen([stratum(1, (60, 4), (540, 2))]), POLICY, USERS)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.sentence == (
        "users: 4 of 60 canary calls failed, 2 of 540 beside it; looks worse, e = 81 of the 100 that a rollback needs"
    )


def test_odds_without_a_bad_call_beside_are_not_made_up() -> None:
    verdict = judge(seen([stratum(1, (60, 9), (540, 0))]), POLICY, USERS)
    assert verdict.findings[0].odds is None
    assert verdict.sentence.startswith("users: 9 of 60 canary calls failed, 0 of 540 beside it; e > 1,000,000")


def test_a_clean_service_counts_towards_its_pass() -> None:
    evidence = seen(stratum(minute, (53, 0), (480, 0)) for minute in range(4))
    verdict = judge(evidence, POLICY, USERS)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.sentence == "users: 212 clean canary calls of the 459 that a pass needs"
    assert verdict.findings[0].needs == 247
    assert verdict.may_go_on


@pytest.mark.parametrize(("last", "verdict"), [(50, Verdict.INCONCLUSIVE), (51, Verdict.PASS)])
def test_459_clean_calls_pass(last: int, verdict: Verdict) -> None:
    minutes = [stratum(minute, (51, 0), (459, 0)) for minute in range(8)]
    found = judge(seen([*minutes, stratum(8, (last, 0), (459, 0))]), POLICY, USERS)
    assert found.verdict is verdict
    if verdict is Verdict.PASS:
        assert found.sentence == (
            "users: 0 of 459 canary calls failed, 0 of 4,131 beside it; at most 1 point more, e = 100 ≥ 100 → pass"
        )


def test_a_service_with_ordinary_errors_passes_too() -> None:
    evidence = seen(stratum(minute, (200, 1), (1_800, 9)) for minute in range(30))
    verdict = judge(evidence, POLICY, USERS)
    assert verdict.verdict is Verdict.PASS
    early = judge(seen(stratum(minute, (200, 1), (1_800, 9)) for minute in range(2)), POLICY, USERS)
    assert early.verdict is Verdict.INCONCLUSIVE
    assert early.sentence.startswith(
        "users: 2 of 400 canary calls failed, 18 of 3,600 beside it; no worse so far, about "
    )
    assert early.findings[0].needs is not None
    assert 100 < early.findings[0].needs < 3_000


def test_a_service_passes_although_its_first_bad_call_was_the_canary_s() -> None:
    first = [stratum(1, (300, 1), (300, 0))]
    evidence = seen([*first, *(stratum(minute, (300, minute % 2), (300, minute % 2)) for minute in range(2, 40))])
    assert evidence.series["users", "errors"].bold == -inf
    assert judge(evidence, POLICY, USERS).verdict is Verdict.PASS


def test_a_pass_is_lost_again_when_the_canary_turns_worse() -> None:
    good = seen(stratum(minute, (300, 2), (300, 2)) for minute in range(600))
    assert judge(good, POLICY, USERS).verdict is Verdict.PASS
    worse = accumulate(good, (stratum(minute, (300, 8), (300, 2)) for minute in range(600, 603)), POLICY, USERS)
    assert judge(worse, POLICY, USERS).verdict is Verdict.INCONCLUSIVE


def test_without_canary_calls_there_is_no_good_news() -> None:
    before = seen(stratum(minute, (0, 0), (600, 3)) for minute in range(10))
    verdict = judge(before, POLICY, USERS)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.sentence == "users: no canary calls were measured yet, and no data is never good data"
    assert verdict.short == ("users",)
    assert not verdict.may_go_on


def test_numbers_that_contradict_each_other_are_an_error_until_sound_ones_come() -> None:
    evidence = seen([stratum(1, (5, 7), (50, 0))])
    verdict = judge(evidence, POLICY, USERS)
    assert verdict.verdict is Verdict.ERROR
    assert verdict.sentence == (
        "users: errors could not be judged: 7 bad of 5 canary calls: these numbers contradict each other"
    )
    after = accumulate(evidence, [stratum(2, (5, 0), (50, 0))], POLICY, USERS)
    assert judge(after, POLICY, USERS).verdict is Verdict.INCONCLUSIVE


def blind(minute: int, unseen: int, signal: Signal = "5xx") -> Stratum:
    return replace(stratum(minute, (0, 0), (0, 0), signal=signal), unseen=unseen)


def test_a_signal_that_is_silent_about_known_calls_lets_nobody_pass() -> None:
    minutes = [one for minute in range(9) for one in (stratum(minute, (51, 0), (459, 0)), blind(minute, 51))]
    verdict = judge(seen(minutes), POLICY, USERS)
    assert verdict.verdict is Verdict.ERROR
    assert verdict.sentence.startswith("users: its 5xx were never measured, of 459 canary calls that are known; no ")
    assert not verdict.may_go_on
    few = judge(seen([stratum(1, (49, 0), (459, 0)), blind(1, 49)]), POLICY, USERS)
    assert few.verdict is Verdict.INCONCLUSIVE, "it may only be late"
    assert json.loads(json.dumps(verdict.to_json()))["findings"][0]["signal"] == "5xx"


def test_a_pass_with_nothing_beside_it_says_that_nobody_knows_whether_it_is_slow() -> None:
    alone = [stratum(minute, (99, 0), (0, 0)) for minute in range(9)]
    verdict = judge(seen(alone), POLICY, USERS)
    assert verdict.verdict is Verdict.PASS
    assert verdict.sentence.endswith("→ pass; latency was not judged: nothing beside it told what is slow")
    timed = [replace(one, signal="latency") for one in alone]
    assert "latency was not judged" not in judge(seen([*alone, *timed]), POLICY, USERS).sentence


def test_a_signal_that_told_of_the_greater_part_is_believed() -> None:
    minutes = [
        one
        for minute in range(20)
        for one in (
            stratum(minute, (51, 0), (459, 0)),
            blind(minute, 51) if minute < 9 else stratum(minute, (51, 0), (459, 0), signal="5xx"),
        )
    ]
    assert judge(seen(minutes), POLICY, USERS).verdict is Verdict.PASS


def test_answers_without_any_invocation_are_no_evidence_of_new_code() -> None:
    verdict = judge(seen([stratum(minute, (99, 0), (459, 0), signal="5xx") for minute in range(9)]), POLICY, USERS)
    assert verdict.verdict is Verdict.ERROR
    assert "users: its errors were never measured" in verdict.sentence


def test_evidence_that_an_earlier_version_kept_is_read() -> None:
    kept = seen([stratum(1, (60, 1), (540, 4))])
    document = kept.to_json()
    for one in document["series"]:
        del one["unseen"]
    assert Evidence.from_json(document) == kept


def test_a_failed_measurement_is_an_error() -> None:
    verdict = unmeasured("CloudWatch did not answer")
    assert verdict.verdict is Verdict.ERROR
    assert not verdict.may_go_on
    assert verdict.to_json()["sentence"] == "CloudWatch did not answer"


def test_nothing_changed_needs_no_pass() -> None:
    assert judge(Evidence(), POLICY, frozenset()).verdict is Verdict.PASS


def test_each_signal_has_its_words() -> None:
    assert set(WENT_BAD) == set(get_args(Signal)) == set(SIGNALS)
    slow = judge(seen([stratum(1, (60, 40), (540, 54), signal="latency")]), POLICY, USERS)
    assert "40 of 60 canary calls were slow" in slow.sentence


def test_several_waiting_services_are_told_in_one_sentence() -> None:
    both = frozenset({"users", "orders"})
    evidence = seen([stratum(1, (53, 0), (400, 0)), stratum(1, (20, 0), (400, 0), service="orders")], both)
    assert judge(evidence, POLICY, both).sentence == (
        "orders: 20 clean canary calls of the 459 that a pass needs; 1 more is open"
    )


def test_open_services_are_not_said_to_be_like_the_one_that_looks_worse() -> None:
    four = frozenset({"users", "orders", "carts", "mails"})
    clean = [stratum(1, (6, 0), (84, 0), service=service) for service in sorted(four - {"users"})]
    said = judge(seen([stratum(1, (6, 2), (84, 0)), *clean], four), POLICY, four).sentence
    assert said.startswith("users: 2 of 6 canary calls failed, 0 of 84 beside it; looks worse, e = ")
    assert said.endswith("; 3 more are open")


def test_services_that_passed_beside_the_last_one_are_counted() -> None:
    both = frozenset({"users", "orders"})
    evidence = seen([stratum(1, (500, 0), (500, 0), service=service) for service in sorted(both)], both)
    assert judge(evidence, POLICY, both).sentence.endswith("→ pass; 1 more passed")


@pytest.mark.parametrize(
    ("canary", "stable", "told"),
    [
        ((4, 1), (41, 0), "users: 1 of 4 canary calls failed, 0 of 41 beside it; not proved worse (e = "),
        ((40, 9), (360, 40), "users: 9 of 40 canary calls failed, 40 of 360 beside it; not proved worse (e = "),
        ((100, 1), (0, 0), "users: 1 of 100 canary calls failed, nothing ran beside it; not proved worse (e = 1.0), "),
        ((40, 0), (360, 2), "users: 0 of 40 canary calls failed, 2 of 360 beside it; no worse so far, about "),
        ((100, 1), (1000, 10), "users: 1 of 100 canary calls failed, 10 of 1,000 beside it; no worse so far, about "),
        ((100, 0), (100, 0), "users: 100 clean canary calls of the "),
    ],
)
def test_no_worse_is_said_only_where_the_canary_s_share_is_not_higher(
    canary: tuple[int, int], stable: tuple[int, int], told: str
) -> None:
    said = judge(seen([stratum(1, canary, stable)]), JudgePolicy(margin=0.05), USERS).sentence
    assert said.startswith(told)
    assert "more canary calls" in said or "clean" in said


def test_a_signal_without_canary_calls_is_not_said_to_have_too_many() -> None:
    said = undecided(
        "users", "errors", Series(changed=True, stable=Sample(calls=50, bad=2)), needs=None, whole=0.0, alpha=0.01
    )
    assert said == "users: no canary calls were measured yet, and no data is never good data"


# ------------------------------------------------------------------------------------------ rules


def test_the_worst_verdict_wins() -> None:
    assert max(Verdict) is Verdict.FAIL
    assert sorted(Verdict) == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL]


def test_half_of_twenty_calls_bad_is_enough_where_nothing_runs_beside_it() -> None:
    verdict = judge(seen([stratum(1, (20, 10), (0, 0))]), POLICY, USERS)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.sentence == (
        "users: 10 of 20 canary calls failed, nothing ran beside it; half of the last calls is too much → roll back"
    )
    assert judge(seen([stratum(1, (19, 19), (0, 0))]), POLICY, USERS).verdict is Verdict.INCONCLUSIVE
    assert judge(seen([stratum(1, (20, 9), (0, 0))]), POLICY, USERS).verdict is Verdict.INCONCLUSIVE


def test_the_fast_path_adds_up_sleepy_minutes() -> None:
    evidence = seen(stratum(minute, (4, 4), (0, 0)) for minute in range(5))
    assert judge(evidence, POLICY, USERS).verdict is Verdict.FAIL


def test_a_late_breakage_is_seen_at_once_in_spite_of_a_long_good_past() -> None:
    good = seen(stratum(minute, (300, 2), (300, 2)) for minute in range(600))
    broken = accumulate(good, [stratum(600, (300, 200), (300, 2))], POLICY, USERS)
    assert judge(broken, POLICY, USERS).verdict is Verdict.FAIL
    worse = accumulate(good, (stratum(minute, (300, 12), (300, 2)) for minute in range(600, 608)), POLICY, USERS)
    assert judge(worse, POLICY, USERS).verdict is Verdict.FAIL


def test_an_incident_on_both_sides_rolls_nothing_back() -> None:
    evidence = seen(stratum(minute, (60, 42), (540, 378)) for minute in range(60))
    assert judge(evidence, POLICY, USERS).verdict is Verdict.INCONCLUSIVE


def test_an_incident_during_a_ramp_rolls_nothing_back_though_totals_would() -> None:
    ramp = [stratum(minute, (60, 0), (540, 3)) for minute in range(5)]
    ramp += [stratum(minute, (540, 16), (60, 2)) for minute in range(5, 10)]
    evidence = seen(ramp)
    one = evidence.series["users", "errors"]
    assert one.canary.bad / one.canary.calls > 2.5 * one.stable.bad / one.stable.calls
    assert judge(evidence, POLICY, USERS).verdict is not Verdict.FAIL


def test_unchanged_services_can_only_fail() -> None:
    beside = [stratum(1, (30, 0), (300, 0), service="orders")]
    changed = [stratum(minute, (51, 0), (459, 0)) for minute in range(9)]
    assert judge(seen([*changed, *beside]), POLICY, USERS).verdict is Verdict.PASS
    broken = [stratum(1, (30, 9), (300, 1), service="orders")]
    verdict = judge(seen([*changed, *broken]), POLICY, USERS)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.findings[0].service == "orders"


def test_the_service_and_signal_with_the_largest_share_are_named() -> None:
    strata = [
        stratum(1, (60, 1), (540, 4), service="orders"),
        stratum(1, (60, 6), (540, 54), signal="latency"),
        stratum(1, (60, 8), (540, 2), signal="5xx"),
    ]
    found = judge(seen(strata, frozenset({"users", "orders"})), POLICY, USERS).findings[0]
    assert (found.service, found.signal, found.verdict) == ("users", "5xx", Verdict.FAIL)


def test_every_measured_signal_of_a_changed_service_needs_the_pass() -> None:
    minutes = [
        stratum(minute, (60, 6 if signal == "latency" else 0), (540, 54 if signal == "latency" else 0), signal=signal)
        for minute in range(8)
        for signal in ("errors", "throttles", "latency")
    ]
    verdict = judge(seen(minutes), POLICY, USERS)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert [finding.verdict.name for finding in verdict.findings] == ["INCONCLUSIVE", "PASS", "PASS"]
    assert verdict.findings[0].signal == "latency"


def test_a_step_counts_its_own_samples_and_keeps_the_evidence() -> None:
    first = seen([stratum(1, (60, 0), (540, 0))])
    assert judge(first, POLICY, USERS).may_go_on
    second = begin_step(first)
    assert judge(second, POLICY, USERS).short == ("users",)
    assert second.series["users", "errors"].canary == Sample(calls=60)


def test_a_verdict_that_was_reached_is_not_taken_back() -> None:
    failed = seen([stratum(1, (60, 9), (540, 2))])
    later = accumulate(failed, (stratum(minute, (60, 0), (540, 9)) for minute in range(2, 60)), POLICY, USERS)
    assert judge(later, POLICY, USERS).sentence == judge(failed, POLICY, USERS).sentence


def test_sticky_clusters_need_more_when_the_policy_knows_of_them() -> None:
    minute = [stratum(1, (60, 5), (540, 3))]
    assert judge(seen(minute), POLICY, USERS).verdict is Verdict.FAIL
    clustered = replace(POLICY, clusters=4)
    assert judge(seen(minute, policy=clustered), clustered, USERS).verdict is Verdict.INCONCLUSIVE


# ------------------------------------------------------------------------------------------ properties


@settings(max_examples=30)
@given(WALKS, st.randoms())
def test_the_order_of_strata_does_not_matter(walk: list[Stratum], chance: object) -> None:
    shuffled = list(walk)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = seen(walk), seen(shuffled)
    assert dict(sorted(one.series.items())) == dict(sorted(other.series.items()))
    assert one.alarm == other.alarm


@settings(max_examples=30)
@given(WALKS)
def test_minute_by_minute_is_the_same_as_all_at_once(walk: list[Stratum]) -> None:
    evidence = Evidence()
    for minute in sorted({one.minute for one in walk}):
        evidence = accumulate(evidence, [one for one in walk if one.minute == minute], POLICY, USERS)
    assert evidence == seen(walk)


@settings(max_examples=30)
@given(WALKS)
def test_the_same_minutes_twice_change_nothing(walk: list[Stratum]) -> None:
    once = seen(walk)
    assert accumulate(once, walk, POLICY, USERS) == once
    assert seen([*walk, *walk]) == once


@settings(max_examples=30)
@given(WALKS)
def test_evidence_survives_json_to_the_last_digit(walk: list[Stratum]) -> None:
    evidence = seen(walk)
    text = json.dumps(evidence.to_json(), allow_nan=False)
    assert Evidence.from_json(json.loads(text)) == evidence
    json.dumps(judge(evidence, POLICY, USERS).to_json(), allow_nan=False)


@settings(max_examples=30)
@given(WALKS, st.integers(0, 40))
def test_more_bad_canary_calls_never_make_the_verdict_better(walk: list[Stratum], more: int) -> None:
    # Minutes that told nothing stay as they are: with a first bad call they would open the bet earlier.
    worse = [
        replace(one, canary=Sample(calls=one.canary.calls, bad=min(one.canary.calls, one.canary.bad + more)))
        if one.canary.bad + one.stable.bad
        else one
        for one in walk
    ]
    telling = [one for one in worse if one.canary.bad + one.stable.bad < one.canary.calls + one.stable.calls]
    kept = {(one.minute, one.service, one.signal) for one in telling}
    before = judge(seen(one for one in walk if (one.minute, one.service, one.signal) in kept), POLICY, USERS)
    assert judge(seen(telling), POLICY, USERS).verdict >= before.verdict


def test_evidence_does_not_grow_with_time() -> None:
    short = seen(stratum(minute, (60, minute % 2), (540, 5)) for minute in range(20))
    long = seen(stratum(minute, (60, minute % 2), (540, 5)) for minute in range(2_000))
    assert len(json.dumps(long.to_json())) < 1.2 * len(json.dumps(short.to_json()))


def test_evidence_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        Evidence.from_json({"version": 99, "series": [], "alarm": None})


MARGINS = (
    (stratum(1, (2, 0), (3, 0)), 2),
    (stratum(2, (2, 0), (2, 0)), 1),
    (stratum(2, (1, 0), (3, 0), signal="latency"), 2),
    (stratum(3, (2, 0), (2, 0), service="orders"), 2),
    (stratum(3, (1, 0), (2, 0), signal="latency"), 1),
    (stratum(4, (2, 0), (1, 0), service="orders"), 1),
)


def test_services_that_join_late_leave_the_whole_a_fair_bet() -> None:
    mean = 0.0
    for walk in product(*(range(bad + 1) for _, bad in MARGINS)):
        probability = 1.0
        strata = []
        for (margins, bad), hits in zip(MARGINS, walk, strict=True):
            canary, stable = margins.canary.calls, margins.stable.calls
            lot = log_probability(hits, canary=canary, total=canary + stable, bad=bad)
            probability *= 0.0 if lot == -inf else exp(lot)
            strata.append(
                replace(margins, canary=Sample(calls=canary, bad=hits), stable=Sample(calls=stable, bad=bad - hits))
            )
        if probability:
            mean += probability * exp(judge(seen(strata), POLICY, USERS).log_e)
    assert mean == pytest.approx(1.0)


def test_a_thousand_quiet_services_do_not_blunt_the_judge() -> None:
    quiet = [stratum(1, (60, 0), (540, 0), service=f"service-{number}") for number in range(1_000)]
    verdict = judge(seen([*quiet, stratum(1, (60, 5), (540, 3))]), POLICY, USERS)
    assert verdict.verdict is Verdict.FAIL
    assert log(100) < verdict.log_e < log(1_000)
