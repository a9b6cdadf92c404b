"""`penstock status`: what is live, what waits, and how it does: API, Lambda's metrics, DynamoDB."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.ports import FunctionHealth, HttpAnswer, TableHealth

WINDOW = 60
"""Minutes that metrics are summed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One slot: its release with commit and author, and whether traffic goes there."""

    slot: str
    live: bool
    candidate: bool
    release: str | None
    commit: str
    author: str
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A running environment at one look."""

    environment: str
    url: str | None
    deployed: bool
    slots: tuple[SlotStatus, ...]
    stage_agrees: bool
    """Whether the live stage serves what the pointer says; False only after a crash or a change by hand."""
    routes: Mapping[str, HttpAnswer]
    functions: Mapping[str, FunctionHealth]
    tables: Mapping[str, TableHealth]
    holder: str | None
    """Who changes the environment right now, in words."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)
