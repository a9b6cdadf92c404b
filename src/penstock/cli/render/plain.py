"""Events as plain lines on standard error: for logs, pipes and CI."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from penstock.cli.render.sink import calm_line, line, seconds
from penstock.model.events import StepFinished, StepProgress, StepStarted

if TYPE_CHECKING:
    from penstock.model.errors import PenstockError
    from penstock.model.events import Event

PATIENCE = 15.0
"""Seconds without a line after which it is told what runs; then twice as many, up to `MOST`."""
MOST = 60.0


class PlainSink:
    """A line per event that matters. What it is made of, and what only goes on, is shown from `-v` on.

    Where nothing has mattered for long, a line says which step runs: a log that stands still looks like a hang.
    """

    def __init__(self, stream: TextIO, *, verbosity: int = 0, patience: float = PATIENCE) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self._patience = patience
        self._running: dict[str, tuple[float, str]] = {}
        """When each step began, and how far it is."""
        self._lines = 0
        self._changing = threading.Lock()
        self._watch: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        """Print the event's line."""
        text = line(event) if self._verbosity else calm_line(event)
        with self._changing:
            self._follow(event)
            if text:
                self._write(text)

    def fail(self, error: PenstockError) -> None:
        """Errors are printed by the caller, for every renderer alike."""

    def close(self) -> None:
        """Nothing runs any more, until another step begins."""
        with self._changing:
            self._running.clear()

    def _follow(self, event: Event) -> None:
        match event:
            case StepStarted(inner=False):
                self._running[event.step] = (time.monotonic(), "")
                if self._watch is None:
                    self._watch = threading.Thread(target=self._say_what_runs, name="what runs", daemon=True)
                    self._watch.start()
            case StepProgress(done=int(), total=int()) if event.step in self._running:
                self._running[event.step] = (self._running[event.step][0], f", {event.done}/{event.total}")
            case StepFinished():
                self._running.pop(event.step, None)
            case _:
                pass

    def _say_what_runs(self) -> None:
        wait = self._patience
        while True:
            before = self._lines
            time.sleep(wait)
            with self._changing:
                is_silent = self._lines == before
                if is_silent and self._running:
                    step, (began, far) = next(iter(self._running.items()))
                    try:
                        self._write(f"{step} … {seconds(time.monotonic() - began)}{far}")
                    except (OSError, ValueError):  # nobody reads any more: whoever emits an event is told so
                        return
                    self._lines = before  # our own words do not count
            wait = min(wait * 2, MOST) if is_silent else self._patience

    def _write(self, text: str) -> None:
        self._lines += 1
        self._stream.write(text + "\n")
        self._stream.flush()
