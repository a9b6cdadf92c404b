"""Whose account it is, and how AWS's errors are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.session import AwsSession
from penstock.model.errors import AccessDenied, Busy, Conflict, NotFound, PenstockError, Refused, RemoteFault

if TYPE_CHECKING:
    from ports.places import Endpoint


class AwsElsewhere(AwsSession):
    """AWS itself, as far as the session knows; its clients talk to the embedded one with the credentials found."""

    def __init__(self, url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._url = url

    def _create(self, service: str, read_timeout: float) -> Any:  # noqa: ARG002 - the base's
        return self._botocore().create_client(service, region_name=self.region, endpoint_url=self._url)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, "/no/such/file")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_on_aws_the_ordinary_credentials_act(endpoint: Endpoint, credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("AWS_ACCESS_KEY_ID", "444444444444")
    credentials.setenv("AWS_SECRET_ACCESS_KEY", "penstock-local")
    session = AwsElsewhere(endpoint.url, account="444444444444", region="eu-west-1")
    AwsParameters(session).put("/mine", "yes")
    assert AwsParameters(session).get("/mine") == "yes"
    assert session.credentials() == ("444444444444", "penstock-local", None)


def test_credentials_of_another_account_are_refused_before_anything_is_done(
    endpoint: Endpoint, credentials: pytest.MonkeyPatch
) -> None:
    credentials.setenv("AWS_ACCESS_KEY_ID", "444444444444")
    credentials.setenv("AWS_SECRET_ACCESS_KEY", "penstock-local")
    wrong = AwsElsewhere(endpoint.url, account="333333333333", region="eu-west-1")
    with pytest.raises(Refused, match=r"account 444444444444, the environment to account 333333333333"):
        AwsParameters(wrong).put("/theirs", "no")
    with pytest.raises(Refused):
        wrong.credentials()
    right = AwsElsewhere(endpoint.url, account="444444444444", region="eu-west-1")
    assert AwsParameters(right).get("/theirs") is None


def test_without_credentials_the_next_thing_to_type_is_said(
    endpoint: Endpoint, credentials: pytest.MonkeyPatch
) -> None:
    del credentials
    session = AwsElsewhere(endpoint.url, account="333333333333", region="eu-west-1")
    with pytest.raises(AccessDenied, match="no AWS credentials") as caught:
        AwsParameters(session).get("/x")
    assert "AWS_PROFILE" in caught.value.hint


def a_client_error(code: str, message: str = "told by AWS.") -> Exception:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ResourceNotFoundException", NotFound),
        ("NoSuchKey", NotFound),
        ("PreconditionFailed", Conflict),
        ("ResourceConflictException", Conflict),
        ("AccessDeniedException", AccessDenied),
        ("ExpiredToken", AccessDenied),
        ("TooManyRequestsException", Busy),
        ("SomethingNew", RemoteFault),
    ],
)
def test_an_error_of_aws_says_what_and_where(code: str, kind: type[PenstockError]) -> None:
    with pytest.raises(RemoteFault) as caught, calling("lambda:PublishVersion", "shop-dev-user_service"):
        raise a_client_error(code)
    assert type(caught.value) is kind
    assert caught.value.where == "lambda:PublishVersion shop-dev-user_service"
    assert "told by AWS" in caught.value.what
    assert code in caught.value.what


def test_what_is_no_fault_of_aws_passes_unchanged() -> None:
    with pytest.raises(KeyError), calling("lambda:PublishVersion"):
        raise KeyError("ours")
    with pytest.raises(Refused), calling("lambda:PublishVersion"):
        raise Refused("ours")
