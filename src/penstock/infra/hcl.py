"""Terraform's JSON syntax reads every string as a template: literal text is escaped, references are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from penstock.model.errors import UsageError
from penstock.model.workspace import TerraformReference

if TYPE_CHECKING:
    from penstock.model.workspace import EnvValue

_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_*][A-Za-z0-9_-]*|\[(\d+|\*|\"[A-Za-z0-9_./-]+\")\])+")


def literal(value: Any) -> Any:
    """The value with every string in it, keys too, escaped so that Terraform takes it word for word."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return {literal(key): literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    return value


def reference(expression: str) -> str:
    """A template of one expression, which Terraform resolves with its type kept."""
    return "${" + expression + "}"


def user_value(value: EnvValue, *, where: str) -> str:
    """A string or a user's reference, as it stands in the root.

    Raises UsageError when a reference is more than a path such as `aws_x.y.arn`: calls and operators have no place
    in a configuration file.
    """
    if isinstance(value, TerraformReference):
        if not _REFERENCE.fullmatch(value.expression):
            raise UsageError(
                f"{value.expression!r} is not a reference into your Terraform",
                where=where,
                hint="write the address of an attribute, such as aws_opensearch_domain.search.arn",
            )
        return reference(value.expression)
    return str(literal(value))
