"""Routes of a REST API: which one is a health check, and which requests a route answers."""

from __future__ import annotations

from penstock.model.workspace import Route


def with_health(routes: tuple[Route, ...], health: str | None) -> tuple[tuple[Route, ...], Route | None]:
    """The routes, and the health check among them.

    A health check that is asked for joins the routes unless they answer it already. Without one, it is
    `GET /<first segment>/health` where the routes answer that, else none.
    """
    if health is not None:
        method, _, path = health.partition(" ")
        route = Route(method, path)
        return (routes if any(answers(one, route) for one in routes) else (*routes, route)), route
    for first in dict.fromkeys(one.path.split("/")[1] for one in routes):
        usual = Route("GET", f"/{first}/health")
        if first and not first.startswith("{") and any(answers(one, usual) for one in routes):
            return routes, usual
    return routes, None


def answers(route: Route, asked: Route) -> bool:
    """Whether the route is that method and path, literally or by `ANY` and a greedy `{proxy+}`."""
    if route.method not in ("ANY", asked.method):
        return False
    if route.path == asked.path:
        return True
    before, greedy, _ = route.path.partition("{")
    return greedy != "" and route.path.endswith("+}") and asked.path.startswith(before) and asked.path != before
