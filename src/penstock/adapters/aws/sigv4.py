"""AWS Signature Version 4 with the standard library: for requests that need no botocore.

Source: "Create a signed AWS API request", AWS IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Credentials, and what they sign for."""

    access_key: str
    secret_key: str
    token: str | None
    region: str
    service: str

    def headers(self, method: str, url: str, *, headers: dict[str, str], body: bytes, at: float) -> dict[str, str]:
        """All headers of the signed request: those given, and Host, X-Amz-Date, Authorization and the token.

        Args:
            method: of HTTP, upper case.
            url: with its path already percent-encoded.
            headers: names in any case; all are signed.
            body: the bytes that will be sent.
            at: seconds since the epoch.
        """
        stamp = datetime.fromtimestamp(at, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
        day = stamp[:8]
        parts = urlsplit(url)
        digest = hashlib.sha256(body).hexdigest()
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed |= {"host": parts.netloc, "x-amz-date": stamp, "x-amz-content-sha256": digest}
        if self.token:
            signed["x-amz-security-token"] = self.token
        names = ";".join(sorted(signed))
        request = "\n".join(
            [
                method,
                # Only S3 signs the path as it is sent; every other service signs it encoded once more.
                (parts.path or "/") if self.service == "s3" else quote(parts.path or "/", safe="/" + UNRESERVED),
                _canonical_query(parts.query),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                digest,
            ]
        )
        scope = f"{day}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed


def _canonical_query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)
