"""One build at a time writes into a workspace's own folders: node_modules, and what packages' scripts make."""

from __future__ import annotations

import contextlib
import errno
import fcntl
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from penstock.adapters.commands import Stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from penstock.ports import Clock, Command, CommandResult, Commands

_UNTOLD, _TURN = 0.5, 0.05
"""Seconds: how long one waits for others without a word, and between two looks."""


class Alone:
    """A lock of a workspace that dies with whoever holds it, and with what he has run by then."""

    def __init__(
        self,
        folder: Path,
        commands: Commands,
        clock: Clock,
        waiting: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        """The lock lies in `folder`; `waiting` tells that somebody waits for it, for as long as he does."""
        self._folder = folder
        self._commands = commands
        self._clock = clock
        self._waiting = waiting
        self._held: tuple[int, ...] = ()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other builds out meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "install.lock").open("w") as file:
            self._wait_for(file)
            self._held = (file.fileno(),)
            try:
                yield
            finally:
                self._held = ()

    def run(self, command: Command) -> CommandResult:
        """Run something that writes into the workspace; an orphan of ours still keeps others out."""
        return self._commands.run(replace(command, holds=self._held))

    def _wait_for(self, file: IO[str]) -> None:
        """Take the lock. In turns, because a thread that waits for it could not be interrupted."""
        if self._takes(file, patience=_UNTOLD):
            return
        with self._waiting():
            self._takes(file, patience=float("inf"))

    def _takes(self, file: IO[str], *, patience: float) -> bool:
        began = self._clock.monotonic()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if isinstance(self._commands, Stoppable) and self._commands.stopped:
                    raise InterruptedError(errno.EINTR, "interrupted") from None
                if self._clock.monotonic() - began > patience:
                    return False
                self._clock.sleep(_TURN)
            else:
                return True
