"""CloudWatch in memory: values that a test records, statistics as CloudWatch computes them, alarms that it sets."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections import Counter
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound, RemoteFault
from penstock.ports import Answered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.ports import AlarmState, MetricQuery, MetricQuestion

MINUTE = 60
SERVER_ERROR = 500
_MATH = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_RANGE = re.compile(r"TC\((?P<low>[0-9.]*):(?P<high>[0-9.]*)\)")

Series = tuple[str, str, frozenset[tuple[str, str]]]


class FakeMetrics:
    """Metrics of one account, by the values that were recorded, and access logs by the requests."""

    def __init__(self) -> None:
        self._requests: dict[str, Counter[tuple[str, bool, int, int]]] = {}
        self._values: dict[Series, dict[int, Counter[float]]] = {}
        self.visible_until = math.inf
        """Seconds since the epoch: minutes that end later are not published yet."""
        self.fault: RemoteFault | None = None
        """What `points` raises, if anything."""

    def record(
        self,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        value: float,
        *,
        at: float,
        count: int = 1,
    ) -> None:
        """Publish a value, so many times, at a moment."""
        if not count:
            return
        series = self._values.setdefault((namespace, metric, frozenset(dimensions.items())), {})
        series.setdefault(int(at // MINUTE) * MINUTE, Counter())[value] += count

    def minutes(
        self, queries: Sequence[MetricQuery], *, start: float, end: float
    ) -> Mapping[MetricQuery, Mapping[int, float]]:
        """The statistic of each whole minute between two moments; those without data are left out."""
        first = math.ceil(start / MINUTE) * MINUTE
        found: dict[MetricQuery, dict[int, float]] = {}
        for query in queries:
            series = self._values.get((query.namespace, query.metric, frozenset(query.dimensions)), {})
            found[query] = {
                minute: statistic(query.statistic, values)
                for minute, values in sorted(series.items())
                if first <= minute and minute + MINUTE <= min(end, self.visible_until)
            }
        return found

    def request(self, group: str, route: str, *, canary: bool, status: int, at: float, count: int = 1) -> None:
        """Write so many requests of a moment into the access log of a stage that has a canary."""
        minute = int(at // MINUTE) * MINUTE
        self._requests.setdefault(group, Counter())[route, canary, minute, status] += count

    def answered(self, group: str, routes: Sequence[str], *, start: int, end: int) -> Sequence[Answered]:
        """What an access log tells of these routes. Raises NotFound for a group that nothing was written to."""
        if group not in self._requests:
            raise NotFound(f"there is no log group {group}", where="logs:StartQuery")
        found: dict[tuple[str, bool, int], Counter[bool]] = {}
        for (route, canary, minute, status), count in sorted(self._requests[group].items()):
            if route in routes and start <= minute < min(end, self.visible_until):
                found.setdefault((route, canary, minute), Counter())[status >= SERVER_ERROR] += count
        return tuple(
            Answered(route=route, canary=canary, minute=minute, requests=counts.total(), errors=counts[True])
            for (route, canary, minute), counts in found.items()
        )

    def points(self, question: MetricQuestion, *, start: float, end: float) -> Mapping[int, float]:
        """The answer for each whole period between two moments. Of metric math the fake knows + - * / and brackets."""
        if self.fault is not None:
            raise self.fault
        terms = {name: self._periods(query, question.period, start, end) for name, query in question.terms}
        if not question.expression:
            return next(iter(terms.values()))
        tree = ast.parse(question.expression, mode="eval").body
        found: dict[int, float] = {}
        for at in sorted({at for series in terms.values() for at in series}):
            values = {name: series[at] for name, series in terms.items() if at in series}
            try:
                found[at] = _math(tree, values)
            except (KeyError, ZeroDivisionError):  # a term without data, or no number: no data
                continue
        return found

    def _periods(self, query: MetricQuery, period: int, start: float, end: float) -> dict[int, float]:
        series = self._values.get((query.namespace, query.metric, frozenset(query.dimensions)), {})
        sums: dict[int, Counter[float]] = {}
        for minute, values in series.items():
            sums.setdefault(minute // period * period, Counter()).update(values)
        return {
            at: float(statistic(query.statistic, values))
            for at, values in sorted(sums.items())
            if start <= at and at + period <= min(end, self.visible_until)
        }


class FakeAlarms:
    """Alarms in a dict that is open to tests."""

    def __init__(self) -> None:
        self.alarms: dict[str, AlarmState] = {}
        self.broken = ""
        """Why CloudWatch does not answer; empty when it does."""

    def states(self, names: Sequence[str] = (), *, prefix: str | None = None) -> Mapping[str, AlarmState]:
        """The alarms of these names, and those whose names begin with the prefix, by name."""
        if self.broken:
            raise RemoteFault(self.broken, where="cloudwatch:DescribeAlarms")
        return {
            name: state
            for name, state in self.alarms.items()
            if name in names or (prefix is not None and name.startswith(prefix))
        }


def statistic(name: str, values: Counter[float]) -> float:
    """A statistic by CloudWatch's name, of values with their counts. Raises ValueError for one that is not known."""
    count = values.total()
    plain = {
        "Average": lambda: math.fsum(value * times for value, times in values.items()) / count,
        "Maximum": lambda: max(values),
        "Minimum": lambda: min(values),
        "SampleCount": lambda: float(count),
        "Sum": lambda: math.fsum(value * times for value, times in values.items()),
    }
    if name in plain:
        return plain[name]()
    if found := _RANGE.fullmatch(name):
        low, high = float(found["low"] or -math.inf), float(found["high"] or math.inf)
        return float(sum(times for value, times in values.items() if low < value <= high))
    if re.fullmatch(r"p[0-9.]+", name):
        return _percentile(sorted(values.elements()), float(name[1:]) / 100)
    raise ValueError(f"{name!r} is no statistic that the fake knows")


def _math(node: ast.expr, values: Mapping[str, float]) -> float:
    """The value of an expression. Raises KeyError, ZeroDivisionError, and ValueError for what is not known."""
    if isinstance(node, ast.BinOp) and type(node.op) in _MATH:
        return float(_MATH[type(node.op)](_math(node.left, values), _math(node.right, values)))
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    raise ValueError(f"{ast.unparse(node)!r} is no metric math that the fake knows")


def _percentile(ordered: Sequence[float], share: float) -> float:
    rank = share * (len(ordered) - 1)
    low = ordered[math.floor(rank)]
    return low + (ordered[math.ceil(rank)] - low) * (rank - math.floor(rank))
