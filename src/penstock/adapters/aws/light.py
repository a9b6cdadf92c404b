"""The reads of a command that finds nothing to do, without botocore.

Importing botocore and making two clients costs 0.3 to 0.6 s, more than everything else of such a command together.
Only where the credentials are known beforehand, which is in an emulator. Only plain successes and plain absences are
answered; at anything else `Unclear` is raised and the caller asks through botocore, which retries and explains.
"""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from penstock.adapters.aws.sigv4 import UNRESERVED, Signer
from penstock.ports import StoredObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.adapters.local_caller import LocalCaller

TIMEOUT = 5.0
"""Seconds."""
PAGE = 500
"""REST APIs in one answer, at most (API Gateway, "GetRestApis")."""
OK = 200
BAD_REQUEST = 400
NOT_FOUND = 404


def age(headers: Mapping[str, str]) -> float | None:
    """Seconds from when an object was written to when this answer with it was, both by S3's clock; None without one.

    Args:
        headers: the answer's, with names in lower case.
    """
    written, answered = _moment(headers, "last-modified"), answered_at(headers)
    return None if written is None or answered is None else max(answered - written, 0.0)


def answered_at(headers: Mapping[str, str]) -> float | None:
    """When S3 gave this answer, in seconds since the epoch by its own clock; None without a date."""
    return _moment(headers, "date")


def _moment(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return parsedate_to_datetime(headers[name]).timestamp()
    except (KeyError, ValueError):
        return None


class Unclear(Exception):
    """Neither a plain success nor a plain absence."""


class LightAws:
    """A few reads at one endpoint; safe to share between threads.

    Args:
        endpoint: URL without a slash at the end.
        region: to sign for.
        caller: who asks.
    """

    def __init__(self, *, endpoint: str, region: str, caller: LocalCaller) -> None:
        self._endpoint = endpoint
        self._region = region
        self._caller = caller

    def parameter(self, name: str) -> str | None:
        """A parameter's value, or None."""
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
        status, _, body = self._exchange("POST", "/", "ssm", headers, json.dumps({"Name": name}).encode())
        if status == OK:
            return str(json.loads(body)["Parameter"]["Value"])
        if status == BAD_REQUEST and str(json.loads(body).get("__type", "")).endswith("ParameterNotFound"):
            return None
        raise Unclear(status)

    def object(self, bucket: str, key: str, *, at_most: int | None = None) -> StoredObject | None:
        """An object of a bucket, no more than `at_most` bytes of it, or None when either is not there."""
        path = quote(f"/{bucket}/{key}", safe="/" + UNRESERVED)
        status, headers, body = self._exchange("GET", path, "s3", {}, b"", at_most=at_most)
        if status == OK:
            return StoredObject(body=body, etag=headers["etag"], age=age(headers), at=answered_at(headers))
        if status == NOT_FOUND and b"<Code>NoSuchKey</Code>" in body:
            return None
        raise Unclear(status)

    def has_bucket(self, bucket: str) -> bool:
        """Whether the bucket is there."""
        status, _, _ = self._exchange("HEAD", f"/{bucket}", "s3", {}, b"")
        if status in (OK, NOT_FOUND):
            return status == OK
        raise Unclear(status)

    def rest_apis(self) -> Mapping[str, str]:
        """The names of all REST APIs by their ids, where one page holds them all."""
        found = self._json(f"/restapis?limit={PAGE}")
        if found is None or "position" in found:
            raise Unclear("more than a page")
        return {api["id"]: api.get("name", "") for api in found.get("item", [])}

    def stage(self, api: str, stage: str) -> Mapping[str, Any] | None:
        """A stage as GetStage tells it, or None."""
        return self._json(f"/restapis/{api}/stages/{stage}")

    def caller(self) -> tuple[str, str]:
        """The STS caller's ARN and account."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        status, _, body = self._exchange("POST", "/", "sts", headers, b"Action=GetCallerIdentity&Version=2011-06-15")
        text = body.decode("utf-8", "replace")
        arn, account = re.search(r"<Arn>([^<]+)</Arn>", text), re.search(r"<Account>(\d{12})</Account>", text)
        if status == OK and arn and account:
            return arn[1], account[1]
        raise Unclear(status)

    def _json(self, path: str) -> Mapping[str, Any] | None:
        status, _, body = self._exchange("GET", path, "apigateway", {"accept": "application/json"}, b"")
        if status == OK:
            found: Mapping[str, Any] = json.loads(body)
            return found
        if status == NOT_FOUND and b"NotFoundException" in body:
            return None
        raise Unclear(status)

    def _exchange(
        self,
        method: str,
        path: str,
        service: str,
        headers: dict[str, str],
        body: bytes,
        *,
        at_most: int | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        signer = Signer(
            access_key=self._caller.access_key,
            secret_key=self._caller.secret_key,
            token=self._caller.token,
            region=self._region,
            service=service,
        )
        signed = signer.headers(method, self._endpoint + path, headers=headers, body=body, at=time.time())
        parts = urlsplit(self._endpoint)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=body or None, headers=signed)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read(at_most)
        except (OSError, HTTPException) as error:
            raise Unclear(str(error)) from error
        finally:
            connection.close()
