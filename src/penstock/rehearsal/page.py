"""A rehearsal as one HTML page that needs nothing else: what happened, and the curves that show why."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from penstock.rehearsal.report import MINUTE, figures, lines, with_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from penstock.rehearsal.report import Call, Report, Seen

    Point = tuple[float, float]

WIDTH, HEIGHT = 860, 150
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 26
COLOURS = {"candidate": "var(--canary)", "stable": "var(--stable)"}
BINS = 240
"""Points of a curve, at most."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #7b8794; --line: #d8dee6; --paper: #fff;
  --canary: #c2570c; --stable: #2563a8; --good: #1a7f4b; --bad: #b42318; --open: #8a94a3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --faint: #98a2b1; --line: #333c49; --paper: #161b22;
  --canary: #f0883e; --stable: #6cb0f5; --good: #4fc68b; --bad: #ff7b72; --open: #7d8896; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 900px; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
.outcome { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; color: var(--paper); font-weight: 600; }
ul { padding-left: 1.2rem; margin: .6rem 0; }
.keys { white-space: nowrap; font-weight: 400; } small, .faint { color: var(--faint); }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: var(--faint); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } td, th { text-align: left; padding: .25rem .6rem;
  border-bottom: 1px solid var(--line); vertical-align: top; }
  td:first-child { white-space: nowrap; } tr.moved td { font-weight: 600; }
.key { display: inline-block; width: .8rem; height: .25rem; margin: 0 .3rem 0 .8rem; vertical-align: middle; }
"""
_OUTCOME = {
    "promoted": "--good",
    "rolled-back": "--bad",
    "refused": "--bad",
    "undecided": "--open",
    "failed": "--bad",
}
_VERDICT = {"PASS": "--good", "FAIL": "--bad", "ERROR": "--bad"}
_STRIP = {"good enough": "--good", "goes back": "--bad", "not decided yet": "--open"}


def page(seen: Seen, found: Report, alpha: float) -> str:
    """The page. `alpha` is the judge's, which says at which e-value a release goes back."""
    first = next((move.at for move in seen.moves if move.weight > 0), seen.began)

    def minute(at: float) -> float:
        return (at - first) * seen.scale / MINUTE

    ends = (seen.ended, *(one.at for one in seen.calls), *(one.at for one in seen.judged), *(m.at for m in seen.moves))
    last = max(minute(max(ends)), 1.0)
    begin = min(minute(seen.began), 0.0)
    moves = [move for move in seen.moves if begin <= minute(move.at) <= last]
    chart = _Chart(begin, last, tuple(minute(move.at) for move in moves))
    curves = _curves(with_traffic(seen), minute, begin, last)
    weights = [(begin, 0.0), *((minute(move.at), float(move.weight)) for move in seen.moves)]
    final = 100.0 if found.outcome == "promoted" else 0.0
    weights += [(minute(seen.ended), final), (last, final)]
    evidence = [(minute(one.at), one.log10_e) for one in seen.judged]
    outcome = found.outcome.replace("-", " ")
    told = [*((m.at, m.what, "moved") for m in seen.moves), *((one.at, one.sentence, "judged") for one in seen.judged)]
    rows = "".join(
        f'<tr class="{kind}"><td>{minute(at):.1f} min</td><td>{escape(what)}</td></tr>'
        for at, what, kind in sorted(told)
    )
    title = f"Rehearsal of {seen.environment}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        f"<h1>{escape(title)} "
        f'<span class="outcome" style="background:var({_OUTCOME[found.outcome]})">{outcome}</span>'
        f'</h1>\n<p class="faint">{datetime.fromtimestamp(seen.began, tz=UTC):%Y-%m-%d %H:%M} UTC</p>\n'
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines(found))}</ul>\n"
        f"<p class=\"faint\">Minutes are those of CloudWatch's clock, from the candidate's first traffic; "
        f"dotted: traffic moved.{_legend(COLOURS)}</p>\n"
        + chart.draw("Share of traffic, %", [("var(--canary)", _steps(weights))], top=100)
        + chart.draw(
            "Calls that failed, %", [(COLOURS[side], curves[side, "failed"]) for side in COLOURS], top=1, strict=False
        )
        + chart.draw(
            "Latency, 90th percentile, ms",
            [(COLOURS[side], curves[side, "p90"]) for side in COLOURS],
            top=10,
            strict=False,
        )
        + chart.draw(
            "Evidence against the candidate, log₁₀ of the e-value",
            [("var(--ink)", evidence)],
            top=-log10(alpha) * 1.25,
            strict=False,
            mark=(-log10(alpha), "goes back"),
        )
        + chart.strip("What the judge said", [(minute(one.at), one.verdict, one.sentence) for one in seen.judged])
        + f"<h2>Minute by minute</h2>\n<table>{rows}</table>\n</body></html>\n"
    )


def _curves(
    calls: Iterable[Call], minute: Callable[[float], float], begin: float, last: float
) -> dict[tuple[str, str], list[Point]]:
    """Share of failed calls (%) and p90 (ms) of each side, by bins of a minute or wider."""
    width = max(1, ceil((last - begin) / BINS))
    bins: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for call in calls:
        bins[call.side, int((minute(call.at) - begin) // width)].append(call)
    curves: dict[tuple[str, str], list[Point]] = {(side, what): [] for side in COLOURS for what in ("failed", "p90")}
    for (side, number), some in sorted(bins.items()):
        of = figures(some)
        middle = min(max(begin + (number + 0.5) * width, begin), last)
        curves[side, "failed"].append((middle, 100 * of.failed / of.calls))
        curves[side, "p90"].append((middle, of.p90 or 0.0))
    return curves


def _legend(colours: Mapping[str, str]) -> str:
    keys = (f'<span class="key" style="background:{colour}"></span>{what}' for what, colour in colours.items())
    return f'<span class="keys">{"".join(keys)}</span>'


def _nice(value: float) -> float:
    """The next figure up that halves well: nobody reads 81.2 and 40.6 off an axis."""
    if value <= 0:
        return 1.0
    size = 10.0 ** floor(log10(value))
    return next(step * size for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * size >= value * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are enough


def _steps(points: Sequence[Point]) -> list[Point]:
    """Each value stays until the next one."""
    found: list[Point] = []
    for x, y in points:
        if found:
            found.append((x, found[-1][1]))
        found.append((x, y))
    return found


class _Chart:
    """Curves over the same minutes, one chart below the other."""

    def __init__(self, begin: float, last: float, moves: Sequence[float]) -> None:
        self._begin, self._last, self._moves = begin, last, moves

    def draw(
        self,
        title: str,
        curves: Sequence[tuple[str, Sequence[Point]]],
        *,
        top: float,
        strict: bool = True,
        mark: tuple[float, str] | None = None,
    ) -> str:
        """One chart. Its scale ends at `top`, or with `strict` off at the highest value where that is more."""
        if not strict:
            top = _nice(max([top, *(y for _, points in curves for _, y in points)]))
        body = "".join(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="var(--open)" '
            f'stroke-dasharray="1 4"/>'
            for x in map(self._x, self._moves)
        )
        body += "".join(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
            for value in (0, top / 2, top)
            for y in [self._y(value, top)]
        )
        if mark is not None:
            y = self._y(mark[0], top)
            body += (
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--bad)" '
                f'stroke-dasharray="4 4"/><text x="{LEFT + 4}" y="{y - 4:.1f}">{mark[1]}</text>'
            )
        for colour, points in curves:
            drawn = " ".join(f"{self._x(x):.1f},{self._y(max(y, 0), top):.1f}" for x, y in points)
            body += f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        return self._svg(title, body, HEIGHT)

    def strip(self, title: str, verdicts: Sequence[tuple[float, str, str]]) -> str:
        """A coloured box for each time the judge spoke; what it said is there for who points at it."""
        ends = [*(x for x, _, _ in verdicts[1:]), self._last]
        body = "".join(
            f'<rect x="{self._x(x):.1f}" y="{TOP}" width="{max(self._x(end) - self._x(x) - 1, 2):.1f}" height="16" '
            f'fill="var({_VERDICT.get(verdict, "--open")})"><title>{escape(f"{verdict}: {said}")}</title></rect>'
            for (x, verdict, said), end in zip(verdicts, ends, strict=False)
        )
        legend = _legend({what: f"var({colour})" for what, colour in _STRIP.items()})
        return self._svg(title, body, TOP + 16 + BOTTOM, legend)

    def _svg(self, title: str, body: str, height: int, legend: str = "") -> str:
        span = self._last - self._begin
        step = next(size for size in (1, 2, 5, 10, 20, 60, 120, 600, 10**6) if span / size <= 12)  # noqa: PLR2004
        ticks = "".join(
            f'<text x="{self._x(x):.1f}" y="{height - 8}" text-anchor="middle">{x}{" min" * (x == 0)}</text>'
            for x in range(ceil(self._begin / step) * step, int(self._last) + 1, step)
        )
        return (
            f"<h2>{escape(title)}<small>{legend}</small></h2>\n"
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
            f"{body}{ticks}</svg>\n"
        )

    def _x(self, minute: float) -> float:
        return LEFT + (minute - self._begin) / (self._last - self._begin) * (WIDTH - LEFT - RIGHT)

    @staticmethod
    def _y(value: float, top: float) -> float:
        return HEIGHT - BOTTOM - min(value / top, 1.0) * (HEIGHT - TOP - BOTTOM)
