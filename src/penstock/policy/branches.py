"""CI deploys only what the environment's trigger and branches allow; people by hand may deploy any branch."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from penstock.model.plan import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.policy.question import Question


def branches(question: Question) -> Iterable[Objection]:
    """Compare the branch with the environment's patterns (`release/*`), when a machine asks."""
    environment = question.environment
    if not question.ci or not environment.branches:
        return
    if any(fnmatchcase(question.branch, pattern) for pattern in environment.branches):
        return
    allowed = ", ".join(environment.branches)
    yield Objection(
        gate="branches",
        what=f"CI deploys to {environment.name} from {allowed} only, not from {question.branch or 'a detached commit'}",
        hint=f"merge into one of them, or change environments.{environment.name}.branches in penstock.toml",
    )
