"""A request that would change something while the disk is full: refused before it begins, in its service's words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATUS = 507
CODE = "InsufficientStorage"
MESSAGE = "The disk that keeps the embedded AWS is full; nothing was changed. Free some space and try again."
_CHANGING = frozenset({"PATCH", "POST", "PUT"})  # a DELETE makes room
_READING = ("BatchGet", "Describe", "Filter", "Get", "List", "Query", "Scan", "TransactGet")
_QUERY_SERVICES = frozenset({"iam", "monitoring", "sns", "sts"})
_SERVICE = re.compile(rb"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


def needs_room(scope: Mapping[str, Any]) -> int | None:
    """The bytes that a request may add, or None when it only reads or removes."""
    if scope["method"] not in _CHANGING:
        return None
    headers = dict(scope.get("headers", ()))
    operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2].decode("latin-1")
    if operation.startswith(_READING):
        return None
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def refusal(scope: Mapping[str, Any]) -> tuple[str, bytes]:
    """Content type and body of the refusal, as the SDK of the service called can read it."""
    service = _service(scope.get("headers", ()))
    if service == "s3":
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{CODE}</Code><Message>{MESSAGE}</Message></Error>"
        return "application/xml", text.encode()
    if service in _QUERY_SERVICES:
        text = f"<ErrorResponse><Error><Type>Receiver</Type><Code>{CODE}</Code><Message>{MESSAGE}</Message></Error>"
        return "text/xml", f"{text}</ErrorResponse>".encode()
    return "application/json", json.dumps({"__type": CODE, "code": CODE, "message": MESSAGE}).encode()


def _service(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name.lower() == b"authorization":
            found = _SERVICE.search(value)
            return found.group(1).decode() if found else ""
    return ""
