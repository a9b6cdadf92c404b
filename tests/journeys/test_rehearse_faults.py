"""Every fault through a whole rehearsal of production: a soak of half an hour, where PENSTOCK_SOAK is set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from journeys.trouble import mark
from samples import soak

if TYPE_CHECKING:
    from journeys.shop import Shop

pytestmark = soak
ASKED = """
[synthetic]
[[synthetic.requests]]
request = "GET /users?limit=1"
"""
"""One request in four needs a table: the other functions are asked for their health."""

WALK = """
[environments.production.rollout]
strategy = "canary"
weights = [50]
bake = "5m"
margin = 0.05
deadline = "45m"
"""
"""For a production that has none."""

PACE = ("--time-scale", "15", "--rate", "80")
"""Some 40 calls a minute of CloudWatch's for a service on each side, at a rate that does not fill two processors: what
waits for a processor is late at random, and what is late at random takes thousands of calls to judge."""


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        (None, {"promoted"}),
        ("errors=0.3", {"rolled-back"}),
        ("latency=3", {"rolled-back"}),
        ("throttling=0.5", {"rolled-back"}),
        ("dependency-denied", {"rolled-back"}),
        ("init-crash", {"refused"}),
        ("cold-start=2", {"promoted", "undecided"}),
        ("incident=0.5", {"promoted", "undecided"}),
        ("alarm-ringing", {"promoted"}),
        ("aws-errors=0.1", {"promoted"}),
        ("driver-killed", {"promoted"}),
    ],
)
def test_a_rehearsal_of_production_ends_as_the_documents_say(shop: Shop, fault: str | None, outcomes: set[str]) -> None:
    mark(shop, "candidate")
    shop.append("penstock.toml", ASKED + WALK)
    faults = ("--fault", fault) if fault else ()
    ended = shop.run("rehearse", "-e", "production", *PACE, *faults, "--json")
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report.get("outcome") in outcomes, ended
    assert report["faults"] == ([fault] if fault else [])
    assert list(report["hits"]) == report["faults"]
    assert all(report["hits"].values()), "an outcome without its fault proves nothing"
    match fault and fault.partition("=")[0]:
        case None:
            assert report["failed"] == 0
        case "incident":
            assert min(report["stable"]["failed"], report["candidate"]["failed"]) > 0
        case "cold-start":
            assert report["slowest"] >= 2, "callers waited for it"
        case "alarm-ringing":
            assert report["stable"]["failed"] > 0
        case "driver-killed":
            assert report["hits"] == {fault: 1}
    if "rolled-back" in outcomes:
        assert report["stable"]["failed"] == 0, "callers were let down by the candidate only"
