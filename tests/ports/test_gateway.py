from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ports.places import EmbeddedPlace, a_zip

from penstock.model.errors import Conflict, RemoteFault

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
    assert (after.deployment, dict(after.variables), after.canary_percent) == (made, {"slot": "green"}, None)
    assert place.gateway.stage(api, "live") == after


def test_a_canary_is_seen_and_ends_when_the_stage_is_set(place: Place, name: str) -> None:
    api = place.make_api(name, "nobody")
    made = place.gateway.deploy(api, "")
    place.make_canary(api, "live", made)
    during = place.gateway.stage(api, "live")
    assert during is not None
    assert during.canary_percent == 10.0
    assert during.variables["slot"] == "blue"
    after = place.gateway.set_stage(api, "live", deployment=made, variables={"slot": "green"})
    assert after.canary_percent is None
    assert place.gateway.stage(api, "live") == after


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
