"""IAM: administrators by account number, everybody else by policy, accounts apart from each other."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from localaws.harness import LOGS, REGION, Account

from penstock.adapters.aws.store import bucket_policy

if TYPE_CHECKING:
    from localaws.harness import Server

TABLE: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
CALLER = """
import boto3
def handler(event, context):
    try:
        getattr(boto3.client(event["service"]), event["operation"])(**event["parameters"])
    except Exception as error:
        return getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))
    return "done"
"""
ASKER = """
import boto3
def handler(group, context):
    logs = boto3.client("logs")
    try:
        started = logs.start_query(logGroupName=group, startTime=0, endTime=60, queryString="stats count(*)")
        return logs.get_query_results(queryId=started["queryId"])["status"]
    except Exception as error:
        return getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))
"""


def try_as(account: Account, service: str, operation: str, **parameters: Any) -> str:
    payload: str = account.invoke("f", {"service": service, "operation": operation, "parameters": parameters})[0]
    return payload


def test_the_account_number_is_its_administrator(account: Account) -> None:
    identity = account.client("sts").get_caller_identity()

    assert identity["Account"] == account.number
    assert identity["Arn"] == f"arn:aws:iam::{account.number}:root"


def test_an_administrator_with_another_secret_is_refused(account: Account) -> None:
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidSignatureException"):
        account.client("ssm", secret="guess").describe_parameters()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        account.client("s3", secret="guess").list_buckets()


def test_unsigned_and_unknown_callers_are_refused(account: Account, server: Server) -> None:
    anonymous = boto3.client(
        "ssm", endpoint_url=server.url, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        anonymous.describe_parameters()
    for key in ("AKIAUNKNOWN000000000", "test"):
        with pytest.raises(ClientError, match=r"UnrecognizedClient|InvalidClientTokenId|security token"):
            account.client("ssm", key=key, secret="x").describe_parameters()


def test_resources_of_two_accounts_never_meet(account: Account, other_account: Account) -> None:
    for each, value in ((account, "one"), (other_account, "two")):
        each.client("ssm").put_parameter(Name="/same", Value=value, Type="String")
        each.client("dynamodb").create_table(TableName="same", **TABLE)
    account.client("dynamodb").put_item(TableName="same", Item={"id": {"S": "1"}})

    assert account.client("ssm").get_parameter(Name="/same")["Parameter"]["Value"] == "one"
    assert other_account.client("ssm").get_parameter(Name="/same")["Parameter"]["Value"] == "two"
    assert other_account.client("dynamodb").scan(TableName="same")["Count"] == 0


def test_a_functions_role_allows_exactly_what_it_says(account: Account, other_account: Account) -> None:
    table = f"arn:aws:dynamodb:{REGION}:{account.number}:table/users"
    role = account.role("r", {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": table})
    account.function("f", CALLER, role)
    for each in (account, other_account):
        for name in ("users", "orders"):
            each.client("dynamodb").create_table(TableName=name, **TABLE)
    key = {"id": {"S": "1"}}
    foreign = f"arn:aws:dynamodb:{REGION}:{other_account.number}:table/users"

    assert try_as(account, "dynamodb", "get_item", TableName="users", Key=key) == "done"
    assert try_as(account, "dynamodb", "put_item", TableName="users", Item=key) == "AccessDeniedException"
    assert try_as(account, "dynamodb", "get_item", TableName="orders", Key=key) == "AccessDeniedException"
    assert try_as(account, "dynamodb", "get_item", TableName=foreign, Key=key) == "AccessDeniedException"
    assert try_as(account, "ssm", "get_parameter", Name="/none") == "AccessDeniedException"
    assert try_as(account, "s3", "list_buckets") == "AccessDenied"
    account.client("iam").put_role_policy(
        RoleName="r",
        PolicyName="more",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": table}],
            }
        ),
    )
    assert try_as(account, "dynamodb", "put_item", TableName="users", Item=key) == "done", "a grant counts at once"


def test_who_may_do_everything_in_a_bucket_still_neither_deletes_nor_overwrites_its_ledger(account: Account) -> None:
    name = f"history-{account.number}"
    bucket = account.bucket(name, versioned=True)
    bucket.put_bucket_policy(Bucket=name, Policy=bucket_policy(name, tls_only=False))
    account.function("f", CALLER, account.role("r", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))

    def tried(operation: str, key: str = "ledger/1.json", **parameters: Any) -> str:
        return try_as(account, "s3", operation, Bucket=name, Key=key, **parameters)

    assert tried("put_object", Body="first") == "AccessDenied", "it has to ask for the place to be empty"
    assert tried("put_object", Body="first", IfNoneMatch="*") == "done"
    (entry,) = bucket.list_object_versions(Bucket=name)["Versions"]
    assert tried("put_object", Body="second", IfNoneMatch="*") == "PreconditionFailed"
    assert tried("put_object", Body="second") == "AccessDenied"
    assert tried("put_object", Body="second", IfMatch=entry["ETag"]) == "AccessDenied"
    assert tried("delete_object") == "AccessDenied"
    assert tried("delete_object", VersionId=entry["VersionId"]) == "AccessDenied"
    try_as(account, "s3", "delete_objects", Bucket=name, Delete={"Objects": [{"Key": entry["Key"]}]})
    assert (tried("put_object", "lease.json", Body="x"), tried("delete_object", "lease.json")) == ("done", "done")

    left = bucket.list_object_versions(Bucket=name, Prefix="ledger/")
    assert ([one["VersionId"] for one in left["Versions"]], left.get("DeleteMarkers", [])) == ([entry["VersionId"]], [])
    assert bucket.get_object(Bucket=name, Key=entry["Key"])["Body"].read() == b"first"


def test_a_transaction_is_checked_item_by_item(account: Account) -> None:
    arn = f"arn:aws:dynamodb:{REGION}:{account.number}:table"
    role = account.role(
        "r",
        {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": f"{arn}/orders"},
        {"Effect": "Allow", "Action": "dynamodb:ConditionCheckItem", "Resource": f"{arn}/users"},
    )
    account.function("f", CALLER, role)
    for name in ("users", "orders"):
        account.client("dynamodb").create_table(TableName=name, **TABLE)
    check = {
        "ConditionCheck": {
            "TableName": "users",
            "Key": {"id": {"S": "1"}},
            "ConditionExpression": "attribute_not_exists(id)",
        }
    }
    put = {"Put": {"TableName": "orders", "Item": {"id": {"S": "1"}}}}
    assert try_as(account, "dynamodb", "transact_write_items", TransactItems=[check, put]) == "done"
    wrong = {"Put": {"TableName": "users", "Item": {"id": {"S": "1"}}}}
    denied = try_as(account, "dynamodb", "transact_write_items", TransactItems=[wrong])
    assert denied in {"AccessDeniedException", "TransactionCanceledException"}


def test_a_function_may_invoke_only_the_alias_it_was_given(account: Account) -> None:
    role = account.role(
        "r",
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:{REGION}:{account.number}:function:peer:blue",
        },
    )
    account.function("f", CALLER, role)
    account.function("peer", "def handler(event, context):\n    return 1\n", Publish=True)
    for alias in ("blue", "green"):
        account.client("lambda").create_alias(FunctionName="peer", Name=alias, FunctionVersion="1")

    assert try_as(account, "lambda", "invoke", FunctionName="peer", Qualifier="blue") == "done"
    assert try_as(account, "lambda", "invoke", FunctionName="peer:blue") == "done"
    assert try_as(account, "lambda", "invoke", FunctionName="peer", Qualifier="green") == "AccessDeniedException"
    assert try_as(account, "lambda", "invoke", FunctionName="peer") == "AccessDeniedException"


def test_a_person_with_a_policy_and_a_boundary(account: Account) -> None:
    iam = account.client("iam")
    boundary = iam.create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:Get*", "Resource": "*"}]}
        ),
    )["Policy"]["Arn"]
    iam.create_user(UserName="ada", PermissionsBoundary=boundary)
    iam.put_user_policy(
        UserName="ada",
        PolicyName="own",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}
        ),
    )
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = account.client("ssm", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    account.client("ssm").put_parameter(Name="/p", Value="1", Type="String")

    assert ada.get_parameter(Name="/p")["Parameter"]["Value"] == "1"
    with pytest.raises(ClientError, match="AccessDenied"):
        ada.put_parameter(Name="/p", Value="2", Type="String", Overwrite=True)
    with pytest.raises(ClientError, match="Signature"):
        account.client("ssm", key=key["AccessKeyId"], secret="wrong").get_parameter(Name="/p")


def test_an_assumed_role_acts_in_its_own_account(account: Account) -> None:
    iam = account.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account.number}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    session = account.client("sts").assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    as_role = account.client(
        "ssm", key=session["AccessKeyId"], secret=session["SecretAccessKey"], token=session["SessionToken"]
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        as_role.describe_parameters()
    iam.put_role_policy(
        RoleName="deployer",
        PolicyName="own",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "ssm:DescribeParameters", "Resource": "*"}],
            }
        ),
    )
    as_role.describe_parameters()


def test_statement_ids_are_free_for_each_qualifier(account: Account) -> None:
    account.function("f", CALLER, Publish=True)
    client = account.client("lambda")
    for alias in ("blue", "green"):
        client.create_alias(FunctionName="f", Name=alias, FunctionVersion="1")
        account.permit("f", alias, "api0")
    with pytest.raises(ClientError, match="ResourceConflictException"):
        account.permit("f", "blue", "api0")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_policy(FunctionName="f")
    client.remove_permission(FunctionName="f", Qualifier="blue", StatementId="api")
    policy = json.loads(client.get_policy(FunctionName="f", Qualifier="green")["Policy"])
    assert [s["Resource"].rpartition(":")[2] for s in policy["Statement"]] == ["green"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.remove_permission(FunctionName="f", Qualifier="blue", StatementId="api")


def test_a_function_logs_only_where_its_role_may(account: Account) -> None:
    group = f"arn:aws:logs:{REGION}:{account.number}:log-group:/aws/lambda/f:*"
    role = account.role("r")
    account.function("f", "def handler(event, context):\n    print('said')\n", role)
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/f")
    account.invoke("f")
    assert logs.filter_log_events(logGroupName="/aws/lambda/f")["events"] == []
    grant = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": group}
    put_policy(account, "r", grant)
    time.sleep(1.1)
    account.invoke("f")
    assert "said" in [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]]


def test_an_event_source_is_read_only_while_the_role_may(account: Account) -> None:
    account.role("r", LOGS)
    queues = account.client("sqs")
    url = queues.create_queue(QueueName="inbox")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    function = account.function(
        "f", "def handler(event, context):\n    print('got it')\n", f"arn:aws:iam::{account.number}:role/r"
    )
    client = account.client("lambda")
    with pytest.raises(ClientError, match="does not have permissions to call DeleteMessage"):
        client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    reads = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    put_policy(account, "r", {"Effect": "Allow", "Action": reads, "Resource": arn}, LOGS)
    time.sleep(1.1)
    mapping = client.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)["UUID"]
    put_policy(account, "r", {"Effect": "Allow", "Action": reads[:2], "Resource": arn}, LOGS)
    time.sleep(1.5)
    queues.send_message(QueueUrl=url, MessageBody="hello")
    time.sleep(1)
    assert "sqs:ReceiveMessage" in client.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    assert (
        queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
        == "1"
    )


def put_policy(account: Account, role: str, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    account.client("iam").put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(document))


def test_a_stream_is_named_in_a_policy_whether_by_its_arn_or_by_an_iterator(account: Account) -> None:
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    for name in ("mine", "theirs"):
        account.client("dynamodb").create_table(TableName=name, StreamSpecification=stream, **TABLE)
    arns = {
        name: account.client("dynamodb").describe_table(TableName=name)["Table"]["LatestStreamArn"]
        for name in ("mine", "theirs")
    }
    account.function(
        "f", CALLER, account.role("r", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": arns["mine"]})
    )
    for name, outcome in (("mine", "done"), ("theirs", "AccessDeniedException")):
        streams = account.client("dynamodbstreams")
        shard = streams.describe_stream(StreamArn=arns[name])["StreamDescription"]["Shards"][0]["ShardId"]
        at = {"StreamArn": arns[name], "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(**at)["ShardIterator"]
        assert try_as(account, "dynamodbstreams", "describe_stream", StreamArn=arns[name]) == outcome
        assert try_as(account, "dynamodbstreams", "get_records", ShardIterator=iterator) == outcome


def test_a_log_stream_is_named_in_a_policy_below_its_group(account: Account) -> None:
    group = f"arn:aws:logs:{REGION}:{account.number}:log-group:/mine:*"
    account.function("f", CALLER, account.role("r", {"Effect": "Allow", "Action": "logs:*", "Resource": group}))
    for name in ("/mine", "/theirs"):
        account.client("logs").create_log_group(logGroupName=name)

    assert try_as(account, "logs", "create_log_stream", logGroupName="/mine", logStreamName="s") == "done"
    assert try_as(account, "logs", "filter_log_events", logGroupName="/mine") == "done"
    refused = try_as(account, "logs", "create_log_stream", logGroupName="/theirs", logStreamName="s")
    assert refused == "AccessDeniedException"


def test_the_access_log_that_a_policy_names_may_be_queried_and_no_other(account: Account) -> None:
    group = f"arn:aws:logs:{REGION}:{account.number}:log-group:/aws/apigateway/shop"
    role = account.role(
        "controller",
        {"Effect": "Allow", "Action": ["logs:StartQuery"], "Resource": [group, f"{group}:*"]},
        {"Effect": "Allow", "Action": ["logs:GetQueryResults"], "Resource": ["*"]},
    )
    account.function("f", ASKER, role)
    for name in ("/aws/apigateway/shop", "/aws/apigateway/other"):
        account.client("logs").create_log_group(logGroupName=name)
    assert account.invoke("f", "/aws/apigateway/shop")[0] == "Complete"
    assert account.invoke("f", "/aws/apigateway/other")[0] == "AccessDeniedException"
