"""What `penstock status` shows: Lambda's and DynamoDB's metrics in CloudWatch, and the tables themselves.

CloudWatch costs money per metric asked for, so one GetMetricData call takes up to 500 of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from penstock.adapters.aws.faults import calling
from penstock.model.errors import NotFound
from penstock.ports import FunctionHealth, TableHealth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

    from penstock.adapters.aws.session import AwsSession
    from penstock.ports import Clock

    Minutes = Mapping[datetime, float]
    """A number for each minute that has one."""

QUERIES = 500
"""Metrics of one GetMetricData call (CloudWatch quotas)."""
PARALLEL = 8
LAMBDA: tuple[tuple[str, str], ...] = (
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Throttles", "Sum"),
    ("Duration", "p95"),
)
DYNAMODB: tuple[tuple[str, str], ...] = (("ReadThrottleEvents", "Sum"), ("WriteThrottleEvents", "Sum"))

PERIOD = 60
"""Seconds. CloudWatch moves a question's start back to a whole period: an hour asked for as one would be up to two."""

Key = tuple[str, str]
"""Resource's name and metric's name."""


class AwsHealth:
    """Metrics of one account and region.

    Args:
        session: the account.
        clock: the time that metrics bear.
    """

    def __init__(self, session: AwsSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def functions(self, names: Sequence[str], minutes: int) -> Mapping[str, FunctionHealth]:
        """Metrics per physical function name over the last minutes; p95 in milliseconds.

        CloudWatch has no percentile of just any window: it is the mean of the minutes' own, by their calls.
        """
        found = self._metrics("AWS/Lambda", "FunctionName", names, LAMBDA, minutes)
        return {
            name: FunctionHealth(
                invocations=total(found, name, "Invocations"),
                errors=total(found, name, "Errors"),
                throttles=total(found, name, "Throttles"),
                p95=weighted(found.get((name, "Duration"), {}), found.get((name, "Invocations"), {})),
            )
            for name in names
        }

    def tables(self, names: Sequence[str], minutes: int) -> Mapping[str, TableHealth]:
        """State per physical table name; missing tables are left out. Items are DynamoDB's own count, hours old."""
        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            described = {
                name: state
                for name, state in zip(names, pool.map(self._table, names), strict=True)
                if state is not None
            }
        found = self._metrics("AWS/DynamoDB", "TableName", list(described), DYNAMODB, minutes)
        return {
            name: TableHealth(
                status=status,
                items=items,
                throttled=total(found, name, *(metric for metric, _ in DYNAMODB)),
            )
            for name, (status, items) in described.items()
        }

    def _table(self, name: str) -> tuple[str, int] | None:
        try:
            with calling("dynamodb:DescribeTable", name):
                table = self._session.client("dynamodb").describe_table(TableName=name)["Table"]
        except NotFound:
            return None
        return table.get("TableStatus", "UNKNOWN"), int(table.get("ItemCount", 0))

    def _metrics(
        self,
        namespace: Literal["AWS/Lambda", "AWS/DynamoDB"],
        dimension: str,
        names: Sequence[str],
        metrics: Sequence[tuple[str, str]],
        minutes: int,
    ) -> dict[Key, dict[datetime, float]]:
        """The minutes of the window per resource and metric; those without data are left out."""
        keys = [(name, metric, statistic) for name in names for metric, statistic in metrics]
        # The window ends on the next full minute: CloudWatch aligns periods, and the last calls are to count.
        end = datetime.fromtimestamp(self._clock.now(), tz=UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        found: dict[Key, dict[datetime, float]] = {}
        for start in range(0, len(keys), QUERIES):
            chunk = keys[start : start + QUERIES]
            queries: list[MetricDataQueryTypeDef] = [
                {
                    "Id": f"m{index}",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": metric,
                            "Dimensions": [{"Name": dimension, "Value": name}],
                        },
                        "Period": PERIOD,
                        "Stat": statistic,
                    },
                }
                for index, (name, metric, statistic) in enumerate(chunk)
            ]
            with calling("cloudwatch:GetMetricData", f"{namespace} of {len(names)}"):
                pages = self._session.client("cloudwatch").get_paginator("get_metric_data")
                for page in pages.paginate(
                    MetricDataQueries=queries, StartTime=end - timedelta(minutes=minutes), EndTime=end
                ):
                    for result in page["MetricDataResults"]:
                        name, metric, _ = chunk[int(result["Id"][1:])]
                        told = zip(result.get("Timestamps", []), result.get("Values", []), strict=True)
                        found.setdefault((name, metric), {}).update(told)
        return found


def total(found: Mapping[Key, Minutes], name: str, *metrics: str) -> int:
    """The sum of all minutes of these metrics of a resource."""
    return int(sum(sum(found.get((name, metric), {}).values()) for metric in metrics))


def weighted(values: Minutes, calls: Minutes) -> float | None:
    """The mean of the minutes' values, each as often as the minute has calls; None without any."""
    weights = {minute: calls.get(minute, 1.0) for minute in values}
    calls_in_all = sum(weights.values())
    return sum(values[minute] * weight for minute, weight in weights.items()) / calls_in_all if calls_in_all else None
