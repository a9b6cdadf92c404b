"""What lies in an environment's bucket, read with the administrator's eyes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from journeys.shop import ACCOUNTS, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeys.shop import Shop


def bucket_of(environment: str) -> str:
    return f"penstock-shop-{environment}-{ACCOUNTS[environment]}-{REGION}"


def objects(shop: Shop, environment: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Every version of every object below the prefix, the older ones too, as (key, content)."""
    store, bucket = shop.client("s3", environment), bucket_of(environment)
    for page in store.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Versions", []):
            key, version = found["Key"], found["VersionId"]
            body = store.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
            yield key, body


def ledger(shop: Shop, environment: str) -> list[dict[str, Any]]:
    """The entries of the ledger, oldest first."""
    entries = [json.loads(body) for _, body in objects(shop, environment, "ledger/")]
    return sorted(entries, key=lambda entry: int(entry["number"]))
