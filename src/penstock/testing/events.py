"""Events, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from penstock.model.events import Event

Kind = TypeVar("Kind", bound="Event")


class RecordedEvents:
    """Takes events and keeps them in order in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep one event."""
        self.seen.append(event)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Those of one class, in order."""
        return [event for event in self.seen if isinstance(event, kind)]
