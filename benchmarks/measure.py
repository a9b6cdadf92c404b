"""What the benchmarks share: run a program and watch it, a table that prints ratios, the machine in two lines."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PENSTOCK = Path(sys.executable).parent / "penstock"
_SHORT = 0.1
"""Seconds below which milliseconds count."""
LOOK_EVERY = 0.02
"""Seconds between two looks at a program's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One program that has ended. `peak` is the most memory that it held, in MB; None where that is not known."""

    seconds: float
    status: int
    stdout: str
    stderr: str
    peak: float | None


def run(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, expect: int = 0
) -> Ran:
    """Run a program to its end and time it; its peak is its own, without those that it starts.

    Raises SystemExit when it does not end as expected.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in argv],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peaks: list[float] = []
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, ended, peaks))
    watcher.start()
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - began
    ended.set()
    watcher.join()
    if process.returncode != expect:
        raise SystemExit(f"{argv} ended with {process.returncode}, not {expect}:\n{stdout[-2000:]}\n{stderr[-4000:]}")
    return Ran(
        seconds=seconds,
        status=process.returncode,
        stdout=stdout,
        stderr=stderr,
        peak=max(peaks) if peaks else None,
    )


def run_with_its_own(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, watched: bool = True
) -> Ran:
    """The same; the peak is of all that it starts together, memory that they share counted once (PSS, proc(5)).

    What lives shorter than from one look to the next may be missed. A look costs time, so that whoever wants the
    seconds leaves `watched` out, and gets no peak. Raises SystemExit when it fails.
    """
    peaks: list[float] = []
    ended = threading.Event()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        watcher = threading.Thread(target=_watch_all, args=(process.pid, ended, peaks))
        if watched:
            watcher.start()
        process.wait()
        seconds = time.perf_counter() - began
        ended.set()
        if watched:
            watcher.join()
        for file in (out, err):
            file.seek(0)
        stdout, stderr = out.read(), err.read()
    if process.returncode != 0:
        raise SystemExit(f"{argv} ended with {process.returncode}:\n{stdout[-2000:]}\n{stderr[-4000:]}")
    return Ran(seconds=seconds, status=0, stdout=stdout, stderr=stderr, peak=max(peaks, default=None))


def times(rounds: int, *actions: Callable[[], float]) -> list[float]:
    """The median of each action's seconds; the actions take turns, so that a busy machine troubles all alike."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, into in zip(actions, taken, strict=True):
            into.append(action())
    return [statistics.median(found) for found in taken]


@dataclass(slots=True)
class Table:
    """Measurements, each with what was measured beside it."""

    title: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        value: float,
        *,
        unit: str = "s",
        at_most: float | None = None,
        beside: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """One line.

        Args:
            what: what was measured.
            value: ours, or (for a line of its own) the other's.
            unit: s or MB.
            at_most: the goal for the value.
            beside: what the ratio is taken to: the row says how many times longer `value` takes than this.
            at_least: the goal for that ratio.
        """
        ratio = None if beside is None else value / beside
        goals = []
        if at_most is not None:
            goals.append((f"<= {at_most:g} {unit}", value <= at_most))
        if at_least is not None and ratio is not None:
            goals.append((f">= {at_least:g} x", ratio >= at_least))
        verdict = "" if not goals else "met" if all(met for _, met in goals) else "MISSED"
        if verdict == "MISSED":
            self.missed.append(what)
        self.rows.append(
            (
                what,
                f"{value:.2f} {unit}"
                if unit == "s" and value >= _SHORT
                else f"{value:.3f} {unit}"
                if unit == "s"
                else f"{value:.2g} {unit}"
                if unit == "x"
                else f"{value:.0f} {unit}",
                "" if ratio is None else f"{ratio:.1f} x",
                ", ".join(goal for goal, _ in goals),
                verdict,
            )
        )

    def show(self) -> None:
        """Print it."""
        head = (self.title, "median", "ratio", "goal", "")
        print(aligned([head, *self.rows]))


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A table: every column as wide as its widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def machine() -> str:
    """Cores, memory, system, Python and load, without the machine's name."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {pages:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load average {load}"
    )


def _watch(pid: int, ended: threading.Event, peaks: list[float]) -> None:
    """Note the high-water mark of a process's resident memory, its children apart, until it ends."""
    status = Path(f"/proc/{pid}/status")
    while not ended.is_set():
        try:
            found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        except OSError:
            return
        peaks.extend(int(value) / 1024 for value in found)
        ended.wait(LOOK_EVERY)


def _watch_all(session: int, ended: threading.Event, peaks: list[float]) -> None:
    """Note what all processes of a session hold together; looks take at most a twentieth of the time."""
    while not ended.is_set():
        began = time.perf_counter()
        peaks.append(sum(_held(process) for process in Path("/proc").glob("[0-9]*") if _is_of(process, session)))
        ended.wait(max(LOOK_EVERY, 20 * (time.perf_counter() - began)))


def _is_of(process: Path, session: int) -> bool:
    try:
        after = (process / "stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return int(after.split()[3]) == session


def _held(process: Path) -> float:
    """MB."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
