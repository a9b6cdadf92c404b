"""Which services may be those that call a function around its `live`, by what the workspace says of them.

CloudWatch counts calls and not callers. Who really called is known to CloudTrail alone, where its data events are kept.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from penstock.infra.naming import function_arn
from penstock.rollout.traffic import Callers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.model.workspace import Service, Statement, Workspace

INVOKE = "lambda:invokefunction"
"""IAM's actions are compared without regard to case."""
VERSION = ":1"


def who_may_bypass(workspace: Workspace) -> Mapping[str, Callers]:
    """Those services, by the physical names of the functions that they may call so."""
    return {
        function.physical: Callers(
            users=_names(service for service in workspace.services if function.service in service.uses.services),
            others=_names(
                service
                for service in workspace.services
                if any(_allows(one, function_arn(workspace, function.physical)) for one in service.uses.statements)
            ),
        )
        for function in workspace.functions
    }


def _allows(statement: Statement, function: str) -> bool:
    """Whether it may allow to call the function by its name alone or a version; only Terraform knows its own values."""
    invokes = any(fnmatchcase(INVOKE, _plain(action.lower())) for action in statement.actions)
    patterns = [_plain(resource) if isinstance(resource, str) else "*" for resource in statement.resources]
    return invokes and any(fnmatchcase(arn, pattern) for pattern in patterns for arn in (function, function + VERSION))


def _plain(pattern: str) -> str:
    """IAM's patterns know `*` and `?` only."""
    return pattern.replace("[", "[[]")


def _names(services: Iterable[Service]) -> tuple[str, ...]:
    return tuple(service.name for service in services)
