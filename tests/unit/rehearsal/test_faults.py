"""Faults as they are typed, and as the embedded AWS takes them."""

from __future__ import annotations

import pytest

from penstock.localaws import rehearsal as server
from penstock.model.errors import UsageError
from penstock.rehearsal.faults import KINDS, Fault, parse, to_server, usages


@pytest.mark.parametrize(
    "text",
    [
        "errors=0.05",
        "incident=1",
        "latency=1.3",
        "cold-start=2",
        "init-crash",
        "throttling=0.2",
        "dependency-denied",
        "alarm-ringing",
        "aws-errors=0.3",
        "driver-killed",
    ],
)
def test_a_fault_is_what_was_typed(text: str) -> None:
    assert parse(text).describe() == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fire", "there is no fault 'fire'"),
        ("errors", "errors takes share of calls"),
        ("errors=0", "a share of 0 strikes nothing"),
        ("aws-errors=0.0", "a share of 0 strikes nothing"),
        ("errors=2", "'2' is not a share of calls between 0 and 1"),
        ("errors=-0.1", "between 0 and 1"),
        ("errors=nan", "between 0 and 1"),
        ("latency=0.5", "'0.5' is not a factor between 1 and 1000"),
        ("latency=slow", "'slow' is not a factor"),
        ("init-crash=1", "init-crash takes no value"),
    ],
)
def test_anything_else_is_refused_with_what_to_type(text: str, what: str) -> None:
    with pytest.raises(UsageError, match="fault") as refused:
        parse(text)
    assert what in refused.value.what
    assert "--fault" in refused.value.where
    assert refused.value.hint


def test_every_kind_is_offered() -> None:
    assert [text.partition("=")[0] for text in usages()] == list(KINDS)


def test_the_server_takes_every_fault_that_it_has_a_part_in() -> None:
    sent = to_server(Fault(kind, kind_.least) for kind, kind_ in KINDS.items())
    assert {server.Fault.of(one).kind for one in sent} == set(server.KINDS)
    assert {one["side"] for one in to_server([Fault("incident", 0.1)])} == {"both"}
    assert {one["side"] for one in to_server([Fault("errors", 0.1)])} == {"candidate"}
    assert to_server([Fault("driver-killed")]) == []


def test_alarms_ring_because_the_stable_release_fails_before_the_candidate_is_there() -> None:
    fault = parse("alarm-ringing")
    assert (fault.is_before, fault.is_at_start) == (True, True)
    assert [(one["kind"], one["side"]) for one in to_server([fault])] == [
        ("errors", "stable"),
        ("alarm-ringing", "both"),
    ]
    assert not parse("errors=0.1").is_at_start
