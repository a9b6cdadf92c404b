"""Events as plain lines on standard error: for logs, pipes and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from penstock.cli.render.sink import calm_line, line

if TYPE_CHECKING:
    from penstock.model.errors import PenstockError
    from penstock.model.events import Event


class PlainSink:
    """A line per event that matters. What it is made of, and what only goes on, is shown from `-v` on."""

    def __init__(self, stream: TextIO, *, verbosity: int = 0) -> None:
        self._stream = stream
        self._verbosity = verbosity

    def emit(self, event: Event) -> None:
        """Print the event's line."""
        text = line(event) if self._verbosity else calm_line(event)
        if text:
            self._stream.write(text + "\n")
            self._stream.flush()

    def fail(self, error: PenstockError) -> None:
        """Errors are printed by the caller, for every renderer alike."""

    def close(self) -> None:
        """Nothing is open."""
