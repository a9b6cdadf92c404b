"""CloudWatch: how long invocations take, and statistics beyond averages."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING

import pytest

from penstock.localaws.statistics import compute, known

if TYPE_CHECKING:
    from localaws.harness import Account

STARTS_LATE = """
import time
time.sleep(1.5)
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    if event.get("fails"):
        raise ValueError("no")
"""
SAMPLES = [(100.0, 6.0), (300.0, 2.0), (301.0, 1.0), (900.0, 1.0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TC(300:)", 2.0),
        ("TC(:300)", 8.0),
        ("TC(100:301)", 3.0),
        ("TC(900:)", 0.0),
        ("TS(300:)", 1201.0),
        ("TM(:300)", 150.0),
        ("TM(1000:)", None),
        ("PR(:300)", 80.0),
        ("TC(:80%)", 8.0),
        ("TM(60%:90%)", 901 / 3),
        ("tc80", 8.0),
        ("tm80", 150.0),
        ("ts60", 600.0),
    ],
)
def test_trimmed_statistics_have_an_exclusive_lower_and_an_inclusive_upper_bound(
    name: str, value: float | None
) -> None:
    assert known(name)
    assert compute(name, SAMPLES) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize("name", ["", "Sum", "p95", "TC", "TC()x", "TC(300)", "TX(1:2)", "PR(a:b)"])
def test_other_names_are_none_of_them(name: str) -> None:
    assert not known(name)


def test_the_duration_is_that_of_the_report_without_the_initialisation(account: Account) -> None:
    account.function("f", STARTS_LATE)
    _, cold = account.invoke("f", {"fails": True}, LogType="Tail")
    report = re.search(
        r"\tDuration: ([\d.]+) ms.*Init Duration: ([\d.]+) ms", base64.b64decode(cold["LogResult"]).decode()
    )
    assert report is not None
    assert float(report[2]) > 1500
    count, longest = durations(account)
    assert count == 1
    assert longest == pytest.approx(float(report[1]), rel=0.03), "in buckets that are 3 % wide"
    assert longest < 1000

    account.invoke("f", {"seconds": 0.2})
    count, longest = durations(account)
    assert count == 2
    assert 194 <= longest < 1000, "what the handler takes is in it"


def durations(account: Account) -> tuple[float, float]:
    """How many there are, and the longest in milliseconds."""
    found = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=[{"Name": "FunctionName", "Value": "f"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=86_400,
        Statistics=["Maximum", "SampleCount"],
    )["Datapoints"]
    return sum(point["SampleCount"] for point in found), max(point["Maximum"] for point in found)
