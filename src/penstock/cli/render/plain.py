"""Events as plain lines on standard error: for logs, pipes and CI."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from penstock.cli.render.sink import calm_line, counted, line, seconds
from penstock.model.events import StepFinished, StepProgress, StepStarted

if TYPE_CHECKING:
    from penstock.model.errors import PenstockError
    from penstock.model.events import Event

PATIENCE = 15.0
"""Seconds without a line after which it is told what runs; then twice as many, up to `MOST`."""
MOST = 60.0
PRECISION = 10
"""How often within that time it is looked at."""


class PlainSink:
    """A line per event that matters. What it is made of, and what only goes on, is shown from `-v` on.

    Where nothing has mattered for long, a line says which step runs: a log that stands still looks like a hang.
    """

    def __init__(self, stream: TextIO, *, verbosity: int = 0, patience: float = PATIENCE) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self._patience = patience
        self._running: dict[str, _Running] = {}
        self._last = time.monotonic()
        """When something was last said that was not about what runs."""
        self._changing = threading.Lock()
        self._watch: threading.Thread | None = None

    def emit(self, event: Event) -> None:
        """Print the event's line."""
        text = line(event) if self._verbosity else calm_line(event)
        with self._changing:
            self._follow(event)
            if text:
                self._last = time.monotonic()
                self._write(text)

    def fail(self, error: PenstockError) -> None:
        """Errors are printed by the caller, for every renderer alike."""

    def close(self) -> None:
        """Nothing runs any more, until another step begins."""
        with self._changing:
            self._running.clear()

    def _follow(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._running[event.step] = _Running(time.monotonic(), is_inner=event.inner)
                if self._watch is None:
                    self._watch = threading.Thread(target=self._say_what_runs, name="what runs", daemon=True)
                    self._watch.start()
            case StepProgress() if event.step in self._running and (far := counted(event, before=", ")):
                self._running[event.step].far = far
            case StepFinished():
                self._running.pop(event.step, None)
            case _:
                pass

    def _say_what_runs(self) -> None:
        patience = self._patience
        silent_since = self._last
        while True:
            with self._changing:
                now = time.monotonic()
                if not self._running:
                    silent_since, patience = now, self._patience
                elif self._last > silent_since:
                    silent_since, patience = self._last, self._patience
                elif now - silent_since >= patience:
                    try:
                        self._write(self._what_runs(now))
                    except (OSError, ValueError):  # nobody reads any more: whoever emits an event is told so
                        return
                    silent_since, patience = now, min(patience * 2, MOST)
            time.sleep(self._patience / PRECISION)

    def _what_runs(self, now: float) -> str:
        """The newest step that is told by itself, else the newest of those that are parts of one."""
        newest = max(self._running, key=lambda step: (not self._running[step].is_inner, self._running[step].began))
        running = self._running[newest]
        return f"{newest} … {seconds(now - running.began)}{running.far}"

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


@dataclass(slots=True)
class _Running:
    """A step: when it began, and how far it is."""

    began: float
    is_inner: bool
    far: str = ""
