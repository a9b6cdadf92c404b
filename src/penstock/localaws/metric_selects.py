"""Metrics Insights' queries with one answer: `SELECT AVG(Load) FROM SCHEMA("Shop", Slot) WHERE Slot = 'blue'`.

What makes several series of the answer, or puts them in order (GROUP BY, ORDER BY, LIMIT), is refused, and never taken
for something else.

Reference:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.localaws.metric_math import MetricMathError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_NAME = r'(?:[A-Za-z_]\w*|"[^"]+")'
_QUERY = re.compile(
    rf"""\s*SELECT\s+(?P<function>AVG|COUNT|MAX|MIN|SUM)\s*\(\s*(?P<metric>{_NAME})\s*\)
    \s+FROM\s+(?:SCHEMA\s*\(\s*(?P<schema>{_NAME})\s*(?P<labels>(?:,\s*{_NAME}\s*)*)\)|(?P<namespace>{_NAME}))
    (?:\s*WHERE\s+(?P<where>.+?))?\s*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CONDITION = re.compile(rf"\s*(?P<label>{_NAME})\s*(?P<sign>!?=)\s*'(?P<value>[^']*)'\s*")
_AND = re.compile(r"\bAND\b(?=(?:[^']*'[^']*')*[^']*$)", re.IGNORECASE)
_STATISTICS = {"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}


@dataclass(frozen=True, slots=True)
class Select:
    """What a query asks for: one statistic of all series together that it matches."""

    namespace: str
    metric: str
    statistic: str
    labels: frozenset[str] | None
    """The names of a series' dimensions, neither more nor fewer; None where any will do."""
    conditions: tuple[tuple[str, bool, str], ...] = ()
    """A dimension, whether it is to be the value, and the value."""

    def matches(self, dimensions: Mapping[str, str]) -> bool:
        """Whether a series with these dimensions is one of them; one without a dimension that is asked for is none."""
        return (self.labels is None or self.labels == dimensions.keys()) and all(
            label in dimensions and (dimensions[label] == value) is wanted for label, wanted, value in self.conditions
        )


def is_select(expression: str) -> bool:
    """Whether an expression is such a query, and no metric math."""
    return _SELECT.match(expression) is not None


def read(expression: str) -> Select:
    """A query. Raises MetricMathError where it is none that is understood here."""
    found = _QUERY.fullmatch(expression)
    if found is None:
        raise MetricMathError(f"{expression!r} is not understood by the embedded AWS")
    labels = [_plain(label) for label in re.findall(_NAME, found["labels"] or "")]
    return Select(
        namespace=_plain(found["schema"] or found["namespace"]),
        metric=_plain(found["metric"]),
        statistic=_STATISTICS[found["function"].upper()],
        labels=frozenset(labels) if found["schema"] else None,
        conditions=tuple(_condition(text) for text in _AND.split(found["where"])) if found["where"] else (),
    )


def _condition(text: str) -> tuple[str, bool, str]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise MetricMathError(f"the condition {text.strip()!r} is not understood by the embedded AWS")
    return _plain(found["label"]), found["sign"] == "=", found["value"]


def _plain(name: str) -> str:
    return name.strip('"')
