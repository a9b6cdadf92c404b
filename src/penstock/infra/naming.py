"""ARNs from names. Modules know each other by these, so that one can be destroyed without touching the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.model.workspace import Function, Queue, Workspace

SLOT_VARIABLE = "${stageVariables.slot}"
"""API Gateway puts the stage's slot here when it calls."""


def partition(region: str) -> str:
    """The part of AWS that a region belongs to: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def arn(workspace: Workspace, service: str, resource: str) -> str:
    """ARN of a resource in the environment's account and region."""
    environment = workspace.environment
    return f"arn:{partition(environment.region)}:{service}:{environment.region}:{environment.account}:{resource}"


def bucket_arn(workspace: Workspace, name: str) -> str:
    """ARN of a bucket, which knows neither region nor account."""
    return f"arn:{partition(workspace.environment.region)}:s3:::{name}"


def function_arn(workspace: Workspace, physical: str) -> str:
    """ARN of a function, without qualifier."""
    return arn(workspace, "lambda", f"function:{physical}")


def integration_uri(workspace: Workspace, function: Function) -> str:
    """What API Gateway calls for a route: the function's alias that bears the name of the stage's slot."""
    region = workspace.environment.region
    target = f"{function_arn(workspace, function.physical)}:{SLOT_VARIABLE}"
    return f"arn:{partition(region)}:apigateway:{region}:lambda:path/2015-03-31/functions/{target}/invocations"


def queue_url(workspace: Workspace, queue: Queue) -> str:
    """URL of a queue that this workspace does not own."""
    environment = workspace.environment
    suffix = "amazonaws.com.cn" if partition(environment.region) == "aws-cn" else "amazonaws.com"
    return f"https://sqs.{environment.region}.{suffix}/{environment.account}/{queue.physical}"


def role_name(workspace: Workspace, service: str) -> str:
    """Name of a service's role."""
    return f"{workspace.prefix}-{service}"
