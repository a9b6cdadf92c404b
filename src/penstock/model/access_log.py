"""How the requests in an API's access log become counts by route and side: two metric filters, or a query a minute.

A metric filter with dimensions is free but for the series that it makes, and has a limit: "CloudWatch Logs might
disable a metric filter if it generates 1,000 different name/value pairs for your specified dimensions within one hour"
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html). One filter for each
route would be no way out, since a log group takes 100 (CloudWatch Logs quota "Metric filters"). Beyond the limit one
query of Logs Insights a minute reads the log, at a price by the bytes that it scans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.model.workspace import Workspace

PAIRS_PER_FILTER = 1_000
QUOTA = "different name/value pairs for the dimensions of a metric filter within one hour"
SPARE = 0.9
"""The part of it that is counted on: routes of the release before are pairs, too, and so is what no route fits."""
SIDES = 2


def logged_routes(method: str, path: str) -> tuple[str, ...]:
    """A route of the API as the access log tells it, which knows the verb of every request: `ANY` is all of them."""
    verbs = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT") if method == "ANY" else (method,)
    return tuple(f"{verb} {path}" for verb in verbs)


def pairs(workspace: Workspace) -> int:
    """Pairs of route and side that an access log of this API can tell within an hour, at most."""
    routes = {
        name
        for function in workspace.functions
        for route in function.routes
        for name in logged_routes(route.method, route.path)
    }
    return SIDES * len(routes)


def fits_filters(workspace: Workspace) -> bool:
    """Whether metric filters may count the requests; else a query of the log does."""
    return pairs(workspace) <= SPARE * PAIRS_PER_FILTER


def by_query(workspace: Workspace) -> str:
    """Why the requests are not counted by filters, with the quota."""
    return (
        f"5xx are counted by a query of the access log, once a minute: {pairs(workspace):,} pairs of route and side "
        f"are more than metric filters may count (quota “{QUOTA}”: {PAIRS_PER_FILTER:,})"
    )


def access_log_group(api: str) -> str:
    """The log group of a live stage's access log (module `rest_api`), by the API's name."""
    return f"/aws/apigateway/{api}"
