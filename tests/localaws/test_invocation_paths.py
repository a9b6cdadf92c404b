"""Whichever way a call takes to an alias: its weights share it out, and its version counts it."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from localaws.harness import Account

CODE = "def handler(event, context):\n    return {'statusCode': 200, 'body': %r}\n"
CALLS = 16
READS = [
    *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    *("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
]


def by_invoke(account: Account, arn: str) -> None:
    for _ in range(CALLS):
        account.client("lambda").invoke(FunctionName=arn, InvocationType="RequestResponse")


def by_asynchronous_invoke(account: Account, arn: str) -> None:
    for _ in range(CALLS):
        assert account.client("lambda").invoke(FunctionName=arn, InvocationType="Event")["StatusCode"] == 202


def by_api(account: Account, arn: str) -> None:
    name = f"paths-{account.number}"
    api = account.api(name, arn.removesuffix(":live"))
    account.permit("f", "live", api)
    gateway = account.client("apigateway")
    made = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName="live", deploymentId=made, variables={"slot": "live"})
    assert all(account.server.call(f"/@{name}/users")[0] == 200 for _ in range(CALLS))


def by_topic(account: Account, arn: str) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    for number in range(CALLS):
        sns.publish(TopicArn=topic, Message=str(number))


def by_bucket(account: Account, arn: str) -> None:
    s3 = account.bucket(f"paths-{account.number}")
    s3.put_bucket_notification_configuration(
        Bucket=f"paths-{account.number}",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    for number in range(CALLS):
        s3.put_object(Bucket=f"paths-{account.number}", Key=str(number), Body=io.BytesIO(b"x"))


def by_stream(account: Account, arn: str) -> None:
    dynamodb = account.client("dynamodb")
    stream = dynamodb.create_table(
        TableName="items",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    account.client("lambda").create_event_source_mapping(
        FunctionName=arn, EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=1
    )
    for number in range(CALLS):
        dynamodb.put_item(TableName="items", Item={"id": {"S": str(number)}})


def by_queue(account: Account, arn: str) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="outbox")["QueueUrl"]
    source = f"arn:aws:sqs:eu-west-1:{account.number}:outbox"
    account.client("lambda").create_event_source_mapping(FunctionName=arn, EventSourceArn=source, BatchSize=1)
    for number in range(CALLS):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))


def by_event(account: Account, arn: str) -> None:
    events = account.client("events")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "f", "Arn": arn}])
    for _ in range(CALLS):
        events.put_events(Entries=[{"Detail": "{}", "DetailType": "ordered", "Source": "shop"}])


@pytest.mark.parametrize(
    "path", [by_invoke, by_asynchronous_invoke, by_api, by_topic, by_bucket, by_stream, by_queue, by_event]
)
def test_calls_are_shared_out_and_counted_by_version(account: Account, path: Callable[[Account, str], None]) -> None:
    role = account.role("f", LOGS, {"Effect": "Allow", "Action": READS, "Resource": "*"})
    account.function("f", CODE % "one", role, Publish=True)
    assert account.release("f", CODE % "two") == "2"
    made = account.client("lambda").create_alias(
        FunctionName="f",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    path(account, made["AliasArn"])
    deadline = time.monotonic() + 30
    while counted(account, Resource="f:live") < CALLS and time.monotonic() < deadline:
        time.sleep(0.2)
    one, two = (counted(account, Resource="f:live", ExecutedVersion=version) for version in ("1", "2"))
    assert (one + two, counted(account, Resource="f:live"), counted(account)) == (CALLS, CALLS, CALLS)
    assert min(one, two) > 0  # but for one run in 30,000


def counted(account: Account, **dimensions: str) -> float:
    now = time.time()
    wanted: dict[str, Any] = {"FunctionName": "f", **dimensions}
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": name, "Value": value} for name, value in wanted.items()],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))
