"""CloudWatch: metrics by the minute, and the states of alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuery:
    """One series of CloudWatch and a statistic of it.

    `dimensions` is the whole set: CloudWatch keeps a series for each set and adds none together. `statistic` is what
    CloudWatch calls it: `Sum`, `SampleCount`, `p95`, or `TC(300:)`, the number of values above 300
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html).
    """

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Requests of one route, side and minute (its first second) in an API's access log; `errors` of them were 5xx."""

    route: str
    canary: bool
    minute: int
    requests: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricQuestion:
    """One number for each period: a series, metric math over several, or a query of Metrics Insights.

    `terms` are series by their names in the expression; where there is no expression there is exactly one, which is
    asked for itself. `period` is in seconds.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """

    terms: tuple[tuple[str, MetricQuery], ...] = ()
    expression: str = ""
    period: int = 60


@runtime_checkable
class Metrics(Protocol):
    """CloudWatch's metrics, and counts that it makes of logs."""

    def minutes(
        self, queries: Sequence[MetricQuery], *, start: float, end: float
    ) -> Mapping[MetricQuery, Mapping[int, float]]:
        """The value of each whole minute between two moments, by the minute's first second since the epoch.

        A minute that is not whole between them is left out, and so is one without data: a count that nobody published
        is not 0. Values appear late, and change for a while: CloudWatch gives an error its invocation's time.
        """

    def answered(self, group: str, routes: Sequence[str], *, start: int, end: int) -> Sequence[Answered]:
        """What an access log tells of these routes (`GET /users/{id}`) between two whole minutes, by Logs Insights.

        Args:
            group: the log's group; its lines are JSON with `route`, `canary` (`true`, `false`, or `-` while the stage
                has no canary: such lines do not count) and `status`.
            routes: others are left out.
            start: seconds since the epoch, included.
            end: the same, not included.
        """

    def points(self, question: MetricQuestion, *, start: float, end: float) -> Mapping[int, float]:
        """The answer for each whole period between two moments, by the period's first second since the epoch.

        Periods without data are left out. Raises RemoteFault when CloudWatch cannot answer, answers in part, or has
        several series for an answer; a part is never taken for all.
        """


AlarmValue = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmState:
    """An alarm's state, since when (seconds since the epoch), and CloudWatch's reason."""

    name: str
    value: AlarmValue
    since: float
    reason: str = ""


@runtime_checkable
class Alarms(Protocol):
    """CloudWatch's alarms, composite ones included."""

    def states(self, names: Sequence[str] = (), *, prefix: str | None = None) -> Mapping[str, AlarmState]:
        """The alarms of these names and those whose names begin with the prefix; missing ones are left out."""
