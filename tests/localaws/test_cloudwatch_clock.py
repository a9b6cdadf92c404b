"""CloudWatch on a clock of its own, with data that comes late: both only on request, and said."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import Account, Server

from penstock.localaws.clock import Clock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCALE = 60.0
DELAY = 120.0
NUMBER = "444455556666"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--time-scale", f"{SCALE:g}", "--metrics-delay", f"{DELAY:g}")
    running = Server(tmp_path_factory.mktemp("clock") / "state", options=options)
    running.start()
    yield running
    running.end()


def test_it_says_that_time_is_not_aws_time(fast: Server, server: Server) -> None:
    clock = fast.control("GET", "health")["clock"]
    assert (clock["scale"], clock["metrics_delay"]) == (SCALE, DELAY)
    assert abs(clock["origin"] - time.time()) < 60
    said = fast.log.read_text()
    assert "CloudWatch's clock runs 60 times as fast (--time-scale)" in said
    assert "appear after 120 s" in said
    assert server.control("GET", "health")["clock"] == {"scale": 1.0, "origin": 0.0, "metrics_delay": 0.0}
    assert "CloudWatch" not in server.log.read_text()


def test_metrics_and_log_events_have_the_fast_time_and_metrics_come_late(fast: Server) -> None:
    account = Account(fast, NUMBER)
    origin = fast.control("GET", "health")["clock"]["origin"]
    account.function("users", "def handler(event, context):\n    print('here')\n    return 1\n")
    account.invoke("users")
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/users", filterPattern="here")["events"]
    clock = Clock(scale=SCALE, origin=origin)
    assert abs(events[0]["timestamp"] / 1000 - clock.now()) < 3 * SCALE
    assert invocations(account, clock) == 0, "not published yet"
    while clock.now() < events[0]["timestamp"] / 1000 + DELAY + 1:
        time.sleep(0.05)
    assert invocations(account, clock) == 1


def invocations(account: Account, clock: Clock) -> float:
    points: Any = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "users"}],
        StartTime=clock.now() - 7200,
        EndTime=clock.now() + 600,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_alarms_keep_the_fast_time(fast: Server) -> None:
    account = Account(fast, NUMBER)
    cloudwatch = account.client("cloudwatch")
    clock = Clock(scale=SCALE, origin=fast.control("GET", "health")["clock"]["origin"])
    cloudwatch.put_metric_alarm(
        AlarmName="bad",
        Namespace="Own",
        MetricName="Bad",
        Statistic="Sum",
        Period=3600,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "Bad", "Value": 1.0}])
    state = ""
    deadline = time.monotonic() + 20
    while state != "ALARM" and time.monotonic() < deadline:
        time.sleep(0.1)
        alarm = cloudwatch.describe_alarms(AlarmNames=["bad"])["MetricAlarms"][0]
        state = alarm["StateValue"]
    assert state == "ALARM", "its data came after the delay"
    assert abs(alarm["StateUpdatedTimestamp"].timestamp() - clock.now()) < 10 * SCALE


def test_a_restart_goes_on_at_the_same_scale_and_begins_anew_at_another(tmp_path: Path) -> None:
    first = opened(tmp_path, 60.0)
    assert opened(tmp_path, 60.0) == first
    assert json.loads((tmp_path / "clock.json").read_text())["scale"] == 60.0
    assert opened(tmp_path, 1.0) == Clock()
    other = opened(tmp_path, 30.0)
    assert (other.scale, other.origin >= first.origin) == (30.0, True)
    (tmp_path / "clock.json").write_text("{")
    assert opened(tmp_path, 30.0).scale == 30.0


def test_a_scaled_clock_starts_where_ours_is() -> None:
    clock = Clock(scale=60.0, origin=1000.0)
    assert (clock.of(1000.0), clock.of(1001.0), Clock().of(1234.5)) == (1000.0, 1060.0, 1234.5)
