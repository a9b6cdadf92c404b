"""The AWS CLI as a client, and alarms and metric math seen through boto3."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import ECHO, LOGS, REGION, SECRET, Account, zipped

from penstock.localaws.metric_math import MetricMathError, compute

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def aws(account: Account, tmp_path: Path) -> Callable[..., Any]:
    """The AWS CLI, as the account's administrator."""
    found = shutil.which("aws", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip("the AWS CLI is not on this machine")
    environment = {
        "AWS_ACCESS_KEY_ID": account.number,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": account.server.url,
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [found, *arguments, "--output", "json"],
            check=False,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    return run


def test_the_cli_ships_a_function_and_reads_its_log(account: Account, aws: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(zipped({"app.py": "def handler(event, context):\n    print('hello', event)\n"}))
    bucket = f"cli-{account.number}"
    aws("s3", "mb", f"s3://{bucket}")
    aws("s3", "cp", "code.zip", f"s3://{bucket}/code.zip")
    assert (
        account.client("s3").get_object(Bucket=bucket, Key="code.zip")["Body"].read()
        == (tmp_path / "code.zip").read_bytes()
    )
    role = account.role("r", LOGS)
    created = aws(
        *("lambda", "create-function", "--function-name", "f", "--role", role, "--handler", "app.handler"),
        *("--runtime", f"python3.{sys.version_info.minor}", "--code", f"S3Bucket={bucket},S3Key=code.zip"),
    )
    assert created["FunctionArn"] == f"arn:aws:lambda:{REGION}:{account.number}:function:f"
    aws("lambda", "wait", "function-active-v2", "--function-name", "f")
    (tmp_path / "event.json").write_text('{"n": 1}')
    answer = aws("lambda", "invoke", "--function-name", "f", "--payload", "fileb://event.json", "out.json")
    assert answer["StatusCode"] == 200
    assert "hello {'n': 1}" in str(aws("logs", "filter-log-events", "--log-group-name", "/aws/lambda/f"))


def alarm(account: Account, **settings: Any) -> Callable[[], str]:
    client = account.client("cloudwatch")
    defaults: dict[str, Any] = {
        "AlarmName": "a",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 0,
    }
    client.put_metric_alarm(**{**defaults, **settings})
    return lambda: str(client.describe_alarms(AlarmNames=["a"])["MetricAlarms"][0]["StateValue"])


ERRORS: dict[str, Any] = {
    "Dimensions": [{"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": "f:live"}],
    "MetricName": "Errors",
    "Namespace": "AWS/Lambda",
    "Period": 60,
    "Statistic": "Sum",
}


def eventually(state: Callable[[], str], wanted: str) -> bool:
    until = time.monotonic() + 5
    while state() != wanted and time.monotonic() < until:
        time.sleep(0.1)
    return state() == wanted


def test_an_alarm_rings_for_its_dimensions_only(account: Account) -> None:
    account.function("f", "def handler(event, context):\n    1 / event['by']\n", Publish=True)
    account.client("lambda").create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    state = alarm(account, **ERRORS)
    assert state() == "INSUFFICIENT_DATA"
    account.invoke("f", {"by": 0})
    time.sleep(1.5)
    assert state() == "INSUFFICIENT_DATA", "the error was not on the alias"
    account.invoke("f", {"by": 1}, Qualifier="live")
    assert eventually(state, "OK")
    account.invoke("f", {"by": 0}, Qualifier="live")
    assert eventually(state, "ALARM")


def test_missing_data_is_treated_as_told(account: Account) -> None:
    for treat, wanted in (("notBreaching", "OK"), ("breaching", "ALARM"), ("missing", "INSUFFICIENT_DATA")):
        assert eventually(alarm(account, **ERRORS, TreatMissingData=treat), wanted), treat


def test_an_alarm_on_a_rate_computes_it(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")

    def metric(name: str) -> dict[str, Any]:
        stat = {"Metric": {"Namespace": "Own", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": name.lower(), "MetricStat": stat, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": True}
    queries = [rate, metric("Errors"), metric("Calls")]
    state = alarm(account, Metrics=queries, Threshold=20)
    described = cloudwatch.describe_alarms(AlarmNames=["a"])["MetricAlarms"][0]
    assert {query["Id"]: query.get("Expression") for query in described["Metrics"]} == {
        "rate": "100 * errors / calls",
        "errors": None,
        "calls": None,
    }
    data = [("Errors", 1.0), ("Calls", 10.0)]
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": n, "Value": v} for n, v in data])
    assert eventually(state, "OK")
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{"MetricName": "Errors", "Value": 5.0}])
    assert eventually(state, "ALARM")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("100 * e / c", 25.0),
        ("e / none", None),
        ("e / zero", None),
        ("FILL(none, 0) + e", 1.0),
        ("IF(c > 3, e, 7)", 1.0),
        ("MAX([e, c])", 4.0),
        ("-(e - c) ^ 2", -9.0),
    ],
)
def test_metric_math(expression: str, value: float | None) -> None:
    assert compute(expression, {"e": 1.0, "c": 4.0, "zero": 0.0, "none": None}) == value


@pytest.mark.parametrize("expression", ["unknown + 1", "__import__('os')", "e.real", "(", "SEARCH('x', 'Sum', 60)"])
def test_metric_math_that_is_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(MetricMathError):
        compute(expression, {"e": 1.0})


def test_api_calls_are_counted_by_api_and_stage(account: Account) -> None:
    arn = account.function("f", ECHO % "one", Publish=True)
    account.client("lambda").create_alias(FunctionName="f", Name="blue", FunctionVersion="1")
    name = f"count-{account.number}"
    api = account.api(name, arn)
    account.permit("f", "blue", api)
    gateway = account.client("apigateway")
    gateway.create_stage(
        restApiId=api,
        stageName="live",
        deploymentId=gateway.create_deployment(restApiId=api)["id"],
        variables={"slot": "blue"},
    )
    for _ in range(3):
        account.server.call(f"/@{name}/users")
    now = time.time()
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway",
        MetricName="Count",
        Dimensions=[{"Name": "ApiName", "Value": name}, {"Name": "Stage", "Value": "live"}],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 3
