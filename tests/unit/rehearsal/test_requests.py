"""What callers ask: what an access log says that they asked, and the health of whom nobody asks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.infra.zoo import function, service, workspace

from penstock.model.errors import UsageError
from penstock.model.rollouts import Request
from penstock.model.workspace import Route
from penstock.rehearsal.requests import from_log, unasked

LINES = [
    '{"method": "GET", "path": "/live/users?limit=1", "stage": "live", "status": 200}',
    '{"httpMethod": "head", "path": "/orders/1"}',
    '127.0.0.1 - ada [10/Oct/2000:13:55:36 -0700] "GET /catalog?page=2 HTTP/1.1" 200 2326',
    '{"method": "POST", "path": "/orders"}',
    '{"method": "GET", "path": "no slash"}',
    "{broken",
    "",
    "a line of something else",
]


def test_requests_that_change_nothing_are_asked_again_in_their_order() -> None:
    assert from_log(LINES, "access.log") == (
        Request("GET", "/users?limit=1"),
        Request("HEAD", "/orders/1"),
        Request("GET", "/catalog?page=2"),
    )


def test_a_log_without_one_is_refused_with_what_a_line_looks_like() -> None:
    with pytest.raises(UsageError, match="none of its 4 lines") as refused:
        from_log(LINES[3:], "access.log")
    assert refused.value.where == "access.log"
    assert '"path": "/users"' in refused.value.hint


@pytest.mark.parametrize(
    ("route", "request_", "reaches"),
    [
        ("GET /users", "GET /users?limit=1", True),
        ("GET /users", "POST /users", False),
        ("ANY /users", "POST /users", True),
        ("GET /users/{id}", "GET /users/7", True),
        ("GET /users/{id}", "GET /users/7/orders", False),
        ("GET /users/{id}", "GET /users", False),
        ("GET /users/{proxy+}", "GET /users/7/orders", True),
        ("GET /users/{proxy+}", "GET /users", False),
        ("GET /{proxy+}", "GET /", False),
        ("GET /", "GET /", True),
    ],
)
def test_a_function_that_no_request_reaches_is_asked_for_its_health(route: str, request_: str, reaches: bool) -> None:
    users = replace(function(routes=(Route(*route.split()),)), health=Route("GET", "/users/health"))
    silent = function("worker")
    method, path = request_.split()
    found = unasked(workspace(service("users", users, silent)), [Request(method, path)])
    assert found == ({} if reaches else {"users": Request("GET", "/users/health")})
