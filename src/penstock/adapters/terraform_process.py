"""One run of Terraform: its JSON lines as they come, one SIGINT on Ctrl-C, and a process that outlives ours in order.

Terraform writes into a file, not into a pipe, and has a session of its own. A pipe would kill it (SIGPIPE) at its next
line if we died in the middle of an apply, and with it the state it had not yet written; the terminal's Ctrl-C would
reach it beside ours, and two interrupts make it stop without saving. So a run whose parent was killed ends by itself,
writes its state and frees its lock; the next run finds it in `running.json` and waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.processes import is_alive
from penstock.model.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLL = 0.04
"""Seconds between two looks at a running Terraform's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a run ended: status, the JSON lines of standard output, and anything that was not JSON."""

    status: int
    lines: tuple[Mapping[str, Any], ...]
    text: str


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    scratch: Path,
    line: Callable[[Mapping[str, Any]], None],
    stopping: Callable[[], None],
) -> Finished:
    """Run to the end, handing each JSON line to `line` as it comes.

    Args:
        argv: the program and its arguments.
        cwd: the root folder.
        env: the whole environment of the process.
        scratch: a folder for the output and for `running.json`.
        line: called with every JSON object that Terraform printed, in order.
        stopping: called after the first Ctrl-C, while Terraform brings to an end what it does: that may take minutes.

    Raises Interrupted after a Ctrl-C, once Terraform has ended in good order.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    output = scratch / f"output-{os.getpid()}.jsonl"
    mark = scratch / "running.json"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    mark.write_text(json.dumps({"pid": process.pid, "argv": list(argv), "parent": os.getpid()}))
    reader = _Reader(output, line)
    interrupts = 0
    try:
        while True:
            try:
                if interrupts == 1:
                    with contextlib.suppress(OSError):  # who read us may be gone: Terraform is waited for all the same
                        stopping()
                status = _follow(process, reader)
                break
            except KeyboardInterrupt:
                interrupts += 1
                # The first asks Terraform to finish what it is doing and save; a second makes it stop at once.
                process.send_signal(signal.SIGINT)
        reader.drain()
    finally:
        mark.unlink(missing_ok=True)
        reader.close()
    output.unlink(missing_ok=True)
    if interrupts:
        how = "in good order; its state is saved" if interrupts == 1 else "at once, after a second Ctrl-C"
        raise Interrupted(
            f"interrupted; Terraform stopped {how}",
            where=str(cwd),
            hint="the same command plans what is left and goes on; a plan that needs a yes needs a new one",
        )
    return Finished(status=status, lines=tuple(reader.lines), text="\n".join(reader.other))


@dataclass(frozen=True, slots=True)
class _Left:
    """A run that a mark tells of. `parent` is the Penstock that began it, 0 where that is not told."""

    pid: int
    program: str
    parent: int


def _left(mark: Path) -> _Left | None:
    """What the mark tells; None where there is none that can be read."""
    try:
        told = json.loads(mark.read_text())
        return _Left(pid=int(told["pid"]), program=str(told["argv"][0]), parent=int(told.get("parent", 0)))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def end_orphans(folder: Path) -> None:
    """End, at once and with their providers, all runs below a folder whose state nobody will ask for."""
    for mark in folder.glob("**/running.json"):
        left = _left(mark)
        if left is not None and _is_running(left.pid, left.program):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(left.pid, signal.SIGKILL)  # it began a session of its own


def wait_for_orphan(scratch: Path, said: Callable[[int, int | None], None]) -> None:
    """Wait until a run in this folder that is not ours has ended.

    `said` is told its pid first, and that of the Penstock which waits for it: None when that was killed.
    """
    mark = scratch / "running.json"
    left = _left(mark)
    if left is None:
        return
    if _is_running(left.pid, left.program):
        said(left.pid, left.parent if left.parent and is_alive(left.parent) else None)
        while _is_running(left.pid, left.program):
            time.sleep(POLL)
    mark.unlink(missing_ok=True)


def processes_in(folder: Path) -> tuple[int, ...]:
    """Ids of the Terraform or OpenTofu processes of this machine whose working folder is this one.

    Where a process's folder cannot be seen (without /proc), every Terraform of the machine counts: better to wait for
    a stranger than to take the lock from one that lives.
    """
    listed = subprocess.run(["ps", "-axo", "pid=,comm="], capture_output=True, text=True, check=False).stdout
    found = []
    for text in listed.splitlines():
        pid, _, command = text.strip().partition(" ")
        if Path(command.strip()).name in {"terraform", "tofu"} and _works_in(int(pid), folder):
            found.append(int(pid))
    return tuple(found)


def _works_in(pid: int, folder: Path) -> bool:
    if not Path("/proc/self/cwd").exists():
        return True
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        return False


def _follow(process: subprocess.Popen[bytes], reader: _Reader) -> int:
    while True:
        status = process.poll()
        reader.drain()
        if status is not None:
            return status
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL)


def _is_running(pid: int, program: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # somebody else's process got the number
    # The number may have been given away since: the command must be ours, and not a zombie.
    seen = subprocess.run(
        ["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(seen) and not seen.startswith("Z") and Path(program).name in seen


class _Reader:
    """Follows a growing file of JSON lines."""

    def __init__(self, path: Path, line: Callable[[Mapping[str, Any]], None]) -> None:
        self._file = path.open("rb")
        self._line = line
        self._rest = b""
        self.lines: list[Mapping[str, Any]] = []
        self.other: list[str] = []

    def drain(self) -> None:
        """Take everything that was written since the last look."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for raw in whole:
            self._take(raw.decode(errors="replace").rstrip("\r"))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _take(self, text: str) -> None:
        try:
            value = json.loads(text)
        except ValueError:
            self.other.append(text)
            return
        if isinstance(value, dict):
            self.lines.append(value)
            self._line(value)
        else:
            self.other.append(text)
