"""What comes of releases, good ones and bad ones, while CloudWatch tells of everything late.

All of it happens in one environment, one release after the other: what is bad comes back, so that the next one finds
what it would have found alone. A test takes back what it has changed, unless that went live.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from journeys.canaries import (
    CAME_BACK,
    FAILING,
    HOOK,
    SORRY,
    busy,
    hastened,
    ledger,
    live_stage,
    status,
    under_way,
    weight,
)
from journeys.shop import request, well
from journeys.traffic import Client
from journeys.trouble import APP, mark, marked
from samples import soak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeys.conftest import Baseline
    from journeys.moments import Moment
    from journeys.shop import Shop

LATE = "90"
"""Seconds of CloudWatch's after which a data point can be read; on AWS it takes up to two minutes."""
GATES = """
[[environments.dev.rollout.metrics]]
name = "declined_share"
expression = "100 * declined / orders"
terms.declined = { namespace = "Shop", metric = "Declined", statistic = "Sum" }
terms.orders = { namespace = "Shop", metric = "Orders", statistic = "Sum" }
max = 20

[[environments.dev.rollout.metrics]]
name = "load"
expression = "SELECT MAX(Load) FROM SCHEMA(Shop, Slot) WHERE Slot = '{candidate}'"
max = 5
"""
ROUTES = "routes = [\n"
MORE_ROUTES = ROUTES + "".join(f'  "ANY /users/more/r{number}",\n' for number in range(66))
"""More pairs of verb and path than metric filters may count."""


@pytest.fixture(scope="module")
def numbers() -> dict[str, float]:
    """What the shop tells CloudWatch of itself: each slot's load, and how many orders of a hundred were declined."""
    return {"blue": 1.0, "green": 1.0, "Declined": 10.0, "Orders": 100.0}


@pytest.fixture(scope="module")
def late(baseline: Baseline, canary_told: Moment, numbers: dict[str, float]) -> Iterator[Shop]:
    """The shop whose dev ships by a canary that waits for late numbers, has gates, and can be throttled."""
    told = {"PENSTOCK_LOCAL_METRICS_DELAY": LATE, "PENSTOCK_LOCAL_REHEARSAL": "1"}
    with hastened(baseline.shop, canary_told, **told) as shop:
        shop.edit("penstock.toml", 'delay = "5s"', f'delay = "{LATE}s"')
        shop.append("penstock.toml", GATES)
        with published(shop, numbers):
            yield shop


@contextmanager
def published(shop: Shop, numbers: dict[str, float]) -> Iterator[None]:
    """Numbers of the shop's own in CloudWatch, all the time."""
    over = threading.Event()
    cloudwatch = shop.client("cloudwatch")

    def publish() -> None:
        while not over.wait(0.5):
            slots = [{"Name": "Slot", "Value": slot} for slot in ("blue", "green")]
            loads = [{"MetricName": "Load", "Value": numbers[one["Value"]], "Dimensions": [one]} for one in slots]
            others = [{"MetricName": name, "Value": numbers[name]} for name in ("Declined", "Orders")]
            cloudwatch.put_metric_data(Namespace="Shop", MetricData=[*loads, *others])

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def changed(shop: Shop, path: str, old: str, new: str) -> Iterator[None]:
    """A file while it is different."""
    before = (shop.root / path).read_text()
    shop.edit(path, old, new)
    try:
        yield
    finally:
        (shop.root / path).write_text(before)


def slots(shop: Shop) -> tuple[str, str]:
    """The one that has the traffic, and the other one."""
    live = str(live_stage(shop)["variables"]["slot"])
    return live, "green" if live == "blue" else "blue"


def counted(shop: Shop, metric: str, slot: str) -> list[int]:
    """What Lambda counts of user_service's calls by a slot, minute by minute, as it is known now."""
    now = datetime.now(tz=UTC)
    name = "shop-dev-user_service"
    found = shop.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": name}, {"Name": "Resource", "Value": f"{name}:{slot}"}],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(days=7),  # CloudWatch's clock is ahead of ours
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return [int(one["Sum"]) for one in sorted(found, key=lambda one: one["Timestamp"])]


def came_back(shop: Shop, before: str, customers: Client) -> dict[str, Any]:
    """All traffic is where it was, and only the candidate's share of the calls failed; what the ledger says last."""
    assert (weight(shop), shop.live_release()) == (0, before)
    assert 0 < len(customers.failed) < len(customers.asked) / 2, "only the canary's share failed"
    assert customers.failed[-1].at < customers.asked[-1].at
    told = [entry for entry in ledger(shop) if entry["release"] != before]
    assert told[-1]["what"].startswith("goes back: ")
    return told[-1]


def found(entry: dict[str, Any], signal: str) -> dict[str, Any]:
    """What the judge has found of user_service by one signal."""
    return next(
        one for one in entry["evidence"]["findings"] if (one["service"], one["signal"]) == ("user_service", signal)
    )


def test_a_healthy_release_is_promoted_by_all_that_its_callers_saw_however_late_that_is_known(late: Shop) -> None:
    mark(late, "new")
    _, candidate = slots(late)
    lost = Client(late, {"/users/nobody": 404}, rate=5)
    with busy(late) as customers, lost:
        ended = well(late.deploy())
    assert customers.failed == [], customers.explained
    assert lost.failed == [], "who asks for what is not there is told so by both sides, and that is no fault of either"
    assert marked(late) == "new"
    assert "50 % of the traffic goes to it" in ended.stderr
    assert "→ pass" in ended.stderr
    assert weight(late) == 0
    assert late.plan_status() == 0
    passed = next(one for one in reversed(ledger(late)) if one["what"].startswith("passed: "))
    minutes, calls = counted(late, "Invocations", candidate), found(passed, "errors")["canary"]["calls"]
    whole = {sum(minutes[begin:end]) for end in range(len(minutes) + 1) for begin in range(end)}
    assert calls in whole, f"{calls} calls are no whole minutes of {minutes}"
    assert {gate["name"]: gate["verdict"] for gate in passed["evidence"]["gates"]} == {
        "declined_share": "PASS",
        "load": "PASS",
    }


@pytest.mark.parametrize("share", [0.25, pytest.param(0.9, marks=soak)])
def test_a_release_that_fails_comes_back_by_itself_and_the_ledger_says_why(late: Shop, share: float) -> None:
    before = late.live_release()
    with changed(late, APP, HOOK, HOOK + FAILING.format(share=share)), busy(late) as customers:
        ended = late.deploy()
    assert ended.status == CAME_BACK, ended
    assert "user_service" in ended.stderr
    last = came_back(late, before, customers)
    # Where many calls fail, an alarm may be quicker than the judge.
    assert any(why in last["what"] for why in ("→ roll back", " rings")), last
    told = [entry for entry in ledger(late) if entry["release"] == last["release"]]
    assert {entry["weight"] for entry in told} == {50}
    assert told[0]["what"] == "50 % of the traffic goes to it"


def test_a_release_that_answers_500_without_any_exception_comes_back_by_itself(late: Shop) -> None:
    before = late.live_release()
    with changed(late, APP, HOOK, HOOK + SORRY), busy(late) as customers:
        ended = late.deploy()
    assert ended.status == CAME_BACK, ended
    assert "user_service: " in ended.stderr
    last = came_back(late, before, customers)
    # On a machine that does other things as well a call of a thousand may end otherwise.
    sorry = sum(one.body == "we are sorry" for one in customers.failed)
    assert sorry > len(customers.failed) / 2, f"{ended.stderr}\n{last}\n{customers.explained}"
    assert " canary calls answered 5xx, " in last["what"]
    assert found(last, "5xx")["verdict"] == "FAIL"
    assert found(last, "errors")["verdict"] != "FAIL", "to Lambda nothing was wrong"


@soak
def test_500s_are_found_by_a_query_of_the_log_where_metric_filters_cannot_count_the_routes(late: Shop) -> None:
    before = late.live_release()
    with (
        changed(late, "services/user_service/service.toml", ROUTES, MORE_ROUTES),
        changed(late, APP, HOOK, HOOK + SORRY),
        busy(late) as customers,
    ):
        ended = late.deploy()
    assert ended.status == CAME_BACK, ended
    assert "5xx are counted by a query of the access log" in ended.stderr
    last = came_back(late, before, customers)
    assert " canary calls answered 5xx, 0 of " in last["what"]


def test_a_release_that_finds_no_concurrency_left_comes_back_by_itself(late: Shop) -> None:
    before = late.live_release()
    code = late.root / APP
    known_by = code.with_name("PENSTOCK_REHEARSAL")
    known_by.touch()
    try:
        with busy(late) as customers:
            driver = under_way(late)
            throttled(late, 0.25)
            assert status(driver) == CAME_BACK
    finally:
        known_by.unlink()
        throttled(late, 0)
    last = came_back(late, before, customers)
    throttles = found(last, "throttles")
    assert throttles["canary"]["bad"] > 0 == throttles["stable"]["bad"]
    # The same calls are 5xx to their callers: of the two, the first that is sure is told.
    assert " were throttled, 0 of " in last["what"] or " answered 5xx, 0 of " in last["what"], last
    assert "FAIL" in {throttles["verdict"], found(last, "5xx")["verdict"]}


def throttled(shop: Shop, share: float) -> None:
    """From now on the embedded AWS has no concurrency left for this share of the candidate's calls."""
    faults = [{"kind": "throttling", "side": "candidate", "value": share}] if share else []
    answer = request("PUT", f"http://127.0.0.1:{shop.port}/_penstock/rehearsal", {"faults": faults})
    assert answer.status == 200, answer


def test_a_number_of_the_users_own_that_goes_bad_brings_the_release_back_and_the_ledger_says_why(
    late: Shop, numbers: dict[str, float]
) -> None:
    before, (_, candidate) = late.live_release(), slots(late)
    with (
        changed(late, APP, HOOK, HOOK + "    # another release, no worse than the one before\n"),
        busy(late) as customers,
    ):
        numbers[candidate] = 9.0
        ended = late.deploy()
        numbers[candidate] = 1.0
    assert ended.status == CAME_BACK, ended
    assert "load: " in ended.stderr
    assert "is more than 5, 2 times in a row → roll back" in ended.stderr
    assert customers.failed == [], "nothing else was wrong with it"
    assert (weight(late), late.live_release()) == (0, before)
    last = ledger(late)[-1]
    assert last["what"].startswith("goes back: load: ")
    assert {gate["name"]: gate["verdict"] for gate in last["evidence"]["gates"]} == {
        "declined_share": "PASS",
        "load": "FAIL",
    }
