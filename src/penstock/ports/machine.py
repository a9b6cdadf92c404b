"""This machine: time, files, programs, and where events go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.model.events import Event


@runtime_checkable
class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@runtime_checkable
class EventSink(Protocol):
    """Where events go: the terminal, NDJSON, a list in a test."""

    def emit(self, event: Event) -> None:
        """Take one event. Never raises for the event's content."""


@runtime_checkable
class Files(Protocol):
    """The files of this machine: the workspace's, and our own beneath `.penstock/`."""

    def read(self, path: Path) -> bytes | None:
        """The content, or None when there is no such file."""

    def write(self, path: Path, content: bytes) -> bool:
        """Replace the content by rename, folders included; False when it was the same already.

        Raises PenstockError on a full disk or a read-only folder, and then leaves what was there.
        """

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder that match a glob pattern, sorted; `.terraform` folders are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run: said by one function, done by another."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to, and winning over, the inherited environment."""
    inherits: tuple[str, ...] | None = None
    """Patterns (`LC_*`) of the variables that are inherited; None: all of them."""
    timeout: float | None = None
    """Seconds."""
    stdin: str | None = None
    unwanted: Callable[[], bool] | None = None
    """Asked now and then while it runs; once it says yes, the program is stopped."""
    holds: tuple[int, ...] = ()
    """Open files that it keeps open as long as it runs: a lock that is held even when who started it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a program ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float


@runtime_checkable
class Commands(Protocol):
    """Running programs."""

    def find(self, program: str) -> Path | None:
        """Where the program lies on the user's path, or None."""

    def run(self, command: Command) -> CommandResult:
        """Run to the end and report; a status other than 0 is not an error here.

        Raises ToolMissing when the program is not there, RemoteFault-free TimeoutError after `timeout`,
        InterruptedError when it was stopped as `unwanted`.
        """
