"""Terraform's JSON lines → events and errors. Pure.

Source of the format: https://developer.hashicorp.com/terraform/internals/machine-readable-ui
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from penstock.adapters.terraform_checked import is_about_it
from penstock.model.errors import Locked, PenstockError, TerraformFailed, ToolMissing
from penstock.model.events import Event, Note, StepProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOCK_SUMMARY = "Error acquiring the state lock"

_PROVIDER_SUMMARIES = (
    "Failed to query available provider packages",
    "Failed to install provider",
    "Failed to query provider",
)
_ACTIONS = {
    "create": "creating",
    "update": "changing",
    "delete": "destroying",
    "read": "reading",
    "replace": "replacing",
}


class Progress:
    """Counts what is done of what was planned, over the lines of one run."""

    def __init__(self, step: str, *, trusting: bool = False) -> None:
        """`trusting` says that Terraform was told by us to take the installed provider as it is."""
        self._step = step
        self._trusting = trusting
        self._planned = 0
        self._done = 0

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """The event that a line is worth, or None."""
        kind = str(line.get("type", ""))
        self._planned += kind == "planned_change"
        self._done += kind in {"apply_complete", "apply_errored"}
        if kind == "diagnostic":
            return None if self._trusting and is_about_it(line["diagnostic"]) else _warning(line["diagnostic"])
        detail = _detail(kind, line)
        if not detail:
            return None
        if not kind.startswith("apply_"):
            return StepProgress(step=self._step, detail=detail)
        return StepProgress(step=self._step, detail=detail, done=self._done, total=self._planned or None)


def _detail(kind: str, line: Mapping[str, Any]) -> str:
    hook = line.get("hook", {})
    address = hook.get("resource", {}).get("addr", "")
    details = {
        "init_output": str(line.get("@message", "")),
        "refresh_start": f"reading {address}",
        "apply_start": f"{_ACTIONS.get(hook.get('action', ''), 'working on')} {address}",
        "apply_progress": f"{address} … {hook.get('elapsed_seconds', 0):.0f} s",
        "apply_complete": f"{address} done",
        "apply_errored": f"{address} failed",
    }
    return details.get(kind, "")


def _warning(diagnostic: Mapping[str, Any]) -> Note | None:
    if diagnostic["severity"] != "warning":
        return None
    return Note(text=f"Terraform warns: {diagnostic['summary']}{_place(diagnostic)}", level="warning")


def failure(lines: Sequence[Mapping[str, Any]], text: str, *, root: str, status: int) -> PenstockError:
    """The error that a failed run is: Locked with the holder, ToolMissing without a provider, else TerraformFailed."""
    errors = [
        line["diagnostic"]
        for line in lines
        if line.get("type") == "diagnostic" and line["diagnostic"]["severity"] == "error"
    ]
    for diagnostic in errors:
        if diagnostic["summary"] == LOCK_SUMMARY and "Lock Info:" in diagnostic.get("detail", ""):
            return _locked(diagnostic["detail"], root)
    if not errors:
        tail = "\n".join(text.strip().splitlines()[-20:])
        return TerraformFailed(f"Terraform ended with status {status}" + (f":\n{tail}" if tail else ""), where=root)
    told = "\n".join(_told(diagnostic) for diagnostic in errors)
    if any(diagnostic["summary"].startswith(_PROVIDER_SUMMARIES) for diagnostic in errors):
        return ToolMissing(told, where=root)
    return TerraformFailed(told, where=root, hint=_hint(told))


def _told(diagnostic: Mapping[str, Any]) -> str:
    detail = diagnostic.get("detail", "").strip()
    place = _place(diagnostic)
    return f"{diagnostic['summary']}{place}" + (f": {detail}" if detail else "")


def _place(diagnostic: Mapping[str, Any]) -> str:
    address = diagnostic.get("address")
    where = diagnostic.get("range")
    parts = [str(address)] if address else []
    if where:
        parts.append(f"{where['filename']}:{where['start']['line']}")
    return f" ({', '.join(parts)})" if parts else ""


def _hint(told: str) -> str:
    if "doesn't match any of the checksums" in told or "does not match configured version constraint" in told:
        return "terraform init -upgrade in that folder, and commit .terraform.lock.hcl"
    if "connection refused" in told:
        return "penstock local start"
    return ""


def _locked(detail: str, root: str) -> Locked:
    info = dict(re.findall(r"^\s*(ID|Path|Operation|Who|Created):[ \t]*(.+?)\s*$", detail, re.MULTILINE))
    who = info.get("Who", "somebody")
    since = info.get("Created", "").split(".")[0]
    doing = info.get("Operation", "").removeprefix("OperationType").lower()
    return Locked(
        f"Terraform's state is locked by {who}"
        + (f" since {since} UTC" if since else "")
        + (f" for {doing}" if doing else "")
        + (f" (lock {info['ID']})" if "ID" in info else ""),
        where=root,
        hint="wait for it; if that process is gone: penstock unlock",
    )
