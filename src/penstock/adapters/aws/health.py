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
        """Metrics per physical function name over the last minutes; p95 in milliseconds."""
        found = self._metrics("AWS/Lambda", "FunctionName", names, LAMBDA, minutes)
        return {
            name: FunctionHealth(
                invocations=int(found.get((name, "Invocations"), 0.0)),
                errors=int(found.get((name, "Errors"), 0.0)),
                throttles=int(found.get((name, "Throttles"), 0.0)),
                p95=found.get((name, "Duration")),
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
                throttled=int(sum(found.get((name, metric), 0.0) for metric, _ in DYNAMODB)),
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
    ) -> dict[Key, float]:
        """One number per resource and metric over the whole window; those without data are left out."""
        keys = [(name, metric, statistic) for name in names for metric, statistic in metrics]
        # The window ends on the next full minute: CloudWatch aligns periods, and the last calls are to count.
        end = datetime.fromtimestamp(self._clock.now(), tz=UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        found: dict[Key, float] = {}
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
                        "Period": minutes * 60,
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
                        name, metric, statistic = chunk[int(result["Id"][1:])]
                        values = result.get("Values", [])
                        if values:
                            found[(name, metric)] = sum(values) if statistic == "Sum" else max(values)
        return found
