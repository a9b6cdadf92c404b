"""Promotion: production gets the very bytes that staging runs, or nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import TYPE_CHECKING

import pytest
from journeys.account import difference, state
from journeys.bucket import bucket_of, ledger, objects
from journeys.shop import HEALTH_ROUTES

if TYPE_CHECKING:
    from journeys.shop import Shop

REFUSED = 6
CODE = "services/user_service/src/users/app.py"
FUNCTIONS = (
    "catalog_service",
    "notification_service-api",
    "notification_service-worker",
    "order_service",
    "user_service",
)


def test_production_runs_the_bytes_of_staging_though_the_files_have_changed_since(everywhere: Shop) -> None:
    before = running(everywhere, "production")
    everywhere.append(CODE, "\n# what staging runs\n")
    everywhere.shipped(environment="staging")
    everywhere.append(CODE, "\n# what nobody runs yet\n")

    ended = everywhere.shipped("--from", "staging", "--auto-approve", environment="production")
    assert ended.stdout == everywhere.url("production") + "\n"
    now = running(everywhere, "production")
    assert now == running(everywhere, "staging")
    assert [name for name in FUNCTIONS if now[name] != before[name]] == ["user_service"]
    assert now["user_service"] == _digest_of_artifact(everywhere, now["user_service"], "production")
    for route in HEALTH_ROUTES:
        assert everywhere.get(route, environment="production").status == 200, route
    assert everywhere.terraform_runs == [], "code alone needs no Terraform"

    again = everywhere.shipped("--from", "staging", environment="production")
    assert "nothing to do" in again.stderr


def test_a_promotion_needs_its_yes_as_any_deploy(everywhere: Shop) -> None:
    everywhere.append(CODE, "\n# changed\n")
    everywhere.shipped(environment="staging")
    before = running(everywhere, "production")
    ended = everywhere.deploy("--from", "staging", environment="production")
    assert ended.status == REFUSED, ended
    assert "approvals: production needs 1 approval" in ended.stderr
    assert running(everywhere, "production") == before


def test_bytes_that_are_not_what_their_name_says_are_refused(everywhere: Shop) -> None:
    everywhere.append(CODE, "\n# changed\n")
    everywhere.shipped(environment="staging")
    digest = running(everywhere, "staging")["user_service"]
    store, key = everywhere.client("s3", "staging"), f"artifacts/{digest}.zip"
    genuine = store.get_object(Bucket=bucket_of("staging"), Key=key)["Body"].read()
    store.put_object(Bucket=bucket_of("staging"), Key=key, Body=genuine + b"something else")

    before = running(everywhere, "production")
    ended = everywhere.deploy("--from", "staging", "--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert f"the bytes of {key} in staging are not what their name says" in ended.stderr
    assert running(everywhere, "production") == before
    found = everywhere.client("s3", "production").list_objects_v2(Bucket=bucket_of("production"), Prefix=key)
    assert found["KeyCount"] == 0, "nothing of it was copied"
    assert all(everywhere.get(route, environment="production").status == 200 for route in HEALTH_ROUTES)


def test_what_staging_did_not_sign_is_refused(everywhere: Shop) -> None:
    """Somebody can write the bucket of staging, and has a key: dev's."""
    everywhere.append(CODE, "\n# changed\n")
    everywhere.shipped(environment="staging")
    digest = running(everywhere, "staging")["user_service"]
    store, key = everywhere.client("s3", "staging"), f"artifacts/{digest}.intoto.json"
    envelope = json.loads(store.get_object(Bucket=bucket_of("staging"), Key=key)["Body"].read())
    forged = everywhere.client("kms", "dev").sign(
        KeyId="alias/shop-dev-artifacts", Message=b"anything", SigningAlgorithm="ECDSA_SHA_256"
    )
    envelope["signatures"] = [
        {"keyid": forged["KeyId"], "sig": base64.b64encode(forged["Signature"]).decode()},
    ]
    store.put_object(Bucket=bucket_of("staging"), Key=key, Body=json.dumps(envelope).encode())

    before = running(everywhere, "production")
    ended = everywhere.deploy("--from", "staging", "--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert f"it was signed by {forged['KeyId']}, not by arn:aws:kms:" in ended.stderr
    assert running(everywhere, "production") == before


def test_bytes_that_were_built_for_something_else_are_refused(everywhere: Shop) -> None:
    at_hand = f"python3.{sys.version_info.minor}"
    if _built_for(everywhere, "user_service", "staging").startswith(at_hand):
        pytest.skip(f"this machine has no Python but {at_hand}, which the embedded AWS takes for any other")
    everywhere.append("services/user_service/service.toml", f'\n[environments.production]\nruntime = "{at_hand}"\n')
    before, entries = running(everywhere, "production"), len(ledger(everywhere, "production"))
    ended = everywhere.deploy("--from", "staging", "--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert "user_service was built for python3.13/" in ended.stderr
    assert f"production runs {at_hand}/" in ended.stderr
    assert "the same runtime and architecture" in ended.stderr
    assert running(everywhere, "production") == before
    assert len(ledger(everywhere, "production")) == entries


def test_where_nothing_is_live_there_is_nothing_to_promote(shop: Shop) -> None:
    before = state(shop, "production")
    ended = shop.deploy("--from", "staging", "--auto-approve", environment="production")
    assert ended.status == 1, ended
    assert "nothing is live in staging" in ended.stderr
    assert "penstock deploy -e staging" in ended.stderr
    assert difference(before, state(shop, "production")) == []


def test_a_promotion_takes_the_whole_release(everywhere: Shop) -> None:
    ended = everywhere.deploy("--from", "staging", "--service", "user_service", environment="production")
    assert ended.status == 2, ended
    assert "--service and --from do not go together" in ended.stderr


def running(shop: Shop, environment: str) -> dict[str, str]:
    """The SHA-256 (hexadecimal) of the code that each function runs for its callers, as Lambda says it."""
    functions = shop.client("lambda", environment)
    found = {}
    for name in FUNCTIONS:
        live = functions.get_function_configuration(FunctionName=f"shop-{environment}-{name}", Qualifier="live")
        found[name] = base64.b64decode(live["CodeSha256"]).hex()
    return found


def _digest_of_artifact(shop: Shop, name: str, environment: str) -> str:
    """The SHA-256 of the artifact of that name, computed from its bytes in the environment's bucket."""
    store = shop.client("s3", environment)
    body = store.get_object(Bucket=bucket_of(environment), Key=f"artifacts/{name}.zip")["Body"].read()
    return hashlib.sha256(body).hexdigest()


def _built_for(shop: Shop, function: str, environment: str) -> str:
    """What the environment's releases say that the function's bytes were built for, as `python3.13/x86_64`."""
    releases = [json.loads(body) for key, body in objects(shop, environment, "releases/") if "history" not in key]
    target: str = releases[-1]["functions"][function]["target"]
    return target
