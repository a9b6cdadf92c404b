"""What is read without botocore is what botocore reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ports.places import ACCOUNT, REGION

from penstock.adapters.aws.gateway import AwsGateway
from penstock.adapters.aws.identity import AwsIdentity
from penstock.adapters.aws.light import Unclear
from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.session import AwsSession
from penstock.adapters.aws.store import AwsObjectStore

if TYPE_CHECKING:
    from ports.places import EmbeddedPlace, Endpoint


@pytest.fixture
def fresh(endpoint: Endpoint) -> AwsSession:
    return AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url)


def test_parameters_objects_buckets_and_the_caller_are_the_same(
    fresh: AwsSession, embedded: EmbeddedPlace, name: str
) -> None:
    embedded.parameters.put(f"/penstock/{name}", '{"live":"blue","é":1}')
    embedded.objects.put(f"{name}/a key+with=signs~.json", b"\x00\xff")
    objects = AwsObjectStore(fresh, embedded.bucket)

    assert AwsParameters(fresh).get(f"/penstock/{name}") == '{"live":"blue","é":1}'
    assert AwsParameters(fresh).get("/penstock/nobody") is None
    for key in (f"{name}/a key+with=signs~.json", f"{name}/no"):
        assert objects.get(key) == embedded.objects.get(key)
    assert objects.exists()
    assert not AwsObjectStore(fresh, "penstock-nowhere").exists()
    assert AwsIdentity(fresh).caller() == embedded.identity.caller()
    assert fresh.light is not None, "no botocore was needed"


def test_apis_and_their_stages_are_the_same(fresh: AwsSession, embedded: EmbeddedPlace, name: str) -> None:
    api = embedded.make_api(name, "nobody")
    made = embedded.gateway.deploy(api, "")
    embedded.gateway.set_canary(api, "live", deployment=made, variables={"slot": "green"}, percent=12.5)
    gateway = AwsGateway(fresh)
    assert gateway.find(f"{name}-nowhere") is None
    assert gateway.find(name) == api
    for stage in ("live", "no"):
        assert gateway.stage(api, stage) == embedded.gateway.stage(api, stage)
    assert gateway.stage(api, "live") is not None
    assert fresh.light is not None, "no botocore was needed"


def test_a_missing_bucket_is_told_as_botocore_tells_it(fresh: AwsSession) -> None:
    light = fresh.light
    assert light is not None
    with pytest.raises(Unclear):
        light.object("penstock-nowhere", "key")
    assert AwsObjectStore(fresh, "penstock-nowhere").get("key") is None


def test_wrong_credentials_are_not_taken_for_absence(endpoint: Endpoint, embedded: EmbeddedPlace) -> None:
    light = AwsSession(account="999999999999", region=REGION, endpoint=endpoint.url).light
    assert light is not None
    with pytest.raises(Unclear):
        light.object(embedded.bucket, "key")


def test_aws_itself_is_always_asked_through_botocore() -> None:
    assert AwsSession(account=ACCOUNT, region=REGION).light is None
