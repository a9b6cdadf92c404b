"""CloudWatch: how long invocations take, and statistics beyond averages."""

from __future__ import annotations

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from penstock.localaws.metrics import recorder
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


class Series(list[dict[str, Any]]):
    """The points of a series, and how many threads were between looking for theirs and having it there, at most."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.most = 0

    def found(self, _key: object) -> Series:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.002)
        return self

    def append(self, point: dict[str, Any]) -> None:
        super().append(point)
        self.inside -= 1


def test_calls_that_end_at_once_in_many_threads_are_counted_one_by_one() -> None:
    series = Series()
    record = recorder(SimpleNamespace(_metric_bucket=series.found, _dims_key=lambda _dimensions: ""), time.time, Lock())
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(record, "AWS/Lambda", "Invocations", number) for number in range(40)]:
            done.result()
    assert (series.most, len(series)) == (1, 40)


def test_the_duration_is_that_of_the_report_without_the_initialisation(account: Account) -> None:
    account.function("f", STARTS_LATE, Timeout=30)
    cold, init = reported(account, {"fails": True})
    assert init is not None
    assert init > 1500
    assert durations(account) == (1, pytest.approx(cold, rel=0.05)), "CloudWatch keeps buckets"
    warm, init = reported(account, {"seconds": 0.2})
    assert (init, warm >= 200) == (None, True), "what the handler takes is in it"
    assert durations(account) == (2, pytest.approx(max(cold, warm), rel=0.05))


def reported(account: Account, event: dict[str, Any]) -> tuple[float, float | None]:
    """The milliseconds of REPORT: the duration, and the initialisation where there was one."""
    log = base64.b64decode(account.invoke("f", event, LogType="Tail")[1]["LogResult"]).decode()
    found = {name: float(taken) for name, taken in re.findall(r"\t((?:Init )?Duration): ([\d.]+) ms", log)}
    return found["Duration"], found.get("Init Duration")


def durations(account: Account) -> tuple[Any, Any]:
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
