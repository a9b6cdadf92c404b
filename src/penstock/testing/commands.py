"""Programs that are not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing
from penstock.ports import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.ports import Command


class FakeCommands:
    """Answers commands by the program's name and keeps them in `ran`.

    Args:
        programs: by name (`git`), what each does; it may raise TimeoutError.
    """

    def __init__(self, programs: Mapping[str, Callable[[Command], CommandResult]] | None = None) -> None:
        self.programs = dict(programs or {})
        self.ran: list[Command] = []

    def find(self, program: str) -> Path | None:
        """A made-up path for a program that there is."""
        return Path("/fake/bin") / program if Path(program).name in self.programs else None

    def run(self, command: Command) -> CommandResult:
        """Ask the program's stand-in. Raises ToolMissing when there is none."""
        name = Path(command.argv[0]).name
        if name not in self.programs:
            raise ToolMissing(f"{name} is not on the path", where=" ".join(command.argv))
        self.ran.append(command)
        result = self.programs[name](command)
        if command.unwanted is not None and command.unwanted():
            raise InterruptedError(f"{name} was stopped")
        return result


def says(stdout: str = "", *, status: int = 0, stderr: str = "") -> Callable[[Command], CommandResult]:
    """A program that always answers the same."""
    return lambda _command: CommandResult(status=status, stdout=stdout, stderr=stderr, seconds=0.0)
