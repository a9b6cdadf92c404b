"""What a person is told about a candidate that failed: which check, and the function's own last words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs

from penstock.model.errors import VerificationFailed
from penstock.operations.store import ReleaseStore
from penstock.ports import HttpAnswer, Invocation

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.ports import FunctionState


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.deploy()
    found.code["users"] = 2
    return found


def test_a_function_behind_a_health_route_is_asked_why_because_api_gateway_does_not_tell(verbs: Verbs) -> None:
    live = verbs.live_slot()
    asked: list[str] = []

    def crash(state: FunctionState, payload: str) -> Invocation:
        asked.append(json.loads(payload)["path"])
        return Invocation(
            status=200,
            payload='{"errorType": "KeyError"}',
            error="Unhandled",
            version=state.version,
            log_tail="START\nKeyError: 'TABLE_USERS'\nEND\n",
        )

    verbs.shop.functions.behaviour = crash
    verbs.answers(lambda _stage, slot: HttpAnswer(status=200 if slot == live else 502, body="", headers={}, seconds=0))
    with pytest.raises(VerificationFailed) as failed:
        verbs.deploy()
    told = failed.value.what
    assert "preview GET /users/health: HTTP 502" in told
    assert 'Unhandled: {"errorType": "KeyError"}' in told
    assert "KeyError: 'TABLE_USERS'" in told
    assert set(asked) == {"/users/health"}


def test_a_function_that_had_no_time_to_answer_is_not_told_as_wrong_code(verbs: Verbs) -> None:
    live = verbs.live_slot()

    def late(state: FunctionState, _: str) -> Invocation:
        text = "RequestId: 1 Error: Task timed out after 3.00 seconds"
        payload = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text})
        return Invocation(status=200, payload=payload, error="Unhandled", version=state.version, log_tail="")

    verbs.shop.functions.behaviour = late
    verbs.answers(lambda _stage, slot: HttpAnswer(status=200 if slot == live else 504, body="", headers={}, seconds=0))
    with pytest.raises(VerificationFailed) as failed:
        verbs.deploy()
    assert "give it more time by `timeout`" in failed.value.hint
    assert "mend what it waits for" in failed.value.hint


def test_code_that_lost_a_grant_is_another_release(verbs: Verbs) -> None:
    store = ReleaseStore(verbs.shop.objects)
    (name,) = store.ids()
    release = store.require(name)
    grant = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": ["arn:aws:dynamodb:::table/x"]}
    assert replace(release, grants={**release.grants, "users": (grant,)}).id != release.id
    assert replace(release, author="somebody else", commit="0", created="").id == release.id
