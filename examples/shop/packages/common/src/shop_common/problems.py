"""Problems: what a caller is told when a request cannot be served (RFC 9457, application/problem+json)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request: a JSON pointer (RFC 6901) into the input, and why."""

    pointer: str
    detail: str


@dataclass(eq=False, kw_only=True)  # exceptions are compared by identity and carry a traceback
class Problem(Exception):  # noqa: N818  (RFC 9457's word)
    """A request that ends in a 4xx or 5xx answer on purpose.

    ``kind`` is the stable, machine-readable name (it becomes ``type``); ``detail`` is for people and never
    holds anything that the caller did not already know.
    """

    status: HTTPStatus
    kind: str
    detail: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Give the exception a message: a dataclass does not call Exception's own constructor."""
        Exception.__init__(self, f"{self.status.value} {self.kind}: {self.detail}")

    def to_json(self, *, request_id: str) -> str:
        """Return the body of the answer; ``request_id`` is what support asks for."""
        members: dict[str, Any] = {
            "type": f"urn:shop:problem:{self.kind}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.faults:
            members["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.faults]
        return json.dumps(members)


def malformed(detail: str) -> Problem:
    """Say that the request cannot be read at all, for example because its body is not JSON."""
    return Problem(status=HTTPStatus.BAD_REQUEST, kind="malformed-request", detail=detail)


def invalid(detail: str, faults: Sequence[Fault] = (), *, kind: str = "invalid-request") -> Problem:
    """Say that the request can be read but does not mean anything here; ``faults`` say where."""
    return Problem(status=HTTPStatus.UNPROCESSABLE_ENTITY, kind=kind, detail=detail, faults=faults)


def not_found(detail: str, *, kind: str = "not-found") -> Problem:
    """Say that the thing that the path names does not exist."""
    return Problem(status=HTTPStatus.NOT_FOUND, kind=kind, detail=detail)


def conflict(detail: str, *, kind: str = "conflict") -> Problem:
    """Say that the request is fine, but not with the present state of things."""
    return Problem(status=HTTPStatus.CONFLICT, kind=kind, detail=detail)
