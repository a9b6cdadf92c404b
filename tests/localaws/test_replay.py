"""A call that an SDK repeats because the answer was lost is not made again."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localaws.harness import REGION, SECRET

if TYPE_CHECKING:
    from localaws.harness import Account


def create_secret(account: Account, name: str, *, invocation: str, attempt: int) -> tuple[int, dict[str, Any]]:
    """CreateSecret, which refuses a second one of the same name."""
    body = json.dumps({"Name": name, "SecretString": "x"}).encode()
    request = AWSRequest(
        "POST",
        account.server.url + "/",
        data=body,
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "secretsmanager.CreateSecret",
            "amz-sdk-invocation-id": invocation,
            "amz-sdk-request": f"attempt={attempt}; max=3",
        },
    )
    SigV4Auth(Credentials(account.number, SECRET), "secretsmanager", REGION).add_auth(request)
    prepared = request.prepare()
    try:
        with urlopen(Request(str(prepared.url), data=body, headers=dict(prepared.headers))) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_repeated_call_gets_the_first_ones_answer(account: Account) -> None:
    call = str(uuid.uuid4())
    first = create_secret(account, "again/one", invocation=call, attempt=1)
    assert first[0] == 200
    assert create_secret(account, "again/one", invocation=call, attempt=2) == first


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_second_call_is_a_call_of_its_own(account: Account, attempt: int) -> None:
    name = f"again/two-{attempt}"
    assert create_secret(account, name, invocation=str(uuid.uuid4()), attempt=1)[0] == 200
    status, answer = create_secret(account, name, invocation=str(uuid.uuid4()), attempt=attempt)
    assert (status, answer["__type"]) == (400, "ResourceExistsException")
