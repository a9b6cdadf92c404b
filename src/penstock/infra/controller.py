"""The function that looks after rollouts → the arguments of its `controller` module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.infra.hcl import reference
from penstock.infra.naming import arn, partition
from penstock.model.access_log import access_log_group, fits_filters

if TYPE_CHECKING:
    from penstock.model.workspace import Workspace

RUNTIME, ARCHITECTURE = "python3.13", "arm64"
"""Pure Python that runs on every one; this is the cheapest."""
HANDLER = "penstock.controller.handler"
SNS = "sns:"


def controller_module(workspace: Workspace) -> dict[str, Any]:
    """Body of `module.controller`, for an environment whose rollouts take time."""
    environment = workspace.environment
    topics = {topic.name: topic.physical for topic in workspace.topics}
    told = sorted({target.removeprefix(SNS) for target in environment.after.notify})
    found: dict[str, Any] = {
        "source": "../../modules/controller",
        "name": workspace.controller_name,
        "environment": {
            "account": environment.account,
            "bucket": workspace.store_bucket,
            "partition": partition(environment.region),
            "pointer_prefix": workspace.pointer_prefix,
            "region": environment.region,
        },
        "functions": {
            "names": [function.physical for function in workspace.functions],
            "warm": any(function.concurrency.provisioned is not None for function in workspace.functions),
        },
        "code": {"runtime": RUNTIME, "architecture": ARCHITECTURE, "handler": HANDLER},
    }
    if told:
        found["topics"] = [arn(workspace, "sns", topics.get(topic, topic)) for topic in told]
    asked = {secret for hook in environment.rollout.webhooks for secret in hook.secrets}
    if asked:
        secrets = (secret.physical for secret in workspace.secrets if secret.name in asked)
        found["secrets"] = [arn(workspace, "secretsmanager", f"secret:{name}-??????") for name in sorted(secrets)]
    if any(function.routes for function in workspace.functions):
        found["apis"] = {
            "live": reference("module.rest_api.id"),
            "preview": reference("module.rest_api.preview_id"),
        }
    if environment.has_access_log and not fits_filters(workspace):
        found["access_log"] = arn(workspace, "logs", f"log-group:{access_log_group(workspace.api_name)}")
    return found
