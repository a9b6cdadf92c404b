"""A step that takes time, told to the event stream: started, finished, or failed with its time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.model.events import Note, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.operations.world import World


class StepHandle:
    """Lets the body of a step say how it ended."""

    def __init__(self) -> None:
        self.detail = ""
        self.skipped = False

    def skip(self, why: str) -> None:
        """Nothing had to be done, and why."""
        self.skipped = True
        self.detail = why


@contextmanager
def step(world: World, name: str, detail: str = "", *, inner: bool = False) -> Iterator[StepHandle]:
    """Emit StepStarted, run the body, emit StepFinished with the seconds; also when the body raises.

    `inner` is for what only those who look closely want to read.
    """
    world.events.emit(StepStarted(step=name, detail=detail, inner=inner))
    began = world.clock.monotonic()
    handle = StepHandle()
    failed = True
    try:
        yield handle
        failed = False
    finally:
        world.events.emit(
            StepFinished(
                step=name,
                seconds=round(world.clock.monotonic() - began, 3),
                detail=handle.detail,
                skipped=handle.skipped,
                failed=failed,
                inner=inner,
            )
        )


def note(world: World, text: str) -> None:
    """One line of talk."""
    world.events.emit(Note(text=text))


def warn(world: World, text: str) -> None:
    """One line that ought to be read."""
    world.events.emit(Note(text=text, level="warning"))


def timestamp(world: World) -> str:
    """Now, ISO 8601 in UTC with seconds."""
    return datetime.fromtimestamp(world.clock.now(), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
