"""Weights of aliases: on the path of a queue, counted by version, and what Lambda refuses of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from localaws.harness import ECHO, LOGS, REGION

if TYPE_CHECKING:
    from localaws.harness import Account


@pytest.fixture
def two_versions(account: Account) -> Account:
    """The function `users` with versions 1 and 2 and the alias `live` on the first."""
    account.function("users", ECHO % "one", Publish=True)
    account.client("lambda").create_alias(FunctionName="users", Name="live", FunctionVersion="1")
    assert account.release("users", ECHO % "two") == "2"
    return account


def weigh(account: Account, version: str, share: float = 0.5) -> None:
    account.client("lambda").update_alias(
        FunctionName="users", Name="live", RoutingConfig={"AdditionalVersionWeights": {version: share}}
    )


def test_versions_with_other_roles_do_not_share_an_alias(two_versions: Account) -> None:
    client = two_versions.client("lambda")
    client.update_function_configuration(FunctionName="users", Role=two_versions.role("other"))
    assert client.publish_version(FunctionName="users")["Version"] == "3"
    with pytest.raises(ClientError, match="same execution role"):
        weigh(two_versions, "3")
    weigh(two_versions, "2")


def test_versions_with_other_dead_letter_queues_do_not_share_an_alias(two_versions: Account) -> None:
    client = two_versions.client("lambda")
    client.update_function_configuration(
        FunctionName="users",
        DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:{two_versions.number}:dead"},
    )
    assert client.publish_version(FunctionName="users")["Version"] == "3"
    with pytest.raises(ClientError, match="same dead-letter queue"):
        weigh(two_versions, "3")


def test_weights_and_provisioned_concurrency_exclude_each_other(two_versions: Account) -> None:
    client = two_versions.client("lambda")
    settings = {"FunctionName": "users", "Qualifier": "live"}
    client.put_provisioned_concurrency_config(**settings, ProvisionedConcurrentExecutions=1)
    with pytest.raises(ClientError, match="Provisioned Concurrency"):
        weigh(two_versions, "2")
    client.delete_provisioned_concurrency_config(**settings)
    weigh(two_versions, "2")
    with pytest.raises(ClientError, match="Provisioned Concurrency"):
        client.put_provisioned_concurrency_config(**settings, ProvisionedConcurrentExecutions=1)


def test_what_is_not_published_has_no_provisioned_concurrency(two_versions: Account) -> None:
    client = two_versions.client("lambda")
    client.create_alias(FunctionName="users", Name="latest", FunctionVersion="$LATEST")
    with pytest.raises(ClientError, match="unpublished"):
        client.put_provisioned_concurrency_config(
            FunctionName="users", Qualifier="latest", ProvisionedConcurrentExecutions=1
        )


def test_a_queues_messages_are_shared_out_and_counted_by_version(account: Account) -> None:
    """What the judge of a `live` consumer reads."""
    sqs, client = account.client("sqs"), account.client("lambda")
    url = sqs.create_queue(QueueName="outbox")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{account.number}:outbox"
    reads = {
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": arn,
    }
    code = "def handler(event, context):\n    return %r\n"
    account.function("worker", code % "one", account.role("worker", LOGS, reads), Publish=True)
    account.release("worker", code % "two")
    client.create_alias(
        FunctionName="worker",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    client.create_event_source_mapping(FunctionName="worker:live", EventSourceArn=arn, BatchSize=1)
    counted: dict[str, float] = {}
    deadline = time.monotonic() + 20
    while sum(counted.values()) < 20 and time.monotonic() < deadline:
        time.sleep(0.1)
        counted = {version: invocations(account, version) for version in ("1", "2")}
    assert sum(counted.values()) == 20
    assert min(counted.values()) > 0  # both, but for 2 in a million runs


def invocations(account: Account, version: str) -> float:
    now = time.time()
    dimensions = {"FunctionName": "worker", "Resource": "worker:live", "ExecutedVersion": version}
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))
