"""Faults around an invocation, and the record of who answered."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from penstock.localaws.rehearsal import Rehearsal

CANDIDATE: dict[str, Any] = {
    "config": {"FunctionName": "users", "Version": "2", "CodeSha256": "b"},
    "code_zip": b"zPENSTOCK_REHEARSALz",
}
STABLE: dict[str, Any] = {"config": {"FunctionName": "users", "Version": "1", "CodeSha256": "a"}, "code_zip": b"zz"}


def invoked(rehearsal: Rehearsal, function: dict[str, Any], body: object = None) -> dict[str, Any]:
    answer: dict[str, Any] = rehearsal.around_execute(lambda *_: {"body": body})(function, {}, "id")
    return answer


def put(rehearsal: Rehearsal, kind: str, side: str, value: float) -> int:
    faults = {"faults": [{"kind": kind, "side": side, "value": value}]}
    return rehearsal.answer("PUT", json.dumps(faults).encode())[0]


def test_only_the_candidate_fails_and_everything_is_written_down() -> None:
    rehearsal = Rehearsal(chance=iter([0.01, 0.9]).__next__)
    assert put(rehearsal, "errors", "candidate", 0.05) == 200
    assert invoked(rehearsal, CANDIDATE)["function_error"] == "Unhandled"
    assert "error" not in invoked(rehearsal, CANDIDATE)
    assert "error" not in invoked(rehearsal, STABLE)
    invoked(rehearsal, STABLE, {"statusCode": 503})
    calls = rehearsal.answer("GET", b"")[1]["calls"]
    assert [(name, side, failed) for _, name, side, _, failed in calls] == [
        ("users", "candidate", True),
        ("users", "candidate", False),
        ("users", "stable", False),
        ("users", "stable", True),
    ]
    assert rehearsal.answer("GET", b"")[1]["calls"] == [], "told once"


def test_an_incident_is_one_of_both_sides() -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    put(rehearsal, "errors", "both", 0.5)
    assert invoked(rehearsal, STABLE)["error"]
    assert invoked(rehearsal, CANDIDATE)["error"]
    assert rehearsal.answer("GET", b"")[1]["hits"] == {"errors both": 2}


def test_a_crash_at_the_start_is_what_lambda_reports() -> None:
    rehearsal = Rehearsal()
    put(rehearsal, "init-crash", "candidate", 0)
    assert invoked(rehearsal, CANDIDATE)["body"]["errorType"] == "Runtime.ImportModuleError"
    assert rehearsal.answer("GET", b"")[1]["hits"] == {"init-crash candidate": 1}


def test_the_first_call_of_each_environment_starts_slowly_also_where_a_check_has_warmed_it() -> None:
    rehearsal = Rehearsal()
    taken = iter(["one", "one", "one", "two", "two"])
    execute = rehearsal.around_execute(lambda *_: {"body": None, "duration_ms": 2.0, "environment": next(taken)})
    execute(CANDIDATE, {}, "the check")
    put(rehearsal, "cold-start", "candidate", 0.05)
    assert [execute(CANDIDATE, {}, "id")["duration_ms"] for _ in range(4)] == [2.0] * 4, "a start is no Duration"
    invoked(rehearsal, STABLE)
    told = rehearsal.answer("GET", b"")[1]
    assert [call[3] >= 0.05 for call in told["calls"]] == [False, True, False, True, False, False]
    assert told["hits"] == {"cold-start candidate": 2}


def test_a_call_that_takes_longer_or_breaks_is_as_long_to_cloudwatch_too() -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    execute = rehearsal.around_execute(lambda *_: {"body": None, "duration_ms": 2.0})
    put(rehearsal, "latency", "candidate", 3)
    assert execute(CANDIDATE, {}, "id")["duration_ms"] == pytest.approx(6.0)
    put(rehearsal, "errors", "candidate", 1)
    broken = execute(CANDIDATE, {}, "id")
    assert (broken["error"], broken["duration_ms"]) == (True, 2.0)
    assert rehearsal.answer("GET", b"")[1]["hits"] == {"errors candidate": 1, "latency candidate": 1}


def test_a_throttled_call_never_reaches_the_function_and_is_no_invocation() -> None:
    rehearsal = Rehearsal(chance=iter([0.1, 0.9]).__next__)
    put(rehearsal, "throttling", "candidate", 0.2)
    refused = invoked(rehearsal, CANDIDATE)
    assert (refused["throttle"], refused["body"]["__type"]) == (True, "TooManyRequestsException")
    assert "throttle" not in invoked(rehearsal, CANDIDATE)
    assert "throttle" not in invoked(rehearsal, STABLE)
    told = rehearsal.answer("GET", b"")[1]
    assert [call[4] for call in told["calls"]] == [True, False, False]
    assert told["hits"] == {"throttling candidate": 1}


def test_a_broken_call_takes_as_long_as_a_good_one() -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    put(rehearsal, "errors", "both", 1)

    def slow(*_: object) -> dict[str, Any]:
        time.sleep(0.02)
        return {"body": None}

    assert rehearsal.around_execute(slow)(STABLE, {}, "id")["error"]
    assert rehearsal.answer("GET", b"")[1]["calls"][0][3] >= 0.02


def test_who_may_not_is_the_candidate_alone_although_both_have_one_role() -> None:
    rehearsal = Rehearsal()
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:users"
    session = rehearsal.around_credentials(lambda config: {"AWS_ACCESS_KEY_ID": config["FunctionArn"]})
    enforce = rehearsal.around_enforce(lambda *_: None, lambda decision, principal_arn: (decision, principal_arn))
    keys = {}
    for side, function in {"candidate": CANDIDATE, "stable": STABLE}.items():
        invoked(rehearsal, function)
        found = session({**function["config"], "FunctionArn": f"{arn}:live", "Role": "arn:aws:iam::1:role/shop-users"})
        keys[side] = found["AWS_ACCESS_KEY_ID"]
    assert keys == {"candidate": f"{arn}:2", "stable": f"{arn}:1"}
    assert enforce(keys["candidate"], "dynamodb:GetItem") is None, "not before there is the fault"
    put(rehearsal, "dependency-denied", "candidate", 0)
    denied = ("ImplicitDeny", "arn:aws:sts::111111111111:assumed-role/shop-users/users")
    assert enforce(keys["candidate"], "dynamodb:GetItem") == denied
    assert enforce(keys["stable"], "dynamodb:GetItem") is None
    assert enforce("222222222222", "dynamodb:GetItem") is None
    assert rehearsal.answer("GET", b"")[1]["hits"] == {"dependency-denied candidate": 1}


def test_what_is_denied_anyway_stays_as_it_was() -> None:
    rehearsal = Rehearsal()
    put(rehearsal, "dependency-denied", "both", 0)
    assert rehearsal.around_enforce(lambda *_: "unsigned", lambda *_: "denied")("ASIA") == "unsigned"


def test_an_alarm_that_rings_is_not_looked_at_again_while_it_is_to_ring() -> None:
    rehearsal = Rehearsal()
    looked: list[str] = []
    evaluate = rehearsal.around_evaluate(lambda alarm: looked.append(alarm["AlarmName"]))
    rings, quiet = {"AlarmName": "api", "StateValue": "ALARM"}, {"AlarmName": "users", "StateValue": "OK"}
    for alarm in (rings, quiet):
        evaluate(alarm)
    put(rehearsal, "alarm-ringing", "both", 0)
    for alarm in (rings, quiet):
        evaluate(alarm)
    assert looked == ["api", "users", "users"]


def test_a_control_plane_is_busy_one_time_and_broken_the_other_for_drivers_alone() -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    asked = {"method": "GET", "path": "/2015-03-31/functions/users", "headers": signed("111111111111", "lambda")}
    assert rehearsal.refusal(asked) is None
    put(rehearsal, "aws-errors", "both", 0.3)
    first, second = rehearsal.refusal(asked), rehearsal.refusal(asked)
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (429, 500)
    assert rehearsal.refusal({**asked, "headers": signed("ASIA0123456789ABCDEF", "lambda")}) is None, (
        "a function's call"
    )
    assert rehearsal.refusal({**asked, "path": "/2015-03-31/functions/users/invocations"}) is None
    assert rehearsal.refusal({**asked, "headers": signed("111111111111", "execute-api")}) is None
    assert rehearsal.refusal({**asked, "headers": []}) is None
    assert rehearsal.answer("GET", b"")[1]["hits"] == {"aws-errors both": 2}


def signed(key: str, service: str) -> list[tuple[bytes, bytes]]:
    scope = f"{key}/20261123/eu-west-1/{service}/aws4_request"
    return [(b"authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0".encode())]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"faults": [{"kind": "fire", "side": "both", "value": 1}]}'])
def test_what_is_not_a_fault_is_refused_and_changes_nothing(body: bytes) -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    put(rehearsal, "errors", "both", 1)
    assert rehearsal.answer("PUT", body)[0] == 400
    assert invoked(rehearsal, STABLE)["error"]
    assert rehearsal.answer("DELETE", b"")[0] == 404
