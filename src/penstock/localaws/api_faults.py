"""Control planes that are busy or broken on request: what AWS answers then, in the words of each service.

References: https://docs.aws.amazon.com/awssupport/latest/user/throttling.html (Throttling of the Query services),
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (SlowDown, InternalError),
https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html and the errors of each operation there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE = "rehearsal: the service is busy or broken; nothing was changed"
_ENGINE = re.compile(rb"Credential=\d{12}/\d+/[^/]+/([^/]+)/aws4_request")
"""Who has the account's administrator sign: drivers and Terraform. Functions have sessions of their roles."""
_DATA = ("execute-api",)
_QUERY_SERVICES = frozenset({"iam", "monitoring", "sns", "sts"})
_SHORT, _BYTE = 24, 256


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes


def control_plane(scope: Mapping[str, Any]) -> str | None:
    """The service whose control plane an administrator asks, as signatures name it; None for anything else."""
    headers = dict(scope.get("headers", ()))
    found = _ENGINE.search(headers.get(b"authorization", b""))
    if found is None:
        return None
    service = found.group(1).decode("latin-1")
    return None if service in _DATA or str(scope["path"]).endswith("/invocations") else service


def refusal(scope: Mapping[str, Any], service: str, *, throttled: bool) -> Answer:
    """What the service answers when it is asked too often, or else when something of its own is broken."""
    headers = dict(scope.get("headers", ()))
    content_type = headers.get(b"content-type", b"")
    if service == "s3":
        status, code = (503, "SlowDown") if throttled else (500, "InternalError")
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{MESSAGE}</Message></Error>"
        # An answer to HEAD has no body: SDKs go by the status.
        return Answer(status, "application/xml", b"" if scope["method"] == "HEAD" else text.encode())
    if b"cbor" in content_type:
        status, code = (400, "Throttling") if throttled else (500, "InternalServiceFault")
        return Answer(status, "application/cbor", _cbor({"__type": code, "message": MESSAGE}))
    if b"x-amz-target" in headers:
        status, code = (400, "ThrottlingException") if throttled else (500, "InternalServerError")
        return Answer(status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": MESSAGE}).encode())
    if service in _QUERY_SERVICES:
        status, code = (400, "Throttling") if throttled else (500, "InternalFailure")
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{MESSAGE}</Message></Error>"
        return Answer(status, "text/xml", f"<ErrorResponse>{error}</ErrorResponse>".encode())
    status, code = (429, "TooManyRequestsException") if throttled else (500, "ServiceException")
    body = {"__type": code, "code": code, "message": MESSAGE}
    return Answer(status, "application/json", json.dumps(body).encode())


def _cbor(fields: Mapping[str, str]) -> bytes:
    """A map of texts: https://www.rfc-editor.org/rfc/rfc8949#section-3.1, major types 5 and 3; fewer than 24 fields."""
    return bytes([0xA0 + len(fields)]) + b"".join(_text(part) for pair in fields.items() for part in pair)


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) < _SHORT:
        return bytes([0x60 + len(encoded)]) + encoded
    if len(encoded) < _BYTE:
        return bytes([0x78, len(encoded)]) + encoded
    raise ValueError(f"{len(encoded)} bytes are more than an error's words have")
