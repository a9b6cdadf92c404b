"""The `Commands` port: programs of this machine, run to their end and never left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from penstock.model.errors import ToolMissing
from penstock.ports import CommandResult

if TYPE_CHECKING:
    from penstock.ports import Command

_GRACE = 2.0
"""Seconds between the polite signal and the one that cannot be refused."""
LOOK = 1.0
"""Seconds between two looks whether a program is unwanted by now."""


@runtime_checkable
class Stoppable(Protocol):
    """Commands that can be stopped from another thread, as the real ones can."""

    def stop(self) -> None:
        """Kill everything that runs."""

    @property
    def stopped(self) -> bool:
        """Whether that has happened, so that nobody need wait for anything any more."""


class RealCommands:
    """Runs each program in a process group of its own, so that stopping it stops its children as well.

    Several threads may run programs at once. An exception in the waiting thread (a timeout, Ctrl-C) kills the group;
    `stop` kills the groups of all threads, for a main thread that was interrupted while others wait.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def find(self, program: str) -> Path | None:
        """Where the program lies on the user's path, or None."""
        found = shutil.which(program)
        return Path(found) if found else None

    def run(self, command: Command) -> CommandResult:
        """Run to the end; the error texts name the program only, because arguments may hold secrets."""
        began = time.monotonic()
        process = self._start(command)
        try:
            stdout, stderr = _communicate(process, command)
        except BaseException:
            _kill(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return CommandResult(status=process.returncode, stdout=stdout, stderr=stderr, seconds=time.monotonic() - began)

    def stop(self) -> None:
        """Kill everything that runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            running = tuple(self._running)
        # The waiting threads read on until the pipes close, so they are not closed here.
        for process in running:
            _end(process)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def _start(self, command: Command) -> subprocess.Popen[str]:
        if command.cwd is not None and not command.cwd.is_dir():
            raise ToolMissing(f"cannot run {_program(command)}: its folder is gone", where=str(command.cwd))
        with self._lock:
            if self._stopped:
                raise InterruptedError(f"{_program(command)} was not started: the command was interrupted")
            try:
                process = subprocess.Popen(
                    command.argv,
                    cwd=command.cwd,
                    env={**_inherited(command), **command.env},
                    stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    process_group=0,
                    pass_fds=command.holds,
                )
            except FileNotFoundError as error:
                raise ToolMissing(
                    f"{_program(command)} is not on this machine", hint=f"install {_program(command)}"
                ) from error
            except (PermissionError, OSError) as error:
                raise ToolMissing(f"{_program(command)} cannot be run: {error.strerror}") from error
            self._running.add(process)
        return process


def _inherited(command: Command) -> dict[str, str]:
    """The variables of this process that reach a program."""
    patterns = command.inherits
    if patterns is None:
        return dict(os.environ)
    return {name: value for name, value in os.environ.items() if any(fnmatchcase(name, each) for each in patterns)}


def _communicate(process: subprocess.Popen[str], command: Command) -> tuple[str, str]:
    """What it said. Raises TimeoutError, and InterruptedError when nobody wants it any more; it runs on then."""
    ends = None if command.timeout is None else time.monotonic() + command.timeout
    to_say = command.stdin
    while True:
        left = None if ends is None else max(ends - time.monotonic(), 0.0)
        turn = left if command.unwanted is None else min(LOOK, LOOK if left is None else left)
        try:
            return process.communicate(to_say, timeout=turn)
        except subprocess.TimeoutExpired as expired:
            to_say = None  # it has it
            if command.unwanted is not None and command.unwanted():
                raise InterruptedError(f"{_program(command)} was stopped") from expired
            if ends is not None and time.monotonic() >= ends:
                raise TimeoutError(f"{_program(command)} did not end within {command.timeout:g} s") from expired


def _program(command: Command) -> str:
    return Path(command.argv[0]).name


def _kill(process: subprocess.Popen[str]) -> None:
    """End the whole group and let go of its pipes."""
    _end(process)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


def _end(process: subprocess.Popen[str]) -> None:
    """End the group: first politely, then for good, grandchildren that outlive a polite leader included."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
