"""Faults on request, as boto3 and functions meet them."""

from __future__ import annotations

import json
import secrets
import signal
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from localaws.harness import LOGS, Account, Server, zipped

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKS = """
import boto3
def handler(event, context):
    try:
        return sorted(boto3.client("dynamodb").list_tables()["TableNames"])
    except Exception as error:
        return str(error)
"""
TABLES = {"Effect": "Allow", "Action": ["dynamodb:ListTables"], "Resource": "*"}


@pytest.fixture(scope="module")
def rehearsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("rehearsing") / "state", options=("--rehearsal", "--time-scale", "60"))
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture
def account(rehearsing: Server) -> Iterator[Account]:
    yield Account(rehearsing, f"{secrets.randbelow(9 * 10**11) + 10**11}")
    fail(rehearsing)


def fail(server: Server, *faults: tuple[str, str, float]) -> None:
    body = {"faults": [{"kind": kind, "side": side, "value": value} for kind, side, value in faults]}
    request = urllib.request.Request(f"{server.url}/_penstock/rehearsal", data=json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def two_sides(account: Account) -> Any:
    """A function whose alias `blue` is the stable release, and `green` the candidate."""
    account.function("f", ASKS, account.role("f", LOGS, TABLES), Timeout=20)
    client = account.client("lambda")
    stable = client.publish_version(FunctionName="f")["Version"]
    client.update_function_code(FunctionName="f", ZipFile=zipped({"app.py": ASKS, "PENSTOCK_REHEARSAL": ""}))
    candidate = client.publish_version(FunctionName="f")["Version"]
    for alias, version in {"blue": stable, "green": candidate}.items():
        client.create_alias(FunctionName="f", Name=alias, FunctionVersion=version)
    return client


def test_the_candidate_is_throttled_and_cloudwatch_counts_it(account: Account) -> None:
    two_sides(account)
    fail(account.server, ("throttling", "candidate", 1.0))
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        account.invoke("f", Qualifier="green")
    assert account.invoke("f", Qualifier="blue")[0] == []
    assert counted(account, "Throttles", "green") > 0
    assert counted(account, "Invocations", "green") == 0
    assert counted(account, "Throttles", "blue") == 0


def test_the_candidates_environments_start_slowly_once_also_what_a_check_has_warmed(account: Account) -> None:
    two_sides(account)
    for alias in ("green", "blue"):
        account.invoke("f", Qualifier=alias)
    warmed = account.server.control("GET", "rehearsal")["calls"]
    fail(account.server, ("cold-start", "candidate", 1.5))
    for alias in ("green", "green", "blue"):
        account.invoke("f", Qualifier=alias)
    told = account.server.control("GET", "rehearsal")
    first, *others = (call[3] for call in told["calls"])
    assert first >= 1.5
    assert told["hits"]["cold-start candidate"] == 1
    others += (call[3] for call in warmed)
    longest = max(first - 1.5, *others) * 1000
    assert counted(account, "Duration", "green", "Maximum") <= longest * 1.05, "as on AWS it is not in Duration"


def test_the_candidates_dependencies_are_denied_to_it_alone_also_where_it_runs_already(account: Account) -> None:
    two_sides(account)
    assert account.invoke("f", Qualifier="green")[0] == []
    fail(account.server, ("dependency-denied", "candidate", 0.0))
    denied, _ = account.invoke("f", Qualifier="green")
    assert "AccessDenied" in denied
    assert "assumed-role/f/f is not authorized to perform: dynamodb:ListTables" in denied
    assert account.invoke("f", Qualifier="blue")[0] == []


def test_an_alarm_that_rings_goes_on_ringing_until_the_fault_ends(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="failing",
        Namespace="Own",
        MetricName="Bad",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "Bad", "Value": 1}])
    fail(account.server, ("alarm-ringing", "both", 0.0))
    wait_until(account, "ALARM")
    assert account.server.control("GET", "rehearsal")["alarms"] == ["failing"]
    time.sleep(2.5)  # two and a half minutes of CloudWatch's: nothing is bad any more
    wait_until(account, "ALARM")
    fail(account.server)
    wait_until(account, "OK")


def test_control_planes_are_busy_and_broken_for_administrators_alone(account: Account) -> None:
    client = two_sides(account)
    fail(account.server, ("aws-errors", "both", 1.0))
    codes = set()
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            client.list_functions()
        codes.add(refused.value.response["Error"]["Code"])
    assert codes <= {"TooManyRequestsException", "ServiceException"}
    with pytest.raises(ClientError):
        client.update_function_code(FunctionName="f", ZipFile=zipped({"app.py": "x" * 100_000}))
    assert account.invoke("f", Qualifier="blue")[0] == [], "a function's own calls are answered"
    assert account.server.control("GET", "rehearsal")["hits"]["aws-errors both"] >= 3
    fail(account.server)
    assert [one["FunctionName"] for one in client.list_functions()["Functions"]] == ["f"]


def counted(account: Account, metric: str, alias: str, statistic: str = "Sum") -> float:
    found = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": f"f:{alias}"}],
        StartTime=0,
        EndTime=4_000_000_000,
        Period=86_400,
        Statistics=[statistic],
    )
    points = [point[statistic] for point in found["Datapoints"]]  # two where a day of its quick clock ends meanwhile
    return float(max(points, default=0) if statistic == "Maximum" else sum(points))


def wait_until(account: Account, state: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        (alarm,) = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if alarm["StateValue"] == state:
            return
        assert time.monotonic() < deadline, alarm
        time.sleep(0.1)
