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

    from mypy_boto3_cloudwatch.type_defs import MessageDataTypeDef, MetricDataQueryTypeDef, MetricDataResultTypeDef

    from penstock.adapters.aws.session import AwsSession
    from penstock.ports import Answered, MetricQuery, MetricQuestion

QUERIES = 500
"""Queries of one call (CloudWatch quotas)."""
MINUTE = 60
WELL = frozenset({"Complete", "PartialData"})
"""Partial data: more comes with the next page."""
ANSWER = "theAnswer"
"""Id of a question's expression; ids of its terms have no capitals."""


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

    def points(self, question: MetricQuestion, *, start: float, end: float) -> Mapping[int, float]:
        """The answer for each whole period between two moments, by the period's first second since the epoch."""
        period = question.period
        first, last = math.ceil(start / period) * period, math.floor(end / period) * period
        if first >= last:
            return {}
        found: dict[int, float] = {}
        series: set[str] = set()
        for result in self._results(_question(question), first, last, whole=True):
            series.add(result.get("Label", ""))
            found |= {
                int(moment.timestamp()): float(value)
                for moment, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True)
            }
        if len(series) > 1:
            raise RemoteFault(
                f"the query answers with {len(series)} series, and one is needed", where="cloudwatch:GetMetricData"
            )
        return found

    def _results(
        self, queries: Sequence[MetricDataQueryTypeDef], first: int, last: int, *, whole: bool = False
    ) -> Sequence[MetricDataResultTypeDef]:
        """All pages. With `whole`, also what CloudWatch says of the question at large is a fault: it left data out."""
        found: list[MetricDataResultTypeDef] = []
        messages: list[MessageDataTypeDef] = []
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
                messages += page.get("Messages", ())
        if whole and messages:
            raise RemoteFault(f"CloudWatch left data out: {_told(messages)}", where="cloudwatch:GetMetricData")
        bad = [result for result in found if result.get("StatusCode", "Complete") not in WELL]
        if bad:
            told = _told(bad[0].get("Messages", ()))
            # Part of the data taken for all of it would be no data taken for good data.
            raise RemoteFault(
                f"CloudWatch could not read {len(bad)} of {len(queries)} metrics: {bad[0].get('StatusCode')} {told}",
                where="cloudwatch:GetMetricData",
            )
        return found


def _told(messages: Sequence[MessageDataTypeDef]) -> str:
    return "; ".join(f"{message.get('Code', '')} {message.get('Value', '')}".strip() for message in messages)


def _question(question: MetricQuestion) -> list[MetricDataQueryTypeDef]:
    period, has_expression = question.period, bool(question.expression)
    asked: list[MetricDataQueryTypeDef] = [
        {**_query(0, query, period), "Id": name, "ReturnData": not has_expression} for name, query in question.terms
    ]
    if has_expression:
        asked.append({"Id": ANSWER, "Expression": question.expression, "Period": period})
    return asked


def _query(index: int, query: MetricQuery, period: int = MINUTE) -> MetricDataQueryTypeDef:
    return {
        "Id": f"q{index}",
        "MetricStat": {
            "Metric": {
                "Namespace": query.namespace,
                "MetricName": query.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
            },
            "Period": period,
            "Stat": query.statistic,
        },
    }
