"""What every service's role may really do: each action on each thing, tried with the role's own credentials.

`matrix(shop)` tries, and answers {cell: allowed}. A cell is (service, action, thing), for example
`("order_service", "ConditionCheckItem", "dev table users")`. `declared(shop)` says which of them the manifests
promise; it reads the TOML files by itself and knows nothing of how Penstock derives policies.

The things exist, in an account of the environment's own and in a foreign one, and the account's administrator is let
through to each of them (`administrators`): whoever is denied was denied by IAM, not by absence. Calls are chosen so
that an allowed one changes nothing: conditions that do not hold, keys that are not there.
"""

from __future__ import annotations

import io
import json
import sys
import time
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from journeys.shop import ACCOUNTS, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from journeys.shop import Shop

Cell = tuple[str, str, str]

OWN, FOREIGN = "dev", "staging"
SERVICES = ("catalog_service", "notification_service", "order_service", "user_service")
FUNCTIONS = {
    "catalog_service": ("catalog_service",),
    "notification_service": ("notification_service-api", "notification_service-worker"),
    "order_service": ("order_service",),
    "user_service": ("user_service",),
}
TABLES = {"notifications": "by_user", "orders": "by_user", "products": "", "users": "by_email"}
"""Every table of the shop, with the name of its index."""

READ = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable"})
CHECK = frozenset({"ConditionCheckItem"})
WRITE = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"})
LEVELS = {"read": READ, "check": CHECK, "write": WRITE, "read-write": READ | CHECK | WRITE}
"""What a level of access is worth, as documented."""
SECRET = frozenset({"GetSecretValue", "DescribeSecret"})
STREAM = frozenset({"DescribeStream", "GetShardIterator", "GetRecords"})
LOGS = frozenset({"CreateLogStream", "PutLogEvents"})

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AccessDeniedFault"})
PASSED = frozenset({"ConditionalCheckFailedException", "ResourceAlreadyExistsException"})
"""Refusals of the thing itself: IAM had let the call through."""

_PROBE = """
import os
def handler(event, context):
    return [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One action on one thing."""

    action: str
    thing: str
    service: str
    call: Callable[[Any], object]


def matrix(shop: Shop) -> dict[Cell, bool]:
    """Every cell, tried. Fails when a call is neither let through nor denied by IAM."""
    trials = tuple(_trials(shop))
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        columns = pool.map(lambda service: _column(shop, service, trials), SERVICES)
    return {cell: allowed for column in columns for cell, allowed in column.items()}


def administrators(shop: Shop) -> dict[tuple[str, str], str]:
    """How the same calls end for the administrators of the accounts: `passed` for each."""
    clients = {
        environment: _Clients(shop, (ACCOUNTS[environment], "penstock-local", None)) for environment in (OWN, FOREIGN)
    }
    return {(trial.action, trial.thing): _outcome(trial, clients[trial.thing.split()[0]]) for trial in _trials(shop)}


def declared(shop: Shop) -> set[Cell]:
    """The cells that the manifests allow, and everybody's own log groups."""
    manifests = {name: tomllib.loads((shop.root / f"services/{name}/service.toml").read_text()) for name in SERVICES}
    return {(name, *cell) for name, manifest in manifests.items() for cell in _promised(name, manifest)}


def _promised(service: str, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    uses = manifest.get("uses", {})
    levels = uses.get("tables", {}) | dict.fromkeys(manifest.get("tables", {}), "read-write")
    for table, level in levels.items():
        yield from ((action, f"{OWN} table {table}") for action in LEVELS[level])
        if "Query" in LEVELS[level] and TABLES[table]:
            yield ("Query", f"{OWN} index of table {table}")
    for secret in uses.get("secrets", ()):
        yield from ((action, f"{OWN} secret {secret}") for action in SECRET)
    for function in manifest.get("functions", {}).values():
        for source in function.get("on", ()):
            yield from ((action, f"{OWN} stream of table {source['stream']}") for action in STREAM)
    for peer in uses.get("services", ()):
        yield from (("InvokeFunction", f"{OWN} function {function}") for function in FUNCTIONS[peer])
    for function in FUNCTIONS[service]:
        yield from ((action, f"{OWN} log group of {function}") for action in LOGS)


# ------------------------------------------------------------------------------------------ trying


def _column(shop: Shop, service: str, trials: tuple[Trial, ...]) -> dict[Cell, bool]:
    clients = _Clients(shop, _credentials_of(shop, service))
    found: dict[Cell, bool] = {}
    for trial in trials:
        outcome = _outcome(trial, clients)
        assert outcome in {"passed", "denied"}, f"{service}, {trial.action} on {trial.thing}: {outcome}"
        found[service, trial.action, trial.thing] = outcome == "passed"
    return found


def _outcome(trial: Trial, clients: _Clients) -> str:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a second that other journeys need not wait for

    try:
        trial.call(clients.of(trial.service))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
        if code in PASSED or reasons - {"None"} == {"ConditionalCheckFailed"}:
            return "passed"
        return "denied" if code in DENIED else str(error)
    return "passed"


class _Clients:
    """boto3 with somebody's credentials; one client a service."""

    def __init__(self, shop: Shop, credentials: tuple[str, str, str | None]) -> None:
        import boto3  # noqa: PLC0415

        library: Any = boto3
        session: Any = library.session.Session(*credentials, region_name=REGION)
        self._session = session
        self._url = f"http://127.0.0.1:{shop.port}"
        self._made: dict[str, Any] = {}

    def of(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._session.client(service, endpoint_url=self._url)
        return self._made[service]


def _credentials_of(shop: Shop, service: str) -> tuple[str, str, str]:
    """What Lambda gives to functions of that role, told by a function of ours that runs under it."""
    functions, roles = shop.client("lambda"), shop.client("iam")
    name = f"probe-{service}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("probe.py", _PROBE)
    functions.create_function(
        FunctionName=name,
        Role=roles.get_role(RoleName=f"shop-{OWN}-{service}")["Role"]["Arn"],
        Runtime=f"python3.{sys.version_info.minor}",
        Handler="probe.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    try:
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        answer = functions.invoke(FunctionName=name)
        key, secret, token = json.loads(answer["Payload"].read())
    finally:
        functions.delete_function(FunctionName=name)
    return key, secret, token


# ------------------------------------------------------------------------------------------ what is tried


def _trials(shop: Shop) -> Iterator[Trial]:
    for environment in (OWN, FOREIGN):
        for table, index in TABLES.items():
            yield from _on_table(environment, table)
            if index:
                yield from _on_index(environment, table, index)
        yield from _on_stream(shop, environment)
        yield from _on_secret(shop, environment)
        for function in (name for names in FUNCTIONS.values() for name in names):
            yield from _on_function(environment, function)
        yield from _on_penstocks_own(environment)


def _on_table(environment: str, table: str) -> Iterator[Trial]:
    arn = _arn(environment, "dynamodb", f"table/shop-{environment}-{table}")
    nowhere = {"id": {"S": "no such thing"}}
    there = {"ConditionExpression": "attribute_exists(id)"}
    not_there = {"TableName": arn, "Key": nowhere, "ConditionExpression": "attribute_not_exists(id)"}
    calls: dict[str, Callable[[Any], object]] = {
        "GetItem": lambda db: db.get_item(TableName=arn, Key=nowhere),
        "BatchGetItem": lambda db: db.batch_get_item(RequestItems={arn: {"Keys": [nowhere]}}),
        "Query": lambda db: db.query(
            TableName=arn, KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "nobody"}}
        ),
        "Scan": lambda db: db.scan(TableName=arn, Limit=1),
        "DescribeTable": lambda db: db.describe_table(TableName=arn),
        "ConditionCheckItem": lambda db: db.transact_write_items(TransactItems=[{"ConditionCheck": not_there}]),
        "PutItem": lambda db: db.put_item(TableName=arn, Item=nowhere, **there),
        "UpdateItem": lambda db: db.update_item(TableName=arn, Key=nowhere, **there),
        "DeleteItem": lambda db: db.delete_item(TableName=arn, Key=nowhere),
        "BatchWriteItem": lambda db: db.batch_write_item(RequestItems={arn: [{"DeleteRequest": {"Key": nowhere}}]}),
        # Nobody is ever given these.
        "DescribeContinuousBackups": lambda db: db.describe_continuous_backups(TableName=arn),
        "DescribeTimeToLive": lambda db: db.describe_time_to_live(TableName=arn),
    }
    for action, call in calls.items():
        yield Trial(action=action, thing=f"{environment} table {table}", service="dynamodb", call=call)


def _on_index(environment: str, table: str, index: str) -> Iterator[Trial]:
    key = {"by_user": "user_id", "by_email": "email"}[index]

    def query(db: Any) -> object:
        return db.query(
            TableName=_arn(environment, "dynamodb", f"table/shop-{environment}-{table}"),
            IndexName=index,
            KeyConditionExpression=f"{key} = :k",
            ExpressionAttributeValues={":k": {"S": "nobody"}},
        )

    yield Trial(action="Query", thing=f"{environment} index of table {table}", service="dynamodb", call=query)


def _on_stream(shop: Shop, environment: str) -> Iterator[Trial]:
    table = shop.client("dynamodb", environment).describe_table(TableName=f"shop-{environment}-orders")["Table"]
    stream = table["LatestStreamArn"]
    reader = shop.client("dynamodbstreams", environment)
    shard = reader.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    at = {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = reader.get_shard_iterator(**at)["ShardIterator"]
    calls: dict[str, Callable[[Any], object]] = {
        "DescribeStream": lambda streams: streams.describe_stream(StreamArn=stream),
        "GetShardIterator": lambda streams: streams.get_shard_iterator(**at),
        "GetRecords": lambda streams: streams.get_records(ShardIterator=iterator, Limit=1),
    }
    for action, call in calls.items():
        yield Trial(action=action, thing=f"{environment} stream of table orders", service="dynamodbstreams", call=call)


def _on_secret(shop: Shop, environment: str) -> Iterator[Trial]:
    admin = shop.client("secretsmanager", environment)
    described = admin.describe_secret(SecretId=f"shop/{environment}/notification_token")
    arn = described["ARN"]
    calls: dict[str, Callable[[Any], object]] = {
        "GetSecretValue": lambda secrets: secrets.get_secret_value(SecretId=arn),
        "DescribeSecret": lambda secrets: secrets.describe_secret(SecretId=arn),
        "ListSecretVersionIds": lambda secrets: secrets.list_secret_version_ids(SecretId=arn),
    }
    for action, call in calls.items():
        yield Trial(
            action=action, thing=f"{environment} secret notification_token", service="secretsmanager", call=call
        )


def _on_function(environment: str, function: str) -> Iterator[Trial]:
    name = f"shop-{environment}-{function}"
    arn = _arn(environment, "lambda", f"function:{name}:live")
    group = f"/aws/lambda/{name}"
    event = [{"timestamp": int(time.time() * 1000), "message": "probe"}]

    def put(logs: Any) -> object:
        return logs.put_log_events(logGroupName=group, logStreamName="probe", logEvents=event)

    yield Trial(
        action="InvokeFunction",
        thing=f"{environment} function {function}",
        service="lambda",
        call=lambda functions: functions.invoke(FunctionName=arn, InvocationType="DryRun"),
    )
    if environment == OWN:  # the API of logs knows no foreign account's groups by name
        yield Trial(
            action="CreateLogStream",
            thing=f"{environment} log group of {function}",
            service="logs",
            call=lambda logs: logs.create_log_stream(logGroupName=group, logStreamName="probe"),
        )
        yield Trial(action="PutLogEvents", thing=f"{environment} log group of {function}", service="logs", call=put)
        yield Trial(
            action="FilterLogEvents",
            thing=f"{environment} log group of {function}",
            service="logs",
            call=lambda logs: logs.filter_log_events(logGroupName=group, limit=1),
        )


def _on_penstocks_own(environment: str) -> Iterator[Trial]:
    """Pointer, bucket, key and roles: no service has any business there."""
    bucket = f"penstock-shop-{environment}-{ACCOUNTS[environment]}-{REGION}"
    pointer = _arn(environment, "ssm", f"parameter/penstock/shop/{environment}/pointer")
    calls: list[tuple[str, str, str, Callable[[Any], object]]] = [
        ("GetParameter", "pointer", "ssm", lambda ssm: ssm.get_parameter(Name=pointer)),
        ("GetObject", "bucket", "s3", lambda s3: s3.get_object(Bucket=bucket, Key="lease.json")),
        ("ListBucket", "bucket", "s3", lambda s3: s3.list_objects_v2(Bucket=bucket, MaxKeys=1)),
    ]
    if environment == OWN:  # a role is named without its account
        own_role = f"shop-{environment}-order_service"
        calls.append(("GetRole", "role of order_service", "iam", lambda iam: iam.get_role(RoleName=own_role)))
        key = {"KeyId": f"alias/shop-{environment}-artifacts"}
        digest = {"Message": bytes(32), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
        calls.append(("Sign", "key that signs artifacts", "kms", lambda kms: kms.sign(**key, **digest)))
        calls.append(("GetPublicKey", "key that signs artifacts", "kms", lambda kms: kms.get_public_key(**key)))
    for action, thing, service, call in calls:
        yield Trial(action=action, thing=f"{environment} {thing}", service=service, call=call)


def _arn(environment: str, service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNTS[environment]}:{rest}"
