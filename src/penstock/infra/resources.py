"""Tables, queues, topics, buckets, secrets and parameters → modules. What exists without us gets none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.infra.hcl import literal

if TYPE_CHECKING:
    from penstock.model.workspace import Autoscaling, Environment, Queue, Table, Workspace

STREAM_VIEWS = {
    "new-image": "NEW_IMAGE",
    "old-image": "OLD_IMAGE",
    "new-and-old-images": "NEW_AND_OLD_IMAGES",
    "keys-only": "KEYS_ONLY",
}


def resource_modules(workspace: Workspace) -> dict[str, Any]:
    """Module name to body, for everything that the workspace owns besides services."""
    recovery_days = _recovery_days(workspace.environment)
    return {
        **{f"table_{table.name}": _table(table) for table in workspace.tables if not table.existing},
        **{f"queue_{queue.name}": _queue(queue) for queue in workspace.queues if not queue.existing},
        **{
            f"topic_{topic.name}": _module("topic", {"name": topic.physical})
            for topic in workspace.topics
            if not topic.existing
        },
        **{
            f"bucket_{bucket.name}": _module("bucket", {"name": bucket.physical})
            for bucket in workspace.buckets
            if not bucket.existing
        },
        **{
            f"secret_{secret.name}": _module("secret", {"name": secret.physical, "recovery_days": recovery_days})
            for secret in workspace.secrets
            if not secret.existing
        },
        **{
            f"parameter_{parameter.name}": _module(
                "parameter", {"name": parameter.physical, "value": literal(parameter.value)}
            )
            for parameter in workspace.parameters
            if not parameter.existing and parameter.value is not None
        },
    }


def data_sources(workspace: Workspace) -> dict[str, Any]:
    """What has to be looked up: the stream of a table that exists without us has a time in its ARN."""
    listened = {on.source for function in workspace.functions for on in function.on if on.kind == "stream"}
    tables = {
        table.name: {"name": table.physical} for table in workspace.tables if table.existing and table.name in listened
    }
    return {"aws_dynamodb_table": tables} if tables else {}


def _table(table: Table) -> dict[str, Any]:
    hash_key, range_key = _keys(table.key)
    attributes = dict(table.key)
    for index in table.indexes:
        attributes |= index.key
    body = _module(
        "dynamodb_table",
        {"name": table.physical, "hash_key": hash_key, "attributes": dict(sorted(attributes.items()))},
    )
    if range_key:
        body["range_key"] = range_key
    if table.indexes:
        body["indexes"] = {index.name: _index(index.key) for index in table.indexes}
    if table.capacity:
        capacity = table.capacity
        body["capacity"] = {
            "read": _range(capacity.read),
            "write": _range(capacity.write),
            "target": capacity.target,
        }
    if table.stream:
        body["stream"] = STREAM_VIEWS[table.stream]
    if table.ttl:
        body["ttl_attribute"] = table.ttl
    return {**body, "backups": table.backups, "protected": table.protected}


def _queue(queue: Queue) -> dict[str, Any]:
    body = _module("queue", {"name": queue.physical, "visibility_seconds": queue.visibility})
    if queue.fifo:
        body["fifo"] = True
    if queue.dead_letter_after is not None:
        body["dead_letter_after"] = queue.dead_letter_after
    return body


def _index(key: Any) -> dict[str, str]:
    hash_key, range_key = _keys(key)
    return {"hash_key": hash_key, **({"range_key": range_key} if range_key else {})}


def _keys(key: Any) -> tuple[str, str | None]:
    names = list(key)
    return names[0], names[1] if len(names) > 1 else None


def _range(scaling: Autoscaling) -> dict[str, int]:
    return {"minimum": scaling.minimum, "maximum": scaling.maximum}


def _recovery_days(environment: Environment) -> int:
    """An environment that is thrown away and made anew needs its secrets' names back at once."""
    return 0 if environment.profile == "minimal" else 30


def _module(source: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"source": f"../../modules/{source}", **arguments}
