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
        "approvals": {"required": 0, "self": True},
        "rollout": {"strategy": "all-at-once", "margin": 0.01, "on_inconclusive": "extend"},
        "after": {"smoke": [], "notify": []},
    }
)

NAMING = "{workspace}-{environment}-{function}"
