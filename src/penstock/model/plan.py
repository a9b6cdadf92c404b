"""A plan: what Terraform would change and what traffic would move; and what speaks against it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ChangeAction = Literal["create", "update", "replace", "delete", "read"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ResourceChange:
    """One line of Terraform's plan. `attributes` are the changed top-level names, never their values."""

    address: str
    type: str
    action: ChangeAction
    attributes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FunctionMove:
    """What a release does to one function's code: from which artifact and configuration to which."""

    key: str
    artifact_before: str | None
    artifact_after: str
    config_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything one deploy would do. Its hash binds approvals: another plan needs another yes."""

    id: str
    environment: str
    release: str
    base_release: str | None
    """The live release that the plan was made against."""
    changes: tuple[ResourceChange, ...]
    moves: tuple[FunctionMove, ...]
    routes_changed: bool
    strategy: str
    terraform_digest: str
    """SHA-256 of what Terraform's saved plan does; empty when Terraform has nothing to do."""
    allow_destroy: tuple[str, ...] = ()
    """Addresses of data-bearing resources whose loss is accepted: a yes to the plan is a yes to this."""
    promotions: int = 0
    """How many releases were promoted before: a yes is used up by the next move of traffic."""

    walk: str = ""
    """How traffic will move, in words; empty where none moves: a yes is a yes to this, too."""
    rollout: Mapping[str, Any] = field(default_factory=dict)
    """How it will be judged on that way, `RolloutPolicy` as plain JSON: a yes is no yes to another judge. It has the
    gates that are asked, and `host` and `url_sha256` in the place of a webhook's URL. Empty where nothing is judged."""

    @property
    def digest(self) -> str:
        """SHA-256, hex, over everything but the id."""
        content = {key: value for key, value in asdict(self).items() if key != "id"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def is_empty(self) -> bool:
        """True when nothing would change."""
        return not (self.changes or self.moves or self.routes_changed or self.terraform_digest)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for `plans/<id>/` and `--json`."""
        return {**asdict(self), "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A gate's reason to refuse a plan, and how to satisfy it."""

    gate: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's yes to exactly one plan. `by` is the STS caller's ARN, `how` tells prompt, flag or command."""

    plan_digest: str
    by: str
    how: Literal["prompt", "auto-approve", "approve"]
    at: str
    why: str = ""
