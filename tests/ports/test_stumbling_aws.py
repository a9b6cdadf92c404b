"""The real client against the embedded AWS, with answers in between that AWS gives when it is busy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.session import LOCAL_ATTEMPTS, AwsSession
from penstock.model.errors import Busy, RemoteFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ports.places import Endpoint

ACCOUNT = "111111111111"


class Stumbling(AwsSession):
    """Answers the first calls of one operation with a fault instead of sending them."""

    def __init__(self, url: str, *, operation: str, status: int, code: str, times: int) -> None:
        super().__init__(account=ACCOUNT, region="eu-west-1", endpoint=url)
        self._operation, self._status, self._code, self._times = operation, status, code, times
        self.sent = 0

    def _create(self, service: str, read_timeout: float) -> Any:
        client = super()._create(service, read_timeout)
        client.meta.events.register(f"before-send.{self._operation}", self._stumble)
        return client

    def _stumble(self, request: Any, **_rest: object) -> Any:
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - as the adapters do

        self.sent += 1
        if self.sent > self._times:
            return None
        headers: Any = {"x-amzn-errortype": self._code}
        return AWSResponse(request.url, self._status, headers, _Body(b'{"__type": "%s"}' % self._code.encode()))


class _Body(io.BytesIO):
    def stream(self, *_args: object, **_kwargs: object) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ThrottlingException"), (429, "TooManyRequestsException"), (500, "InternalServerError"), (503, "Busy")],
)
def test_one_stumble_of_aws_is_not_noticed(endpoint: Endpoint, status: int, code: str) -> None:
    session = Stumbling(endpoint.url, operation="ssm.PutParameter", status=status, code=code, times=1)
    AwsParameters(session).put("/stumbling", "yes")
    assert session.sent == 2
    assert AwsParameters(session).get("/stumbling") == "yes"


@pytest.mark.parametrize(("status", "code"), [(400, "ThrottlingException"), (503, "ServiceUnavailable")])
def test_who_goes_on_stumbling_is_busy_which_callers_may_wait_for(endpoint: Endpoint, status: int, code: str) -> None:
    session = Stumbling(endpoint.url, operation="ssm.PutParameter", status=status, code=code, times=100)
    with pytest.raises(Busy, match=code):
        AwsParameters(session).put("/stumbling/on", "no")
    assert session.sent == LOCAL_ATTEMPTS


@pytest.mark.parametrize(("status", "code"), [(429, "LimitExceededException"), (400, "TooManyUpdates")])
def test_whoever_asks_too_often_is_told_to_wait_whatever_aws_calls_it(
    endpoint: Endpoint, status: int, code: str
) -> None:
    session = Stumbling(endpoint.url, operation="ssm.PutParameter", status=status, code=code, times=100)
    with pytest.raises(Busy, match=code):
        AwsParameters(session).put("/stumbling/again", "no")


def test_a_quota_that_is_used_up_is_no_reason_to_wait(endpoint: Endpoint) -> None:
    code = "LimitExceededException"
    session = Stumbling(endpoint.url, operation="ssm.PutParameter", status=400, code=code, times=100)
    with pytest.raises(RemoteFault, match=code) as caught:
        AwsParameters(session).put("/stumbling/quota", "no")
    assert not isinstance(caught.value, Busy)
