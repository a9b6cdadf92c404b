from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ports.places import EmbeddedPlace, a_zip

from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.ports import CanaryState
from penstock.testing import FakeGateway

if TYPE_CHECKING:
    from ports.places import Place


def test_an_api_is_found_by_its_name(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    assert place.gateway.find(name) == api
    assert place.gateway.find(f"{name}-preview") is None


def test_a_deployment_is_made_beside_what_the_stage_serves(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    before = place.gateway.stage(api, "live")
    made = place.gateway.deploy(api, "penstock api=" + "a" * 64)
    assert place.gateway.deployments(api)[made] == "penstock api=" + "a" * 64
    assert place.gateway.stage(api, "live") == before


def test_a_stage_takes_deployment_and_slot_together(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    made = place.gateway.deploy(api, "")
    after = place.gateway.set_stage(api, "live", deployment=made, variables={"slot": "green"})
    assert (after.deployment, dict(after.variables), after.canary) == (made, {"slot": "green"}, None)
    assert place.gateway.stage(api, "live") == after


def test_a_canary_stands_beside_what_the_stage_serves(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    before = place.gateway.stage(api, "live")
    assert before is not None
    made = place.gateway.deploy(api, "")
    during = place.gateway.set_canary(api, "live", deployment=made, variables={"slot": "green"}, percent=10)
    assert during == replace(before, canary=CanaryState(percent=10.0, deployment=made, variables={"slot": "green"}))
    assert place.gateway.stage(api, "live") == during


def test_a_canary_moves_and_keeps_only_the_variables_that_are_named(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    first, second = place.gateway.deploy(api, ""), place.gateway.deploy(api, "")
    place.gateway.set_canary(api, "live", deployment=first, variables={"slot": "green", "mode": "new"}, percent=5)
    moved = place.gateway.set_canary(api, "live", deployment=second, variables={"slot": "green"}, percent=12.5)
    assert moved.canary == CanaryState(percent=12.5, deployment=second, variables={"slot": "green"})
    again = place.gateway.set_canary(api, "live", deployment=second, variables={"slot": "green"}, percent=12.5)
    assert again == moved
    halted = place.gateway.set_canary(api, "live", deployment=second, variables={"slot": "green"}, percent=0)
    assert halted.canary == CanaryState(percent=0.0, deployment=second, variables={"slot": "green"})


def test_taking_a_canary_away_leaves_the_stage_as_it_was(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    before = place.gateway.stage(api, "live")
    place.gateway.set_canary(
        api, "live", deployment=place.gateway.deploy(api, ""), variables={"slot": "green"}, percent=50
    )
    assert place.gateway.clear_canary(api, "live") == before
    assert place.gateway.clear_canary(api, "live") == before
    assert place.gateway.stage(api, "live") == before


def test_a_canary_ends_when_the_stage_is_set(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    made = place.gateway.deploy(api, "")
    place.gateway.set_canary(api, "live", deployment=made, variables={"slot": "green"}, percent=10)
    after = place.gateway.set_stage(api, "live", deployment=made, variables={"slot": "green"})
    assert (after.deployment, dict(after.variables), after.canary) == (made, {"slot": "green"}, None)
    assert place.gateway.stage(api, "live") == after


def test_a_canary_of_no_stage_no_deployment_or_no_share_is_refused(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    made = place.gateway.deploy(api, "")
    with pytest.raises(RemoteFault):
        place.gateway.set_canary(api, "nowhere", deployment=made, variables={}, percent=10)
    with pytest.raises(RemoteFault):
        place.gateway.set_canary(api, "live", deployment="nothing", variables={}, percent=10)
    with pytest.raises(RemoteFault):
        place.gateway.set_canary(api, "live", deployment=made, variables={}, percent=101)
    with pytest.raises(NotFound):
        place.gateway.clear_canary(api, "nowhere")
    after = place.gateway.stage(api, "live")
    assert after is not None
    assert after.canary is None


def test_a_deployment_stays_while_a_canary_serves_it(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    made = place.gateway.deploy(api, "")
    place.gateway.set_canary(api, "live", deployment=made, variables={}, percent=1)
    with pytest.raises(Conflict):
        place.gateway.delete_deployment(api, made)
    place.gateway.clear_canary(api, "live")
    place.gateway.delete_deployment(api, made)


def test_a_stage_that_is_not_there_is_none(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    assert place.gateway.stage(api, "nowhere") is None
    with pytest.raises(RemoteFault):
        place.gateway.set_stage(api, "nowhere", deployment="x", variables={})


def test_a_deployment_goes_unless_a_stage_serves_it(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    spare, serving = place.gateway.deploy(api, ""), place.gateway.deploy(api, "")
    place.gateway.set_stage(api, "live", deployment=serving, variables={"slot": "blue"})
    with pytest.raises(Conflict):
        place.gateway.delete_deployment(api, serving)
    place.gateway.delete_deployment(api, spare)
    place.gateway.delete_deployment(api, spare)
    assert spare not in place.gateway.deployments(api)
    assert serving in place.gateway.deployments(api)


def test_a_signed_call_reaches_the_slot_that_the_stage_names(embedded: EmbeddedPlace, name: str) -> None:
    embedded.make_function(name)
    api = embedded.make_api(name, name)
    for text, slot in (("one", "blue"), ("two", "green")):
        embedded.objects.put(f"artifacts/{text}.zip", a_zip(text))
        latest = embedded.functions.get(name)
        assert latest is not None
        updated = embedded.functions.update_code(
            name,
            bucket=embedded.bucket,
            key=f"artifacts/{text}.zip",
            architecture="x86_64",
            revision=latest.revision,
        )
        version = embedded.functions.publish(
            name, code_sha256=updated.code_sha256, revision=updated.revision, description=text
        )
        embedded.functions.set_alias(name, slot, version.version)
    assert embedded.gateway.call(api, "live", "GET", "/slot").body == "one 1"
    made = embedded.gateway.deploy(api, "")
    embedded.gateway.set_stage(api, "live", deployment=made, variables={"slot": "green"})
    answer = embedded.gateway.call(api, "live", "GET", "/slot?with=a%20query")
    assert (answer.status, answer.body) == (200, "two 2")
    assert embedded.gateway.call(api, "live", "GET", "/nowhere").status in (403, 404)


def test_the_fakes_canary_gets_exactly_its_share() -> None:
    gateway = FakeGateway()
    api = gateway.configure("shop", "{}")
    made = gateway.deploy(api, "")
    gateway.set_canary(api, "live", deployment=made, variables={"slot": "green"}, percent=25)
    slots = [gateway.call(api, "live", "GET", "/").body for _ in range(40)]
    assert slots.count("green") == 10
    assert slots[:4] == ["blue", "blue", "blue", "green"]
