"""`terraform show -json` of a saved plan → what changes, as names. Values stay behind: some of them are secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.model.plan import ResourceChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.model.plan import ChangeAction

ORDER: tuple[ChangeAction, ...] = ("delete", "replace", "create", "update", "read")
"""What a reader has to see first comes first."""

SIGNS: Mapping[ChangeAction, str] = {"create": "+", "update": "~", "replace": "±", "delete": "-", "read": "?"}

_ACTIONS: Mapping[tuple[str, ...], ChangeAction] = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("read",): "read",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}

_REASONS: Mapping[str, str] = {
    "delete_because_count_index": "its count shrank",
    "delete_because_each_key": "its key is gone",
    "delete_because_no_module": "it is in no module any more",
    "delete_because_no_move_target": "what it moved to is gone",
    "delete_because_no_resource_config": "nothing declares it any more",
    "delete_because_wrong_repetition": "count or for_each came or went",
    "read_because_check_nested": "a check reads it",
    "read_because_config_unknown": "its configuration is not known yet",
    "read_because_dependency_pending": "what it depends on changes",
    "replace_because_cannot_update": "it cannot be updated in place",
    "replace_because_tainted": "it was left half-made",
    "replace_by_request": "somebody asked for it",
    "replace_by_triggers": "what triggers it changed",
}
"""Terraform's words for why. https://developer.hashicorp.com/terraform/internals/json-format#change-representation"""


def parse_plan(document: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    """Every resource that the plan changes, sorted by address. No-ops, and what is merely forgotten, are left out."""
    changes = (_change(entry) for entry in document.get("resource_changes", ()))
    return tuple(sorted(change for change in changes if change is not None))


def summary(changes: Iterable[ResourceChange]) -> str:
    """A plan for people: a line of counts, then a line for each change, the dangerous ones first."""
    ordered = sorted(changes, key=lambda change: (ORDER.index(change.action), change.address))
    if not ordered:
        return "no changes"
    counts = [
        f"{len([change for change in ordered if change.action == action])} to {action}"
        for action in ORDER
        if any(change.action == action for change in ordered)
    ]
    return "\n".join([", ".join(counts), *(f"  {_line(change)}" for change in ordered)])


def _line(change: ResourceChange) -> str:
    attributes = f" ({', '.join(change.attributes)})" if change.action in ("update", "replace") else ""
    reason = f" because {change.reason}" if change.reason else ""
    return f"{SIGNS[change.action]} {change.address}{attributes if change.attributes else ''}{reason}"


def _change(entry: Mapping[str, Any]) -> ResourceChange | None:
    action = _ACTIONS.get(tuple(entry["change"]["actions"]))
    if action is None:
        return None
    return ResourceChange(
        address=entry["address"],
        type=entry["type"],
        action=action,
        attributes=_attributes(entry["change"]) if action in ("update", "replace") else (),
        reason=_reason(entry.get("action_reason", "")),
    )


def _attributes(change: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    differing = {
        name
        for name in {*before, *after, *unknown}
        if unknown.get(name) not in (None, False, {}, []) or before.get(name) != after.get(name)
    }
    return tuple(sorted(differing))


def _reason(word: str) -> str:
    return _REASONS.get(word, "" if word == "none" else word.replace("_", " "))
