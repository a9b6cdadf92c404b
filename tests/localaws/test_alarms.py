"""Alarms: how many data points of which periods, and what they do when they change."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import LOGS

if TYPE_CHECKING:
    from localaws.harness import Account

ALARM: dict[str, Any] = {
    "AlarmName": "a",
    "ComparisonOperator": "GreaterThanThreshold",
    "MetricName": "Errors",
    "Namespace": "Own",
    "Threshold": 3,
}
WRITES = {"Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "*"}
NOTES = """
import boto3, json
def handler(event, context):
    boto3.client("ssm").put_parameter(Name="/rang", Value=json.dumps(event), Type="String", Overwrite=True)
"""


def state(account: Account, wanted: str) -> str:
    """The alarm's state, after a while in which it may become the one that is wanted."""
    found, deadline = "", time.monotonic() + 8
    while found != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
        found = account.client("cloudwatch").describe_alarms(AlarmNames=["a"])["MetricAlarms"][0]["StateValue"]
    return found


def publish(account: Account, *values: tuple[float, float]) -> None:
    """Data points as minutes ago and value, in the middle of a minute."""
    minute = time.time() // 60 * 60
    account.client("cloudwatch").put_metric_data(
        Namespace="Own",
        MetricData=[{"MetricName": "Errors", "Timestamp": minute - 60 * ago + 1, "Value": v} for ago, v in values],
    )


@pytest.mark.parametrize(
    ("settings", "values", "wanted"),
    [
        ({"EvaluationPeriods": 4, "DatapointsToAlarm": 2}, [(0, 0), (1, 5), (2, 0), (3, 5)], "ALARM"),
        ({"EvaluationPeriods": 4, "DatapointsToAlarm": 3}, [(0, 0), (1, 5), (2, 0), (3, 5)], "OK"),
        ({"EvaluationPeriods": 2}, [(0, 5), (1, 5)], "ALARM"),
        ({"EvaluationPeriods": 2}, [(0, 5), (1, 0), (2, 5)], "OK"),
        ({"EvaluationPeriods": 1, "Period": 600, "Statistic": "Average"}, [(0, 2), (0, 3)], "OK"),
        ({"EvaluationPeriods": 1, "Period": 60, "Statistic": "Sum"}, [(0, 2), (0, 3)], "ALARM"),
        ({"EvaluationPeriods": 1, "Statistic": "Minimum"}, [(0, 2), (0, 9)], "OK"),
        ({"EvaluationPeriods": 1, "ExtendedStatistic": "p90"}, [(0, 2), (0, 9)], "ALARM"),
        ({"EvaluationPeriods": 3, "TreatMissingData": "breaching", "DatapointsToAlarm": 2}, [(0, 0)], "ALARM"),
    ],
)
def test_so_many_data_points_of_so_many_periods_ring(
    account: Account, settings: dict[str, Any], values: list[tuple[float, float]], wanted: str
) -> None:
    statistic = {} if "ExtendedStatistic" in settings else {"Statistic": "Sum"}
    account.client("cloudwatch").put_metric_alarm(**{**ALARM, "Period": 60, **statistic, **settings})
    publish(account, *values)
    assert state(account, wanted) == wanted


@pytest.mark.parametrize(
    ("treat", "before", "wanted"),
    [
        (None, "ALARM", "INSUFFICIENT_DATA"),
        ("missing", "ALARM", "INSUFFICIENT_DATA"),
        ("notBreaching", "ALARM", "OK"),
        ("breaching", "OK", "ALARM"),
    ],
)
def test_without_any_data_an_alarm_does_as_it_was_told(
    account: Account, treat: str | None, before: str, wanted: str
) -> None:
    cloudwatch = account.client("cloudwatch")
    treatment = {} if treat is None else {"TreatMissingData": treat}
    cloudwatch.put_metric_alarm(**ALARM, EvaluationPeriods=2, Period=60, Statistic="Sum", **treatment)
    cloudwatch.set_alarm_state(AlarmName="a", StateValue=before, StateReason="a test says so")
    assert state(account, wanted) == wanted


def test_an_alarm_that_ignores_missing_data_stays_as_it_is(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    for name, treat in (("ignores", "ignore"), ("a", "notBreaching")):
        settings = {**ALARM, "AlarmName": name, "EvaluationPeriods": 2, "Period": 60, "Statistic": "Sum"}
        cloudwatch.put_metric_alarm(**settings, TreatMissingData=treat)
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test says so")
    assert state(account, "OK") == "OK", "the other one has been looked at"
    found = cloudwatch.describe_alarms(AlarmNames=["ignores"])["MetricAlarms"][0]["StateValue"]
    assert found == "ALARM"


def test_an_alarm_tells_its_topic_and_calls_its_function_when_it_changes(account: Account) -> None:
    sns, sqs, client = account.client("sns"), account.client("sqs"), account.client("lambda")
    topic = sns.create_topic(Name="t")["TopicArn"]
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    account.function("f", NOTES, account.role("f", LOGS, WRITES), Publish=True)
    alias = client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["AliasArn"]
    settings = {**ALARM, "EvaluationPeriods": 1, "Period": 60, "Statistic": "Sum"}
    account.client("cloudwatch").put_metric_alarm(**settings, AlarmActions=[topic, alias], OKActions=[topic])
    publish(account, (0, 0))
    assert state(account, "OK") == "OK"
    publish(account, (0, 9))
    assert state(account, "ALARM") == "ALARM"
    told = [
        json.loads(json.loads(message["Body"])["Message"])["NewStateValue"]
        for _ in range(2)
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=1)["Messages"]
    ]
    assert sorted(told) == ["ALARM", "OK"]
    event: dict[str, Any] = {}
    deadline = time.monotonic() + 10
    while not event and time.monotonic() < deadline:
        time.sleep(0.2)
        found = account.client("ssm").get_parameters(Names=["/rang"])["Parameters"]
        event = json.loads(found[0]["Value"]) if found else {}
    assert (event["source"], event["accountId"]) == ("aws.cloudwatch", account.number)
    assert event["alarmData"]["alarmName"] == "a"
    assert (event["alarmData"]["state"]["value"], event["alarmData"]["previousState"]["value"]) == ("ALARM", "OK")
    metric = event["alarmData"]["configuration"]["metrics"][0]["metricStat"]
    assert metric == {"metric": {"dimensions": {}, "name": "Errors", "namespace": "Own"}, "period": 60, "stat": "Sum"}
