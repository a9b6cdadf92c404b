"""Events as plain lines on standard error: for logs, pipes and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from penstock.cli.render.sink import line
from penstock.model.events import StepProgress, StepStarted

if TYPE_CHECKING:
    from penstock.model.errors import PenstockError
    from penstock.model.events import Event


class PlainSink:
    """A line per event. What only says that something goes on is shown from `-v` on."""

    def __init__(self, stream: TextIO, *, verbosity: int = 0) -> None:
        self._stream = stream
        self._verbosity = verbosity

    def emit(self, event: Event) -> None:
        """Print the event's line."""
        if isinstance(event, StepStarted | StepProgress) and self._verbosity < 1:
            return
        text = line(event)
        if text:
            self._stream.write(text + "\n")
            self._stream.flush()

    def fail(self, error: PenstockError) -> None:
        """Errors are printed by the caller, for every renderer alike."""

    def close(self) -> None:
        """Nothing is open."""
