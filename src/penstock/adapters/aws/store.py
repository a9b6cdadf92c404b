"""The environment's bucket: S3, whose conditional writes are the only coordination there is."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.adapters.aws.faults import calling, error_code
from penstock.adapters.aws.light import Unclear, age, answered_at
from penstock.model.errors import AccessDenied, Conflict, NotFound, RemoteFault
from penstock.ports import StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from penstock.adapters.aws.session import AwsSession

Answer = TypeVar("Answer")

COLLISIONS = 6
"""Attempts of a conditional write that S3 answers with 409: another one was under way, nothing is decided."""
DEFAULT_REGION = "us-east-1"
"""The region that must not be named as a location constraint."""
CHUNK = 1 << 20


class AwsObjectStore:
    """One bucket."""

    def __init__(self, session: AwsSession, bucket: str) -> None:
        self._session = session
        self._bucket = bucket

    def exists(self) -> bool:
        """Whether the bucket is there. Raises AccessDenied when it is somebody else's."""
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                return light.has_bucket(self._bucket)
        try:
            with calling("s3:HeadBucket", self._bucket):
                self._client.head_bucket(Bucket=self._bucket, ExpectedBucketOwner=self._session.account)
        except NotFound:
            return False
        return True

    def create(self) -> None:
        """Create the bucket: versioned, encrypted, TLS only, private. Done when it is there and ours."""
        self._make()
        bucket = self._bucket
        with calling("s3:PutPublicAccessBlock", bucket):
            self._client.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
        with calling("s3:PutEncryptionConfiguration", bucket):
            self._client.put_bucket_encryption(
                Bucket=bucket,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
            )
        with calling("s3:PutBucketVersioning", bucket):
            self._client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        with calling("s3:PutBucketPolicy", bucket):
            policy = bucket_policy(bucket, tls_only=not (self._session.endpoint or "").startswith("http:"))
            self._client.put_bucket_policy(Bucket=bucket, Policy=policy)

    def get(self, key: str, *, at_most: int | None = None) -> StoredObject | None:
        """The object, or None; no more than `at_most` bytes of it."""
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                return light.object(self._bucket, key, at_most=at_most)
        try:
            with calling("s3:GetObject", self._place(key)):
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                with closing(answer["Body"]) as body:
                    headers = answer["ResponseMetadata"]["HTTPHeaders"]
                    return StoredObject(
                        body=body.read(at_most), etag=answer["ETag"], age=age(headers), at=answered_at(headers)
                    )
        except NotFound:
            return None

    def put(self, key: str, body: bytes) -> str:
        """Write, whatever is there; the new ETag."""
        with calling("s3:PutObject", self._place(key)):
            return self._client.put_object(Bucket=self._bucket, Key=key, Body=body)["ETag"]

    def put_if_absent(self, key: str, body: bytes) -> str:
        """Write only if nothing is there; the new ETag. Raises Conflict when something is."""
        return self._conditional(
            key, lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")["ETag"]
        )

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        """Write only if the object still has that ETag; the new one. Raises Conflict when it has not."""
        try:
            return self._conditional(
                key, lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfMatch=etag)["ETag"]
            )
        except NotFound as fault:
            raise Conflict("the object is gone", where=fault.where) from fault

    def delete(self, key: str) -> None:
        """Delete; done when nothing is there."""
        with calling("s3:DeleteObject", self._place(key)):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def erase(self, key: str) -> None:
        """Delete with all versions; done when there are none. Who may not do that deletes."""
        place = self._place(key)
        try:
            with calling("s3:ListBucketVersions", place):
                pages = list(
                    self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key)
                )
            for page in pages:
                for one in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                    if one["Key"] == key:
                        with calling("s3:DeleteObjectVersion", place):
                            self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=one["VersionId"])
        except AccessDenied:
            self.delete(key)

    def list(self, prefix: str) -> Sequence[str]:
        """All keys that begin with the prefix, sorted."""
        found: list[str] = []
        with calling("s3:ListBucket", self._place(prefix)):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                found += [entry["Key"] for entry in page.get("Contents", [])]
        return sorted(found)

    def has(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            with calling("s3:HeadObject", self._place(key)):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return False
        return True

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content, streamed; one PutObject, which S3 allows up to 5 GB."""
        with calling("s3:PutObject", self._place(key)), path.open("rb") as content:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def download(self, key: str, path: Path, *, at_most: int | None = None) -> None:
        """Read into a file, published by rename; no more than `at_most` bytes. Raises NotFound."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with calling("s3:GetObject", self._place(key)), unfinished.open("wb") as out:
                left = sys.maxsize if at_most is None else at_most
                with closing(self._client.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
                    while chunk := body.read(min(CHUNK, left)):
                        left -= out.write(chunk)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @property
    def _client(self) -> S3Client:
        return self._session.client("s3")

    def _place(self, key: str) -> str:
        return f"{self._bucket}/{key}"

    def _make(self) -> None:
        extra: dict[str, Any] = {}
        if self._session.region != DEFAULT_REGION:
            extra["CreateBucketConfiguration"] = {"LocationConstraint": self._session.region}
        try:
            with calling("s3:CreateBucket", self._bucket):
                self._client.create_bucket(Bucket=self._bucket, **extra)
        except Conflict as fault:
            if not self._is_ours():
                raise Conflict(
                    "a bucket of that name belongs to somebody else",
                    where=fault.where,
                    hint="rename the workspace or the environment",
                ) from fault
        except RemoteFault as fault:
            if error_code(fault.__cause__) != "BucketAlreadyOwnedByYou":
                raise

    def _is_ours(self) -> bool:
        try:
            return self.exists()
        except RemoteFault:
            return False

    def _conditional(self, key: str, write: Callable[[], Answer]) -> Answer:
        for attempt in range(COLLISIONS):
            try:
                with calling("s3:PutObject", self._place(key)):
                    return write()
            except Conflict as fault:
                if error_code(fault.__cause__) != "ConditionalRequestConflict" or attempt == COLLISIONS - 1:
                    raise
                time.sleep(random.uniform(0.0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not cryptography
        raise AssertionError("unreachable")


def bucket_policy(bucket: str, *, tls_only: bool) -> str:
    """The bucket's policy: nobody deletes history or writes over it, and nobody talks to it in the clear.

    A write that does not ask for the place to be empty is refused:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html. An emulator that is spoken to
    over plain HTTP on this machine would lock itself out with the last rule.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements: list[dict[str, Any]] = [
        {
            "Sid": "HistoryIsNeverDeleted",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": f"{arn}/ledger/*",
        },
        {
            "Sid": "HistoryIsNeverWrittenOver",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"{arn}/ledger/*",
            "Condition": {"Null": {"s3:if-none-match": "true"}},
        },
    ]
    if tls_only:
        statements.append(
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)
