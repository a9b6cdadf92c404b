"""One service → the arguments of its `lambda_service` module."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from penstock.infra.grants import POLICY_LIMIT, policy_size, rendered_grants
from penstock.infra.hcl import literal, reference
from penstock.infra.naming import arn, role_name
from penstock.infra.variables import environment_variables
from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import EventSource, Function, Service, Workspace


EVENTBRIDGE_NAMES: Mapping[str, str] = {
    "LifecycleExpiration": "Object Deleted",
    "LifecycleTransition": "Object Storage Class Changed",
    "ObjectAcl": "Object ACL Updated",
    "ObjectCreated": "Object Created",
    "ObjectRemoved": "Object Deleted",
    "ObjectRestore": "Object Restore Completed",
    "ObjectTagging": "Object Tags Added",
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html#ev-events-list"""


def service_module(workspace: Workspace, service: Service, *, boundary: bool) -> dict[str, Any]:
    """Body of `module.<service>`. Raises UsageError when its role's policy would be longer than IAM takes."""
    serves_http = any(function.routes for function in service.functions)
    statements = rendered_grants(workspace, service)
    if (size := policy_size(statements)) > POLICY_LIMIT:
        raise UsageError(
            f"{service.name} needs a policy of {size} characters; IAM takes {POLICY_LIMIT} (inline policies of a role)",
            where=f"{service.path}/service.toml",
            hint="split the service, or replace hand-written statements by fewer with patterns",
        )
    return {
        "source": "../../modules/lambda_service",
        **({"callers": reference("module.rest_api.callers")} if serves_http else {}),
        "environment": {
            "bucket": workspace.store_bucket,
            "name": workspace.environment.name,
            "workspace": workspace.name,
        },
        "service": {
            "name": service.name,
            "role_name": role_name(workspace, service.name),
            **({"boundary_arn": reference("module.boundary.arn")} if boundary else {}),
            "functions": {function.name: _function(workspace, function) for function in service.functions},
            "statements": statements,
            # A release in a slot may still need what the configuration dropped: the engine says so beside the pointer.
            "retained": reference(f'try(module.pointer.retained["{service.name}"], [])'),
        },
    }


def _function(workspace: Workspace, function: Function) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "function_name": function.physical,
        "handler": literal(function.handler),
        "runtime": function.runtime,
        "architecture": function.architecture,
        "memory": function.memory,
        "timeout": function.timeout,
        "ephemeral_storage": function.ephemeral,
        "environment": environment_variables(workspace, function),
        "log_retention_days": function.log_retention,
        "tracing": function.tracing,
        "http": bool(function.routes),
    }
    if function.layers:
        settings["layers"] = literal(function.layers)
    if function.concurrency.reserved is not None:
        settings["reserved_concurrency"] = function.concurrency.reserved
    if function.on:
        settings["event_sources"] = _event_sources(workspace, function)
    return settings


def _event_sources(workspace: Workspace, function: Function) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in function.on:
        title = source.kind if source.kind == "schedule" else f"{source.kind}-{source.source}"
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", title)[:36]
        name, number = base, 1
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found[name] = _event_source(workspace, source)
    return found


def _event_source(workspace: Workspace, source: EventSource) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "kind": source.kind,
        **_where(workspace, source),
        "batch_size": source.batch,
        "window_seconds": source.window,
        "report_failures": source.report_failures or None,
        "retries": source.retries,
        "concurrency": source.concurrency,
        "patterns": literal(source.filters) or None,
        "events": sorted({_detail_type(event) for event in source.events}) or None,
        "prefix": literal(source.prefix) or None,
        "suffix": literal(source.suffix) or None,
    }
    if source.kind == "stream":
        settings |= {"starting_position": source.starting_position, "bisect": source.bisect}
    return {key: value for key, value in settings.items() if value is not None}


def _detail_type(event: str) -> str:
    """EventBridge's name of what S3 calls `s3:ObjectCreated:*`."""
    kind = event.split(":")[1]
    if kind not in EVENTBRIDGE_NAMES:
        raise UsageError(
            f"buckets tell EventBridge nothing about {event!r}",
            hint=f"listen to one of: {', '.join(f's3:{name}:*' for name in EVENTBRIDGE_NAMES)}",
        )
    return EVENTBRIDGE_NAMES[kind]


def _where(workspace: Workspace, source: EventSource) -> dict[str, Any]:
    name = source.source
    if source.kind == "schedule":
        return {"schedule": literal(name)}
    if source.kind == "bus":
        return {"bus": literal(name)}
    if source.kind == "bucket":
        return {"bucket": next(bucket.physical for bucket in workspace.buckets if bucket.name == name)}
    if source.kind == "stream":
        table = next(table for table in workspace.tables if table.name == name)
        address = f"data.aws_dynamodb_table.{name}" if table.existing else f"module.table_{name}"
        return {"source_arn": reference(f"{address}.stream_arn")}
    if source.kind == "queue":
        queue = next(queue for queue in workspace.queues if queue.name == name)
        known = arn(workspace, "sqs", queue.physical)
        return {"source_arn": known if queue.existing else reference(f"module.queue_{name}.arn")}
    topic = next(topic for topic in workspace.topics if topic.name == name)
    known = arn(workspace, "sns", topic.physical)
    return {"source_arn": known if topic.existing else reference(f"module.topic_{name}.arn")}
