"""Who counts the requests of an API: metric filters, or a query of its access log beyond their limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.release.shop import a_workspace

from penstock.infra.controller import controller_module
from penstock.infra.render import render_root
from penstock.model.access_log import PAIRS_PER_FILTER, fits_filters, logged_routes, pairs
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Route

if TYPE_CHECKING:
    from penstock.model.workspace import Workspace


def with_routes(count: int, method: str = "GET", strategy: str = "canary") -> Workspace:
    workspace = a_workspace()
    environment = replace(workspace.environment, rollout=RolloutPolicy(strategy=strategy))  # type: ignore[arg-type]
    first, *others = workspace.services
    routes = tuple(Route(method, f"/{first.name}/{number}") for number in range(count))
    function, *rest = first.functions
    first = replace(first, functions=(replace(function, routes=routes), *rest))
    return replace(workspace, environment=environment, services=(first, *others))


def test_a_route_for_any_verb_is_looked_for_under_every_verb() -> None:
    assert logged_routes("POST", "/users") == ("POST /users",)
    assert len(logged_routes("ANY", "/files/{proxy+}")) == 7
    assert "PATCH /files/{proxy+}" in logged_routes("ANY", "/files/{proxy+}")


@pytest.mark.parametrize(
    ("count", "method", "fits"), [(1, "GET", True), (450, "GET", True), (451, "GET", False), (65, "ANY", False)]
)
def test_filters_count_as_long_as_cloudwatch_would_not_disable_them(count: int, method: str, fits: bool) -> None:
    workspace = with_routes(count, method)
    assert fits_filters(workspace) is fits
    assert (pairs(workspace) <= 0.9 * PAIRS_PER_FILTER) is fits


def test_beyond_their_limit_there_are_no_filters_and_the_controller_may_query_that_log() -> None:
    few, many = with_routes(450), with_routes(451)
    logs = [render_root(workspace)["module"]["rest_api"]["access_logs"].get("counted") for workspace in (few, many)]
    assert logs == [None, False]
    assert "access_log" not in controller_module(few)
    assert controller_module(many)["access_log"].endswith(":log-group:/aws/apigateway/shop-dev")
    assert "access_log" not in controller_module(with_routes(451, strategy="all-at-once")), "no log, no query"
