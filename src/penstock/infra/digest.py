"""What of a function's configuration a published version holds, as one hash."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from penstock.infra.variables import environment_variables

if TYPE_CHECKING:
    from penstock.model.workspace import Function, Workspace


def config_digest(workspace: Workspace, function: Function) -> str:
    """SHA-256, hex, over what Terraform sets and a version freezes.

    Concurrency, log retention, permissions and event sources are not part of a version, so they are not in here:
    changing them needs no new one. References into the user's Terraform count by their text.
    """
    frozen = {
        "architecture": function.architecture,
        "environment": environment_variables(workspace, function),
        "ephemeral": function.ephemeral,
        "handler": function.handler,
        "layers": list(function.layers),
        "memory": function.memory,
        "runtime": function.runtime,
        "timeout": function.timeout,
        "tracing": function.tracing,
    }
    return hashlib.sha256(json.dumps(frozen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
