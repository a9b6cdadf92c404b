"""What took how long: a sink that passes everything on and remembers the ends of steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.events import Event, StepFinished, StepStarted

if TYPE_CHECKING:
    from penstock.cli.render.sink import Sink
    from penstock.model.errors import PenstockError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All times that a step was done: how often, and seconds in total. Steps overlap, and hold each other."""

    step: str
    times: int
    seconds: float


class Stopwatch:
    """Listens to the steps on their way to another sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._seconds: dict[str, list[float]] = {}
        self._running: Counter[str] = Counter()
        self._repeated: Counter[str] = Counter()

    def emit(self, event: Event) -> None:
        """Pass the event on; keep the time of a step that has ended.

        A step may be one program's run, which is told as well, as a part of it under the same name: that counts once.
        """
        if isinstance(event, StepStarted):
            counter = self._repeated if event.inner and self._running[event.step] else self._running
            counter[event.step] += 1
        elif isinstance(event, StepFinished) and event.inner and self._repeated[event.step]:
            self._repeated[event.step] -= 1
        elif isinstance(event, StepFinished):
            self._running[event.step] -= 1
            if not event.skipped:
                self._seconds.setdefault(event.step, []).append(event.seconds)
        self._sink.emit(event)

    def fail(self, error: PenstockError) -> None:
        """Pass the error on."""
        self._sink.fail(error)

    def close(self) -> None:
        """Close the other sink."""
        self._sink.close()

    def slowest(self, count: int) -> list[Timing]:
        """The steps that took longest, the slowest first."""
        timings = [Timing(step=step, times=len(each), seconds=sum(each)) for step, each in self._seconds.items()]
        return sorted(timings, key=lambda one: -one.seconds)[:count]
