"""Commands that tell of every program they run: what `-v` and `--timings` show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.events import StepFinished, StepStarted

if TYPE_CHECKING:
    from penstock.adapters.commands import RealCommands
    from penstock.ports import Clock, Command, CommandResult, EventSink

_WORD = re.compile(r"[a-z][a-z-]*")
_WORDS = 2


class ToldCommands:
    """Runs what it is given by other commands, and emits when each program begins and ends."""

    def __init__(self, commands: RealCommands, events: EventSink, clock: Clock) -> None:
        self._commands = commands
        self._events = events
        self._clock = clock

    def find(self, program: str) -> Path | None:
        """Where the program lies on the user's path, or None."""
        return self._commands.find(program)

    def run(self, command: Command) -> CommandResult:
        """Run to the end and report."""
        step, began = called(command), self._clock.monotonic()
        self._events.emit(StepStarted(step=step, inner=True))
        try:
            return self._commands.run(command)
        finally:
            self._events.emit(StepFinished(step=step, seconds=self._clock.monotonic() - began, inner=True))

    def stop(self) -> None:
        """Kill everything that runs, and start nothing any more."""
        self._commands.stop()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._commands.stopped


def called(command: Command) -> str:
    """`uv pip install`, `npm run build`: the program and what it is told to do, without anything that may be secret."""
    program, *rest = command.argv
    name = Path(program).name
    if name in {"node", "python", "python3"} and rest and not rest[0].startswith("-"):
        name, rest = Path(rest[0]).name, rest[1:]
    words = []
    for word in rest[:_WORDS]:
        if _WORD.fullmatch(word) is None:
            break
        words.append(word)
    return " ".join((name, *words))
