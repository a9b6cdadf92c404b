"""Events on a terminal: finished lines scroll up, running steps keep a spinner at the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from penstock.cli.render.sink import calm_line, counted, line
from penstock.model.events import Event, Note, NothingToDo, Recovered, StepFinished, StepProgress, StepStarted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from penstock.model.errors import PenstockError

BESIDE = 12
"""Columns of a spinner, a time and the blanks between."""

_STYLES = {"✓": "green", "✗": "bold red", "!": "yellow", "-": "dim"}


class TerminalSink:
    """Rich's progress, loaded with the first event so that silent commands do not pay for it."""

    def __init__(self, stream: TextIO, *, color: bool, verbosity: int = 0) -> None:
        self._stream = stream
        self._color = color
        self._verbosity = verbosity
        self._console: Console | None = None
        self._progress: Progress | None = None
        self._running: dict[str, TaskID] = {}

    def emit(self, event: Event) -> None:
        """Show the event."""
        match event:
            case StepStarted(inner=True) if not self._verbosity:
                pass
            case StepStarted():
                self._start(event.step, event.detail)
            case StepProgress():
                self._update(event)
            case StepFinished():
                self._finish(event.step)
                self._print(event)
            case _:
                self._print(event)

    def fail(self, error: PenstockError) -> None:
        """Errors are printed by the caller, for every renderer alike."""

    def close(self) -> None:
        """Take the spinners away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._running.clear()

    def _start(self, step: str, detail: str) -> None:
        progress = self._bars()
        self._running[step] = progress.add_task(step, total=None, detail=detail)

    def _update(self, event: StepProgress) -> None:
        if event.step not in self._running:
            self._start(event.step, event.detail)
        detail = f"{counted(event, after=' ')}{event.detail}"
        self._bars().update(self._running[event.step], detail=self._fitting(event.step, detail))

    def _fitting(self, step: str, detail: str) -> str:
        """The detail cut to what its line has room for: else the step's own name would make way for it."""
        room = max(self._screen().width - len(step) - BESIDE, 0)
        return detail if len(detail) <= room else f"{detail[: max(room - 1, 0)]}…"

    def _finish(self, step: str) -> None:
        task = self._running.pop(step, None)
        if task is not None and self._progress is not None:
            self._progress.remove_task(task)
        if not self._running:
            self.close()

    def _print(self, event: Event) -> None:
        text = line(event) if self._verbosity else calm_line(event)
        if not text:
            return
        style = _STYLES.get(text[0], "")
        if isinstance(event, Note) and event.level == "good":
            style = "green"
        if isinstance(event, NothingToDo | Recovered):
            style = "yellow" if isinstance(event, Recovered) else "green"
        screen = self._screen()
        from rich.text import Text  # noqa: PLC0415 - see the class

        # A style given to print() would colour the spinners below as well.
        screen.print(Text(text, style=style), soft_wrap=True)

    def _screen(self) -> Console:
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415 - see the class

            self._console = Console(file=self._stream, no_color=not self._color, stderr=True)
        return self._console

    def _bars(self) -> Progress:
        if self._progress is None:
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}", style="dim", markup=False),
                console=self._screen(),
                transient=True,
            )
            self._progress.start()
        return self._progress
