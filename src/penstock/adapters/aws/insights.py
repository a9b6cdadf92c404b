"""Counts of an access log by CloudWatch Logs Insights: one query for all routes, sides and minutes that are asked for.

A query is started, and asked for its answer until it is complete; an answer has 10,000 rows at most, and a query text
10,000 characters (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.adapters.aws.faults import calling
from penstock.model.errors import RemoteFault
from penstock.ports import Answered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_logs import CloudWatchLogsClient

    from penstock.adapters.aws.session import AwsSession

ROWS = 10_000
TEXT = 10_000
MINUTE = 60
SERVER_ERRORS = 5
"""Status codes from 500 on, by their hundreds."""
PATIENCE = 60.0
"""Seconds that a query may take. It reads the lines of a minute or two."""
PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between two questions whether it is complete; the last one again and again."""
UNDER_WAY = frozenset({"Scheduled", "Running"})
WHEN = "bin(1m)"
NEEDED = frozenset({WHEN, "route", "canary", "hundreds", "requests"})
"""What every row of an answer has."""


def answered(session: AwsSession, group: str, routes: Sequence[str], *, start: int, end: int) -> Sequence[Answered]:
    """See the port `Metrics`. Raises RemoteFault, also for an answer that may not be whole."""
    if start >= end or not routes:
        return ()
    with calling("logs:StartQuery", group):
        rows = _rows(session.client("logs"), group, query(routes), start, end)
    if len(rows) >= ROWS:  # it may have been cut off
        middle = start + (end - start) // MINUTE // 2 * MINUTE
        if middle == start:
            raise RemoteFault(
                f"a minute of the access log has more than the {ROWS:,} rows of an answer of Logs Insights",
                where=f"logs:StartQuery {group}",
            )
        halves = ((start, middle), (middle, end))
        return [one for begin, stop in halves for one in answered(session, group, routes, start=begin, end=stop)]
    wanted = frozenset(routes)
    calls: Counter[tuple[str, bool, int]] = Counter()
    errors: Counter[tuple[str, bool, int]] = Counter()
    for row in rows:
        if missing := NEEDED - row.keys():
            raise RemoteFault(
                f"Logs Insights answers without {', '.join(sorted(missing))}", where=f"logs:StartQuery {group}"
            )
        minute = int(datetime.strptime(row[WHEN], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp())
        key, count = (row["route"], row["canary"] == "true", minute), int(float(row["requests"]))
        if row["route"] in wanted and start <= minute < end:
            calls[key] += count
            errors[key] += count if float(row["hundreds"]) >= SERVER_ERRORS else 0
    return [
        Answered(route=route, canary=canary, minute=minute, requests=count, errors=errors[route, canary, minute])
        for (route, canary, minute), count in sorted(calls.items())
    ]


def query(routes: Sequence[str]) -> str:
    """What is asked. Where the routes' names are too many for it, all routes are counted."""
    only = f" and route in [{', '.join(json.dumps(route) for route in routes)}]"
    text = (
        'filter canary != "-"{only} | fields floor(status / 100) as hundreds '
        f"| stats count(*) as requests by {WHEN}, route, canary, hundreds | limit {ROWS}"
    )
    whole = text.replace("{only}", only)
    return whole if len(whole) <= TEXT else text.replace("{only}", "")


def _rows(client: CloudWatchLogsClient, group: str, text: str, start: int, end: int) -> Sequence[Mapping[str, str]]:
    # Both ends are included, in seconds: the last minute's last second would be cut off at its beginning.
    identity = client.start_query(logGroupName=group, startTime=start, endTime=end, queryString=text)["queryId"]
    waited, number = 0.0, 0
    while True:
        found = client.get_query_results(queryId=identity)
        if found["status"] == "Complete":
            return [{field.get("field", ""): field.get("value", "") for field in row} for row in found["results"]]
        if found["status"] not in UNDER_WAY or waited >= PATIENCE:
            raise RemoteFault(f"Logs Insights did not answer: {found['status']}", where=f"logs:StartQuery {group}")
        pause = PAUSES[min(number, len(PAUSES) - 1)]
        time.sleep(pause)
        waited, number = waited + pause, number + 1
