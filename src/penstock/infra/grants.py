"""What each service's role may do: derived from what the service owns, uses and listens to, and nothing else.

Statements are in IAM's own JSON words. Action lists are published here, one line each, because they are the contract:
who writes `orders = "read"` can look up what that means.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from penstock.infra.hcl import literal, user_value
from penstock.infra.naming import arn, bucket_arn, function_arn
from penstock.model.release import LIVE_ALIAS, SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from penstock.model.workspace import Access, Service, Table, Workspace

TABLE_READ = ("BatchGetItem", "DescribeTable", "GetItem", "Query", "Scan")
TABLE_CHECK = ("ConditionCheckItem",)
TABLE_WRITE = ("BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem")
BUCKET_READ = ("GetObject", "ListBucket")
BUCKET_CHECK = ("ListBucket",)
BUCKET_WRITE = ("DeleteObject", "PutObject")

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "table read": tuple(f"dynamodb:{action}" for action in TABLE_READ),
    "table check": tuple(f"dynamodb:{action}" for action in TABLE_CHECK),
    "table write": tuple(f"dynamodb:{action}" for action in TABLE_WRITE),
    "table read-write": tuple(f"dynamodb:{action}" for action in sorted(TABLE_READ + TABLE_CHECK + TABLE_WRITE)),
    "bucket read": tuple(f"s3:{action}" for action in BUCKET_READ),
    "bucket check": tuple(f"s3:{action}" for action in BUCKET_CHECK),
    "bucket write": tuple(f"s3:{action}" for action in BUCKET_WRITE),
    "bucket read-write": tuple(f"s3:{action}" for action in sorted(BUCKET_READ + BUCKET_WRITE)),
    "queue": ("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"),
    "topic": ("sns:Publish",),
    "secret": ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    "parameter": ("ssm:GetParameter", "ssm:GetParameters"),
    "service": ("lambda:InvokeFunction",),
    "on stream": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ),
    "on queue": (
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ),
}
"""What a line of configuration is worth in IAM actions. Schedules, topics, buckets and buses call a function by
themselves, so listening to them needs no grant."""

POLICY_LIMIT = 10_240
"""Characters, white space not counted, of all inline policies of a role (IAM quota)."""

Grant = dict[str, Any]


def grants(workspace: Workspace, service: Service) -> tuple[Mapping[str, Any], ...]:
    """The statements that a release of this service needs, with every ARN spelled out.

    Statements on the user's own Terraform resources are left out: their ARNs are not known here.
    """
    return tuple(
        statement
        for statement in _statements(workspace, service)
        if all(isinstance(r, str) for r in statement["Resource"])
    )


def rendered_grants(workspace: Workspace, service: Service) -> list[Grant]:
    """The same statements, and those on the user's resources, as they stand in the Terraform root."""
    where = f"{service.path}/service.toml"
    return [
        {
            **literal({key: value for key, value in statement.items() if key != "Resource"}),
            "Resource": [user_value(resource, where=where) for resource in statement["Resource"]],
        }
        for statement in _statements(workspace, service)
    ]


def policy_size(statements: Sequence[Mapping[str, Any]]) -> int:
    """How much of IAM's limit for a role's inline policy these statements take, in characters."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"), default=str)))


def fed_from(service: Service) -> Iterator[tuple[str, str]]:
    """Every stream and queue that the service's functions are fed from, as (kind, name), sorted, once each."""
    yield from sorted(
        {(on.kind, on.source) for function in service.functions for on in function.on if on.kind in ("stream", "queue")}
    )


def _statements(workspace: Workspace, service: Service) -> list[Grant]:
    found = [
        *_tables(workspace, service),
        *_buckets(workspace, service),
        *_messages(workspace, service),
        *_configuration(workspace, service),
        *_services(workspace, service),
        *_events(workspace, service),
    ]
    by_hand = [
        _statement(f"asked {number}", one.actions, list(one.resources))
        for number, one in enumerate(service.uses.statements, start=1)
    ]
    return _with_unique_sids(found + by_hand)


def _tables(workspace: Workspace, service: Service) -> Iterator[Grant]:
    levels: dict[str, Access] = {table.name: "read-write" for table in workspace.tables if table.owner == service.name}
    levels |= {name: level for name, level in service.uses.tables.items() if name not in levels}
    for table in workspace.tables:
        if table.name in levels:
            level = levels[table.name]
            reads = level in ("read", "read-write")
            yield _statement(
                f"table {table.name}", ACTIONS[f"table {level}"], _table_arns(workspace, table, reads=reads)
            )


def _table_arns(workspace: Workspace, table: Table, *, reads: bool) -> list[str]:
    own = arn(workspace, "dynamodb", f"table/{table.physical}")
    # Nobody told us the indexes of a table that exists without us.
    has_indexes = bool(table.indexes) or table.existing
    return [own, f"{own}/index/*"] if reads and has_indexes else [own]


def _buckets(workspace: Workspace, service: Service) -> Iterator[Grant]:
    levels: dict[str, Access] = {b.name: "read-write" for b in workspace.buckets if b.owner == service.name}
    levels |= {name: level for name, level in service.uses.buckets.items() if name not in levels}
    for bucket in workspace.buckets:
        if bucket.name in levels:
            own = bucket_arn(workspace, bucket.physical)
            actions = ACTIONS[f"bucket {levels[bucket.name]}"]
            listing = [action for action in actions if action == "s3:ListBucket"]
            objects = [action for action in actions if action != "s3:ListBucket"]
            if listing:
                yield _statement(f"bucket {bucket.name}", listing, [own])
            if objects:
                yield _statement(f"objects {bucket.name}", objects, [f"{own}/*"])


def _messages(workspace: Workspace, service: Service) -> Iterator[Grant]:
    for queue in workspace.queues:
        if queue.owner == service.name or queue.name in service.uses.queues:
            yield _statement(f"queue {queue.name}", ACTIONS["queue"], [arn(workspace, "sqs", queue.physical)])
    for topic in workspace.topics:
        if topic.owner == service.name or topic.name in service.uses.topics:
            yield _statement(f"topic {topic.name}", ACTIONS["topic"], [arn(workspace, "sns", topic.physical)])


def _configuration(workspace: Workspace, service: Service) -> Iterator[Grant]:
    for secret in workspace.secrets:
        if secret.name in service.uses.secrets:
            # Secrets Manager appends six random characters to the name.
            resource = arn(workspace, "secretsmanager", f"secret:{secret.physical}-??????")
            yield _statement(f"secret {secret.name}", ACTIONS["secret"], [resource])
    for parameter in workspace.parameters:
        if parameter.name in service.uses.parameters:
            resource = arn(workspace, "ssm", f"parameter/{parameter.physical.lstrip('/')}")
            yield _statement(f"parameter {parameter.name}", ACTIONS["parameter"], [resource])


def _services(workspace: Workspace, service: Service) -> Iterator[Grant]:
    for name in service.uses.services:
        resources = [
            f"{function_arn(workspace, function.physical)}:{alias}"
            for function in workspace.service(name).functions
            for alias in (*SLOTS, LIVE_ALIAS)
        ]
        yield _statement(f"service {name}", ACTIONS["service"], resources)


def _events(workspace: Workspace, service: Service) -> Iterator[Grant]:
    tables = {table.name: table for table in workspace.tables}
    queues = {queue.name: queue for queue in workspace.queues}
    for kind, name in fed_from(service):
        if kind == "stream":
            resource = arn(workspace, "dynamodb", f"table/{tables[name].physical}/stream/*")
        else:
            resource = arn(workspace, "sqs", queues[name].physical)
        yield _statement(f"on {kind} {name}", ACTIONS[f"on {kind}"], [resource])


def _statement(title: str, actions: Iterable[str], resources: list[Any]) -> Grant:
    sid = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", title))
    return {"Action": sorted(actions), "Effect": "Allow", "Resource": resources, "Sid": sid}


def _with_unique_sids(statements: list[Grant]) -> list[Grant]:
    seen: dict[str, int] = {}
    unique = []
    for statement in statements:
        sid = statement["Sid"]
        seen[sid] = seen.get(sid, 0) + 1
        unique.append(statement if seen[sid] == 1 else {**statement, "Sid": f"{sid}N{seen[sid]}"})
    return unique
