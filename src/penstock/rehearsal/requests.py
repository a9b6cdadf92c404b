"""What callers ask during a rehearsal: what they are said to ask, or have asked, and health routes of all others."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from penstock.model.errors import UsageError
from penstock.model.rollouts import Request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.model.workspace import Route, Workspace

_COMMON = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/\S*) HTTP/[\d.]+"')
"""The request in the Common Log Format (https://httpd.apache.org/docs/current/logs.html#common)."""


def unasked(workspace: Workspace, requests: Collection[Request]) -> dict[str, Request]:
    """The health route, where there is one, of each function that none of the requests reaches, by its key.

    A candidate's function that nobody calls cannot be judged, so that the candidate could not be promoted.
    """
    return {
        function.key: Request("GET", function.health.path)
        for function in workspace.functions
        if function.health and not any(_reaches(request, function.routes) for request in requests)
    }


def _reaches(request: Request, routes: Iterable[Route]) -> bool:
    """Whether API Gateway may send the request to one of the routes."""
    asked = _segments(request.path.partition("?")[0])
    return any(route.method in ("ANY", request.method) and _fits(_segments(route.path), asked) for route in routes)


def _fits(route: list[str], asked: list[str]) -> bool:
    if route and route[-1].endswith("+}"):  # takes all segments that follow, at least one
        return len(asked) >= len(route) and _fits(route[:-1], asked[: len(route) - 1])
    return len(route) == len(asked) and all(
        mine == other or mine.startswith("{") for mine, other in zip(route, asked, strict=True)
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def from_log(lines: Iterable[str], where: str) -> tuple[Request, ...]:
    """The safe requests of an access log, in their order: it has no bodies, so others cannot be asked again.

    Each line is JSON with `method` (or `httpMethod`) and `path`, as the stages that Penstock makes write it, or the
    Common Log Format. Raises UsageError when no line can be used.
    """
    read = [_one(line) for line in lines if line.strip()]
    found = tuple(request for request in read if request is not None and request.is_safe)
    if not found:
        raise UsageError(
            f"none of its {len(read)} lines is a request that can be asked again",
            where=where,
            hint='lines like {"method": "GET", "path": "/users"}, or of the Common Log Format; GET and HEAD only',
        )
    return found


def _one(line: str) -> Request | None:
    if line.lstrip().startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            return None
        method, path = entry.get("method") or entry.get("httpMethod"), entry.get("path")
        if not method or not isinstance(path, str) or not path.startswith("/"):
            return None
        # `$context.path` begins with the stage, unless the API has a domain of its own.
        return Request(str(method).upper(), path.removeprefix(f"/{entry['stage']}") if "stage" in entry else path)
    found = _COMMON.search(line)
    return Request(found["method"], found["path"]) if found else None
