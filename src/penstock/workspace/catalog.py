"""Numbers and names that AWS publishes, and Penstock's own defaults. Each table says where it comes from."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTION_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "runtime": "python3.13",
        "architecture": "arm64",
        "memory": 256,
        "timeout": 10,
        "ephemeral": 512,
        "log_retention": 14,
        "tracing": False,
        "layers": [],
        "env": {},
    }
)
"""What a function has when no file says otherwise: MB, seconds, days."""

LOCAL_REGION = "eu-west-1"
"""Region of an environment in the embedded AWS that names none; one on AWS must name its own."""

ENVIRONMENT_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "trigger": "manual",
        "branches": [],
        "profile": "minimal",
        "signing": "kms",
        "build_cache": True,
        "approvals": {"required": 0, "self": True, "expires": "24h"},
        "rollout": {
            "strategy": "all-at-once",
            "margin": 0.01,
            "latency_margin": 0.05,
            "alpha": 0.01,
            "minimum": 50,
            "clusters": 1,
            "delay": "2m",
            "on_inconclusive": "extend",
            "window": "0s",
            "controller": True,
        },
        "synthetic": {"rate": 60.0, "requests": []},
        "after": {"smoke": [], "notify": []},
    }
)

NAMING = "{workspace}-{environment}-{function}"

RUNTIMES: Mapping[str, str] = MappingProxyType(
    {
        "python3.9": "2025-12-15",
        "python3.10": "2026-10-31",
        "python3.11": "2027-06-30",
        "python3.12": "2028-10-31",
        "python3.13": "2029-06-30",
        "python3.14": "2029-06-30",
        "nodejs18.x": "2025-09-01",
        "nodejs20.x": "2026-04-30",
        "nodejs22.x": "2027-04-30",
        "nodejs24.x": "2028-04-30",
    }
)
"""When AWS deprecates a runtime. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""

RUNTIMES_REVIEWED = "2026-01-31"
"""What this table knows is what was true on that day: a runtime that had ended by then is refused.

Not today's date, because a workspace that loaded yesterday, and must be rolled back today, has to load today.
"""

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

RESERVED_ENV = frozenset(
    (
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    )
)  # fmt: skip
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, reserved variables"""

OWN_ENV = ("PENSTOCK_", "TABLE_", "SECRET_", "PARAMETER_", "QUEUE_", "TOPIC_", "BUCKET_", "SERVICE_")
"""Prefixes of the variables that Penstock sets from `[uses]` and the resources."""

MAX_ENV_BYTES = 4096
"""Lambda: all environment variables together. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

MAX_NAME = MappingProxyType(
    {"function": 64, "role": 64, "table": 255, "queue": 80, "topic": 256, "bucket": 63, "secret": 512,
     "parameter": 1011, "API": 128}
)  # fmt: skip
"""Longest physical names, from each service's API reference (CreateFunction, CreateRole, CreateTable, …)."""

MAX_REST_TIMEOUT = 29
"""API Gateway gives up on a REST integration after 29 s. https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

MAX_BATCH = MappingProxyType({"queue": 10_000, "stream": 10_000})
"""CreateEventSourceMapping; ten at most for a queue without a window, or a FIFO one."""

TERRAFORM_MODULES = frozenset(("boundary", "observability", "pointer", "rest_api"))
"""Modules of every generated root; a service's module bears the service's name, so no service may be called so."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "tables": "table",
        "queues": "queue",
        "topics": "topic",
        "buckets": "bucket",
        "secrets": "secret",
        "parameters": "parameter",
    }
)
"""Resources as the files name them, and one of each."""
