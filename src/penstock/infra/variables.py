"""The environment variables that a function receives: where its resources are, never what is secret in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.infra.hcl import literal, reference, user_value
from penstock.infra.naming import arn, queue_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.model.workspace import Function, Service, Workspace


def environment_variables(workspace: Workspace, function: Function) -> dict[str, str]:
    """Name to value as it stands in the Terraform root, sorted: derived ones first, `[env]` over them."""
    service = workspace.service(function.service)
    derived = {
        "PENSTOCK_ENVIRONMENT": workspace.environment.name,
        "PENSTOCK_SERVICE": service.name,
        **dict(_resources(workspace, service)),
        **dict(_configuration(workspace, service)),
    }
    where = f"{service.path}/service.toml"
    asked = {name: user_value(value, where=where) for name, value in function.env.items()}
    return dict(sorted({**derived, **asked}.items()))


def _resources(workspace: Workspace, service: Service) -> Iterator[tuple[str, str]]:
    uses, name = service.uses, service.name
    for table in workspace.tables:
        if table.owner == name or table.name in uses.tables:
            yield _variable("TABLE", table.name), literal(table.physical)
    for bucket in workspace.buckets:
        if bucket.owner == name or bucket.name in uses.buckets:
            yield _variable("BUCKET", bucket.name), literal(bucket.physical)
    for queue in workspace.queues:
        if queue.owner == name or queue.name in uses.queues:
            url = queue_url(workspace, queue) if queue.existing else reference(f"module.queue_{queue.name}.url")
            yield _variable("QUEUE", queue.name), url
    for topic in workspace.topics:
        if topic.owner == name or topic.name in uses.topics:
            yield _variable("TOPIC", topic.name), arn(workspace, "sns", topic.physical)


def _configuration(workspace: Workspace, service: Service) -> Iterator[tuple[str, str]]:
    for secret in workspace.secrets:
        if secret.name in service.uses.secrets:
            yield _variable("SECRET", secret.name), literal(secret.physical)
    for parameter in workspace.parameters:
        if parameter.name in service.uses.parameters:
            yield _variable("PARAMETER", parameter.name), literal(parameter.physical)
    for name in service.uses.services:
        functions = workspace.service(name).functions
        for function in functions:
            key = name if len(functions) == 1 else f"{name}_{function.name}"
            yield _variable("SERVICE", key), literal(function.physical)


def _variable(kind: str, name: str) -> str:
    return f"{kind}_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"
