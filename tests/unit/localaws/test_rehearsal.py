"""Faults around an invocation, and the record of who answered."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from penstock.localaws.rehearsal import Rehearsal

CANDIDATE = {
    "config": {"FunctionName": "users", "Version": "2", "CodeSha256": "b"},
    "code_zip": b"zPENSTOCK_REHEARSALz",
}
STABLE = {"config": {"FunctionName": "users", "Version": "1", "CodeSha256": "a"}, "code_zip": b"zz"}


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


def test_a_crash_at_the_start_is_what_lambda_reports() -> None:
    rehearsal = Rehearsal()
    put(rehearsal, "init-crash", "candidate", 0)
    assert invoked(rehearsal, CANDIDATE)["body"]["errorType"] == "Runtime.ImportModuleError"


def test_only_the_first_call_of_a_version_starts_slowly() -> None:
    rehearsal = Rehearsal()
    put(rehearsal, "cold-start", "candidate", 0.05)
    began = time.monotonic()
    invoked(rehearsal, CANDIDATE)
    assert time.monotonic() - began >= 0.05
    invoked(rehearsal, CANDIDATE)
    first, second = (call[3] for call in rehearsal.answer("GET", b"")[1]["calls"])
    assert first > second


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"faults": [{"kind": "fire", "side": "both", "value": 1}]}'])
def test_what_is_not_a_fault_is_refused_and_changes_nothing(body: bytes) -> None:
    rehearsal = Rehearsal(chance=lambda: 0.0)
    put(rehearsal, "errors", "both", 1)
    assert rehearsal.answer("PUT", body)[0] == 400
    assert invoked(rehearsal, STABLE)["error"]
    assert rehearsal.answer("DELETE", b"")[0] == 404
