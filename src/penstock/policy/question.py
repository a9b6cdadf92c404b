"""What a gate is asked about: a plan, the environment's rules, and who wants it how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.model.plan import Approval, Plan
    from penstock.model.workspace import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this plan be carried out now?"""

    plan: Plan
    environment: Environment
    authors: frozenset[str]
    """STS ARNs of who made the plan first and of who would carry it out."""
    branch: str
    """The git branch that is checked out; empty when it is not known."""
    ci: bool
    """True when a machine asks: then the trigger and the branches decide."""
    approvals: tuple[Approval, ...] = ()
    now: float = 0.0
    """Seconds since the epoch: a yes is good for a time."""
    api_resources: int = 0
    """Resources that the API document makes (paths and their prefixes, with the root)."""
