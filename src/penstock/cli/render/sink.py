"""What a renderer of events is, and the lines that plain text and terminal share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from penstock.model import events as e

if TYPE_CHECKING:
    from penstock.model.errors import PenstockError

SHORT_DIGEST = 12


class Sink(Protocol):
    """An EventSink that can also be ended, and told of the error that ended the command."""

    def emit(self, event: e.Event) -> None:
        """Take one event."""

    def fail(self, error: PenstockError) -> None:
        """Take the error that ended the command, before it is rendered as text."""

    def close(self) -> None:
        """Leave the screen in order."""


def calm_line(event: e.Event) -> str | None:
    """The line of those who only want to know how it goes; None for what is told as a part of something bigger.

    What failed is named here and explained by the error that ends the command.
    """
    match event:
        case e.StepStarted() | e.StepProgress() | e.VersionPublished() | e.VerificationChecked():
            return None
        case e.StepFinished(inner=True, failed=False) | e.ArtifactReady(cached=True):
            return None
        case _:
            return line(event)


def line(event: e.Event) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one line per event; a table would hide them
    """The event as one line of text; None for what is not worth one."""
    match event:
        case e.Note():
            return f"! {event.text}" if event.level == "warning" else event.text
        case e.StepStarted():
            return f"{event.step}{_after(event.detail)} …"
        case e.StepProgress():
            return f"{event.step}{counted(event, before=' ')}{_after(event.detail)}"
        case e.StepFinished():
            mark = "✗" if event.failed else "-" if event.skipped else "✓"
            took = "" if event.skipped else f" ({seconds(event.seconds)})"
            return f"{mark} {event.step}{_after(event.detail)}{took}"
        case e.ArtifactReady():
            how = "cached" if event.cached else f"built in {seconds(event.seconds)}"
            return f"✓ {event.unit}: {event.digest[:SHORT_DIGEST]}, {size(event.size)}, {how}"
        case e.VersionPublished():
            how = "already published" if event.reused else "published"
            return f"✓ {event.function}: version {event.version} {how}"
        case e.VerificationChecked():
            return f"{'✓' if event.ok else '✗'} {event.check}{_after(event.detail)} ({seconds(event.seconds)})"
        case e.TrafficMoved():
            came = f" (was {event.previous})" if event.previous else ""
            return f"✓ {event.environment}: traffic goes to {event.release} in {event.slot}{came}{_after(event.why)}"
        case e.RolloutMoved():
            return f"{event.weight:>3} % to {event.release}: {event.what}"
        case e.RolloutJudged():
            return f"      {event.verdict.lower()}: {event.sentence}"
        case e.NothingToDo():
            return f"nothing to do: {event.reason}"
        case e.Recovered():
            return f"! recovered: {event.what}"
        case e.Outcome():
            return event.summary or None
        case e.PlanReady():
            return None  # the verb prints plans, as a table
        case _:
            return event.name


def counted(event: e.StepProgress, *, before: str = "", after: str = "") -> str:
    """`12/40`, between these; nothing where a step has only words."""
    return f"{before}{event.done}/{event.total}{after}" if event.done is not None and event.total else ""


def seconds(value: float) -> str:
    """`0.42 s`, `12.3 s`, `2 min 5 s`, `3 h 12 min`."""
    minute, hour = 60, 3600
    if value >= hour:
        return f"{int(value // hour)} h {int(value % hour // minute)} min"
    if value >= minute:
        return f"{int(value // minute)} min {int(value % minute)} s"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"  # noqa: PLR2004 - two digits are enough from there


def size(count: int) -> str:
    """Bytes, for people."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - SI
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _after(detail: str) -> str:
    return f": {detail}" if detail else ""
