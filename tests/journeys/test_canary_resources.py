"""What a canary needs besides code: warm environments, an index of only one of the releases, alarms."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from journeys.canaries import CAME_BACK, FAILING, HOOK, busy, ledger, live_stage, status, under_way, weight
from journeys.shop import until, well
from journeys.trouble import APP, mark, marked

if TYPE_CHECKING:
    from journeys.shop import Shop

USERS = "services/user_service/service.toml"
ORDERS = "services/order_service/service.toml"
ALARM = "checkout-is-down"


def warm(shop: Shop) -> dict[str, int]:
    """How many environments of user_service are kept warm, by alias."""
    found = {}
    for alias in ("blue", "green"):
        with suppress(ClientError):  # nothing is kept warm there
            told = shop.client("lambda").get_provisioned_concurrency_config(
                FunctionName="shop-dev-user_service", Qualifier=alias
            )
            found[alias] = told["RequestedProvisionedConcurrentExecutions"]
    return found


def live(shop: Shop) -> str:
    """The slot that has the traffic."""
    return str(live_stage(shop)["variables"]["slot"])


def indexes(shop: Shop) -> list[str]:
    """Of the table of orders."""
    table = shop.client("dynamodb").describe_table(TableName="shop-dev-orders")["Table"]
    return [one["IndexName"] for one in table.get("GlobalSecondaryIndexes", ())]


def rings(shop: Shop, *, now: bool) -> None:
    """An alarm of the user's own, which nothing but this test moves."""
    cloudwatch = shop.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="Shop",
        MetricName="Nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM" if now else "OK", StateReason="a test says so")


def test_the_slot_of_a_canary_is_warm_before_traffic_comes_and_only_the_live_one_afterwards(quick: Shop) -> None:
    quick.append(USERS, "\n[environments.dev]\nconcurrency = { provisioned = 2 }\n")
    well(quick.deploy("--strategy", "all-at-once"))
    before = live(quick)
    assert warm(quick) == {before: 2}
    mark(quick, "new")
    with busy(quick) as customers:
        driver = under_way(quick)
        assert warm(quick) == {"blue": 2, "green": 2}
        assert quick.plan_status() == 0
        assert status(driver) == 0
    assert customers.failed == [], customers.explained
    assert live(quick) != before
    until(lambda: warm(quick) == {live(quick): 2}, "the slot without traffic is given back", within=10)
    quick.edit(APP, HOOK, HOOK + FAILING.format(share=0.9))
    with busy(quick):
        assert quick.deploy().status == CAME_BACK
    assert warm(quick) == {live(quick): 2}


def test_an_index_that_only_the_release_before_needs_stays_as_long_as_somebody_may_go_back_to_it(quick: Shop) -> None:
    quick.edit("penstock.toml", 'deadline = "90m"', 'deadline = "90m"\nwindow = "1h"')
    quick.edit(ORDERS, 'indexes = { by_user = { user_id = "S", placed_at = "S" } }', "# no index")
    mark(quick, "new")
    with busy(quick) as customers:
        driver = under_way(quick)
        assert indexes(quick) == ["by_user"]
        assert status(driver) == 0
        assert indexes(quick) == ["by_user"]
        told = well(quick.run("status", "-e", "dev")).stderr
        assert re.search(r"kept until .* UTC for a rollback: index by_user of table_orders", told), told
        well(quick.run("rollback", "-e", "dev"))
    assert customers.failed == [], customers.explained
    assert (marked(quick), indexes(quick)) == ("", ["by_user"])
    quick.edit("penstock.toml", 'window = "1h"', 'window = "0s"')
    well(quick.deploy("--strategy", "all-at-once", "--auto-approve"))
    assert (marked(quick), indexes(quick)) == ("new", [])
    assert quick.plan_status() == 0


def test_an_alarm_that_rings_already_does_not_keep_the_fix_from_going_out(quick: Shop) -> None:
    quick.edit("penstock.toml", 'deadline = "90m"', f'deadline = "90m"\nalarms = ["{ALARM}"]')
    rings(quick, now=True)
    mark(quick, "fixed")
    with busy(quick):
        ended = well(quick.deploy())
    assert ALARM in ended.stderr
    assert (weight(quick), marked(quick)) == (0, "fixed")


def test_an_alarm_of_the_users_own_that_begins_to_ring_brings_the_release_back(quick: Shop) -> None:
    quick.edit("penstock.toml", 'deadline = "90m"', f'deadline = "90m"\nalarms = ["{ALARM}"]')
    rings(quick, now=False)
    mark(quick, "new")
    with busy(quick) as customers:
        driver = under_way(quick)
        rings(quick, now=True)
        assert status(driver) == CAME_BACK
    assert customers.failed == [], customers.explained
    assert (weight(quick), marked(quick)) == (0, "")
    assert ALARM in ledger(quick)[-1]["what"]
