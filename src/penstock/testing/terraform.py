"""Terraform that is not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.model.errors import TerraformFailed
from penstock.ports import TerraformPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class FakeTerraform:
    """Plans what it was given and applies by calling back.

    Args:
        applied: does to the other fakes what Terraform would do to AWS; gets the root and the plan's document.
    """

    def __init__(self, applied: Callable[[Path, Mapping[str, Any]], None] = lambda _root, _document: None) -> None:
        self._applied = applied
        self._plans: dict[Path, Mapping[str, Any]] = {}
        self.document: Mapping[str, Any] = {"resource_changes": []}
        """What the next plan shows."""
        self.prepared: list[Path] = []
        self.planned: list[Mapping[str, str]] = []
        """The variables of every plan."""
        self.processes: Mapping[Path, Sequence[int]] = {}
        """Which processes work in which root, as `running` tells."""

    def prepare(self, root: Path) -> None:
        """Note the root."""
        self.prepared.append(root)

    def plan(self, root: Path, *, out: Path, variables: Mapping[str, str]) -> TerraformPlan:
        """A plan of `document`; changed when it names any change but no-ops and reads."""
        if root not in self.prepared:
            raise TerraformFailed("the root was not initialised", where=str(root), hint="terraform init")
        self.planned.append(dict(variables))
        self._plans[out] = self.document
        actions = [change["change"]["actions"] for change in self.document.get("resource_changes", [])]
        changed = any(action not in (["no-op"], ["read"]) for action in actions)
        return TerraformPlan(path=out, changed=changed, document=self.document)

    def apply(self, root: Path, plan: Path) -> None:
        """Apply exactly that plan, once. Raises TerraformFailed for a plan that was not made or is used up."""
        document = self._plans.pop(plan, None)
        if document is None:
            raise TerraformFailed("saved plan is stale", where=str(plan))
        self._applied(root, document)

    def version(self) -> str:
        """A version that is new enough."""
        return "Terraform 1.11.4"

    def running(self, root: Path) -> Sequence[int]:
        """The processes that were given for the root."""
        return tuple(self.processes.get(root, ()))
