"""DynamoDB streams: nothing lost over a restart, bad batches split, retried, given up."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from localaws.harness import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from localaws.harness import Server

KEEP = """
import boto3
def handler(event, context):
    ids = [r["dynamodb"]["Keys"]["id"]["S"] for r in event["Records"]]
    print("batch", ids)
    if any(i.startswith("poison") for i in ids):
        raise ValueError(ids)
    for i in ids:
        boto3.client("dynamodb").put_item(TableName="seen", Item={"id": {"S": i}})
"""


def wired(account: Account, **mapping: Any) -> tuple[Any, str]:
    """Tables ``orders`` (with a stream) and ``seen``, a function from one to the other, a queue for what failed."""
    role = account.role("r", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    f = account.function("f", KEEP, role, Timeout=10)
    tables = account.client("dynamodb")
    key: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    tables.create_table(TableName="seen", **key)
    stream = tables.create_table(
        TableName="orders", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}, **key
    )["TableDescription"]["LatestStreamArn"]
    queues = account.client("sqs")
    url: str = queues.create_queue(QueueName="dead")["QueueUrl"]
    dead = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    account.client("lambda").create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=f,
        StartingPosition="TRIM_HORIZON",
        DestinationConfig={"OnFailure": {"Destination": dead}},
        **mapping,
    )
    return tables, url


def put(tables: Any, *ids: str) -> None:
    for each in ids:
        tables.put_item(TableName="orders", Item={"id": {"S": each}})


def seen(tables: Any) -> set[str]:
    return {item["id"]["S"] for item in tables.scan(TableName="seen")["Items"]}


def eventually(condition: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def test_records_after_a_restart_are_delivered(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    tables, _ = wired(account)
    put(tables, "1", "2", "3")
    assert eventually(lambda: seen(tables) == {"1", "2", "3"})
    time.sleep(1)
    own_server.restart()
    put(tables, "4")

    assert eventually(lambda: "4" in seen(tables)), "ministack skipped as many records as it had read before"


def test_a_bad_record_is_split_off_given_up_and_reported_while_the_others_pass(account: Account) -> None:
    mapping = {"BisectBatchOnFunctionError": True, "MaximumRetryAttempts": 0, "BatchSize": 8}
    tables, dead = wired(account, **mapping, Enabled=False)
    put(tables, "1", "2", "poison", "4", "5")
    client = account.client("lambda")
    identity = client.list_event_source_mappings(FunctionName="f")["EventSourceMappings"][0]["UUID"]
    client.update_event_source_mapping(UUID=identity, Enabled=True)

    assert eventually(lambda: seen(tables) == {"1", "2", "4", "5"}), seen(tables)
    messages = account.client("sqs").receive_message(QueueUrl=dead, WaitTimeSeconds=2)["Messages"]
    report = json.loads(messages[0]["Body"])
    assert report["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert report["DDBStreamBatchInfo"]["batchSize"] == 1
