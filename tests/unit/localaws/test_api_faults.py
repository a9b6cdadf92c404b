"""What control planes answer when they are busy or broken, read by the SDK that the engine uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.adapters.aws.faults import THROTTLED
from penstock.localaws.api_faults import control_plane, refusal

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

CALLS = {
    "cloudwatch": ("describe_alarms", {}),
    "lambda": ("list_functions", {}),
    "s3": ("get_object", {"Bucket": "b", "Key": "k"}),
    "ssm": ("get_parameter", {"Name": "p"}),
    "sts": ("get_caller_identity", {}),
}


class Body:
    """An answer's bytes, as botocore reads them."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


@pytest.mark.parametrize("service", CALLS)
def test_the_sdk_knows_it_for_what_it_is(service: str) -> None:
    client = botocore.session.Session().create_client(
        service,
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="111111111111",
        aws_secret_access_key="no-secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    throttled = [True, False]

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = [(name.lower().encode(), _bytes(value)) for name, value in request.headers.items()]
        scope = {"method": request.method, "path": "/any", "headers": headers}
        named = control_plane(scope)
        assert named is not None
        found = refusal(scope, named, throttled=throttled.pop(0))
        received: Any = {"content-type": found.content_type}
        return AWSResponse(request.url, found.status, received, Body(found.body))

    heard: Any = answer  # whose answer botocore takes for the server's
    client.meta.events.register("before-send", heard)
    operation, arguments = CALLS[service]
    errors: list[Any] = []
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            getattr(client, operation)(**arguments)
        errors.append(refused.value.response)
    busy, broken = errors
    assert busy["Error"]["Code"] in THROTTLED
    assert broken["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "rehearsal" in busy["Error"]["Message"]


def test_a_head_of_s3_is_answered_without_a_body() -> None:
    assert refusal({"method": "HEAD", "path": "/", "headers": []}, "s3", throttled=True).body == b""


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
