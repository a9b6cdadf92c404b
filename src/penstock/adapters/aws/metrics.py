"""CloudWatch's metrics by the minute.

GetMetricData takes up to 500 queries a call and answers in pages; it costs money by the query (0.01 USD per 1,000
metrics asked for), not by the minute, so a longer window is no dearer than a short one.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.insights import answered
from penstock.model.errors import RemoteFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricDataResultTypeDef

    from penstock.adapters.aws.session import AwsSession
    from penstock.ports import Answered, MetricQuery

QUERIES = 500
"""Queries of one call (CloudWatch quotas)."""
MINUTE = 60
WELL = frozenset({"Complete", "PartialData"})
"""Partial data: more comes with the next page."""


class AwsMetrics:
    """Metrics of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def minutes(
        self, queries: Sequence[MetricQuery], *, start: float, end: float
    ) -> Mapping[MetricQuery, Mapping[int, float]]:
        """The value of each whole minute between two moments, by the minute's first second since the epoch."""
        # CloudWatch aligns by itself, but to other bounds the farther back the window lies.
        first, last = math.ceil(start / MINUTE) * MINUTE, math.floor(end / MINUTE) * MINUTE
        asked = list(dict.fromkeys(queries))
        found: dict[MetricQuery, dict[int, float]] = {query: {} for query in asked}
        if first >= last:
            return found
        for at in range(0, len(asked), QUERIES):
            chunk = asked[at : at + QUERIES]
            for result in self._results([_query(index, query) for index, query in enumerate(chunk)], first, last):
                query = chunk[int(result["Id"][1:])]
                found[query].update(
                    (int(moment.timestamp()), value)
                    for moment, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
                )
        return found

    def answered(self, group: str, routes: Sequence[str], *, start: int, end: int) -> Sequence[Answered]:
        """What an access log tells of these routes, by Logs Insights, which costs by the bytes that it reads."""
        return answered(self._session, group, routes, start=start, end=end)

    def _results(
        self, queries: Sequence[MetricDataQueryTypeDef], first: int, last: int
    ) -> Sequence[MetricDataResultTypeDef]:
        found: list[MetricDataResultTypeDef] = []
        where = f"{len(queries)} metrics"
        with calling("cloudwatch:GetMetricData", where):
            pages = self._session.client("cloudwatch").get_paginator("get_metric_data")
            for page in pages.paginate(
                MetricDataQueries=queries,
                StartTime=datetime.fromtimestamp(first, tz=UTC),
                EndTime=datetime.fromtimestamp(last, tz=UTC),
                ScanBy="TimestampAscending",
            ):
                found += page["MetricDataResults"]
        bad = [result for result in found if result.get("StatusCode", "Complete") not in WELL]
        if bad:
            told = "; ".join(
                f"{message.get('Code', '')} {message.get('Value', '')}".strip()
                for message in bad[0].get("Messages", ())
            )
            # Part of the data taken for all of it would be no data taken for good data.
            raise RemoteFault(
                f"CloudWatch could not read {len(bad)} of {len(queries)} metrics: {bad[0].get('StatusCode')} {told}",
                where="cloudwatch:GetMetricData",
            )
        return found


def _query(index: int, query: MetricQuery) -> MetricDataQueryTypeDef:
    return {
        "Id": f"q{index}",
        "MetricStat": {
            "Metric": {
                "Namespace": query.namespace,
                "MetricName": query.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
            },
            "Period": MINUTE,
            "Stat": query.statistic,
        },
    }
