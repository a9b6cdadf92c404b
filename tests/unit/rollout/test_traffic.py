"""Whether the canary really gets its weight: chance is no finding, callers around the alias are."""

from __future__ import annotations

import json
from random import Random

import pytest
from unit.rollout.test_advance import BEGAN, World, a_rollout

from penstock.rollout.advance import advance
from penstock.rollout.minutes import to_judge
from penstock.rollout.signals import queries, shares, slot_watch, whole_queries
from penstock.rollout.state import Observation, Rollout
from penstock.rollout.traffic import Callers, Share, Tally, findings, tally


def counted(*minutes: tuple[int, int, int | None], percent: int = 10) -> dict[str, Tally]:
    """Tallies of `users` after minutes of stable, canary and all calls."""
    found = [
        Share(function="users", minute=60 * at, stable=stable, canary=canary, all=whole)
        for at, (stable, canary, whole) in enumerate(minutes)
    ]
    return dict(tally({}, found, percent))


@pytest.mark.parametrize("percent", [1, 5, 10, 50, 90])
@pytest.mark.parametrize("calls", [60, 600, 6000])
def test_chance_is_no_finding(percent: int, calls: int) -> None:
    chance = Random(percent * calls)  # noqa: S311 - statistics, not secrets
    tallies: dict[str, Tally] = {}
    for minute in range(100):
        canary = sum(chance.random() < percent / 100 for _ in range(calls // 10))
        share = Share(function="users", minute=minute, stable=calls // 10 - canary, canary=canary, all=calls // 10)
        tallies = dict(tally(tallies, [share], percent))
        assert findings(tallies) == ()


def test_callers_that_name_a_slot_themselves_are_told() -> None:
    (finding,) = findings(counted((970, 30, 1000), (970, 30, 1000)))
    assert finding.kind == "share"
    assert finding.sentence == (
        "users: 3.0 % of 2,000 calls reached the candidate instead of 10.0 %: some of its callers name a slot's alias "
        "or a version themselves and stay on the stable release"
    )


def test_calls_around_all_aliases_are_told_with_what_to_call_instead() -> None:
    (finding,) = findings(counted((900, 100, 1250)))
    assert finding.kind == "around"
    assert "250 of 1,250 calls went around its aliases" in finding.sentence
    assert finding.sentence.endswith("let them call users:live")


def test_services_that_may_be_these_callers_are_named() -> None:
    callers = {"users": Callers(users=("orders", "mail"), others=("batch",))}
    (shared,) = findings(counted((970, 30, 1000), (970, 30, 1000)), callers)
    assert shared.sentence.endswith("stay on the stable release; likely batch, mail, orders")
    (around,) = findings(counted((900, 100, 1250)), callers)
    assert around.sentence.endswith("let them call users:live; likely batch"), "the others' grants allow aliases only"
    (nobody,) = findings(counted((900, 100, 1250)), {"users": Callers(users=("orders",))})
    assert nobody.sentence.endswith("; no service of the workspace says that it may")


def test_a_total_that_is_not_complete_yet_or_not_known_tells_nothing() -> None:
    assert findings(counted((900, 100, 400), (900, 100, None))) == ()


def test_few_calls_tell_nothing() -> None:
    assert findings(counted((100, 0, 150))) == ()


def test_each_minute_counts_at_its_own_weight() -> None:
    early = tally({}, [Share(function="users", minute=0, stable=950, canary=50)], 5)
    both = tally(early, [Share(function="users", minute=60, stable=500, canary=500)], 50)
    assert findings(both) == ()
    assert both["users"].expected == pytest.approx(550.0)


def test_shares_come_from_the_series_that_the_judge_reads_and_one_total() -> None:
    watches = [slot_watch("users", "shop-dev-users", stable="blue", canary="green")]
    stable, canary = (query for query in queries(watches) if query.metric == "Invocations")
    (whole,) = whole_queries(["shop-dev-users"])
    values = {stable: {60: 90.0}, canary: {60: 10.0}, whole: {60: 120.0, 120: 7.0}}
    assert shares(values, watches, ["shop-dev-users"]) == (
        Share(function="shop-dev-users", minute=60, stable=90, canary=10, all=120),
        Share(function="shop-dev-users", minute=120, stable=0, canary=0, all=7),
    )
    assert [share.all for share in shares(values, watches)] == [None]


def test_a_rollout_remembers_its_shares_and_forgets_none_through_json() -> None:
    world = World(a_rollout(), calls=600, bad=0)
    while world.weight != 10:
        world.turn()
    world.turn()
    world.now = BEGAN + 900
    minutes = to_judge(world.rollout, world.now)
    found = tuple(Share(function="f", minute=minute, stable=600, canary=0) for minute in minutes)
    seen = Observation(now=world.now, weight=10, shares=found, until=float(minutes.stop))
    rollout, _ = advance(world.rollout, seen)
    assert [finding.function for finding in findings(rollout.traffic)] == ["f"]
    assert Rollout.from_json(json.loads(json.dumps(rollout.to_json()))) == rollout
