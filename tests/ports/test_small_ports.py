from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.adapters.aws.identity import AwsIdentity
from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.session import AwsSession
from penstock.adapters.clock import SystemClock
from penstock.model.errors import NotFound, RemoteFault
from penstock.testing import FakeClock

if TYPE_CHECKING:
    from ports.places import Endpoint, Place

    from penstock.ports import Clock


def test_a_parameter_is_written_over_and_deleted(place: Place, name: str) -> None:
    key = f"/penstock/{name}/dev/pointer"
    assert place.parameters.get(key) is None
    place.parameters.put(key, '{"live":"blue"}')
    place.parameters.put(key, '{"live":"green"}')
    assert place.parameters.get(key) == '{"live":"green"}'
    place.parameters.delete(key)
    place.parameters.delete(key)
    assert place.parameters.get(key) is None


def test_a_topic_that_is_not_there_cannot_be_told(place: Place, name: str) -> None:
    with pytest.raises(NotFound):
        place.notices.publish(f"ports-{name}", subject="shop dev: release 1 is live", message="{}")


def test_a_schedule_is_replaced_and_stopped_and_needs_its_group(place: Place, name: str) -> None:
    where = {"group": f"ports-{name}", "function": "f", "role": "r"}
    with pytest.raises(NotFound):
        place.schedules.start("tick", **where, payload="{}", until=4e9)
    place.make_schedule_group(f"ports-{name}")
    place.schedules.start("tick", **where, payload="{}", until=4e9)
    place.schedules.start("tick", **where, payload='{"rollout": "1"}', until=4.1e9)
    place.schedules.stop("tick", group=f"ports-{name}")
    place.schedules.stop("tick", group=f"ports-{name}")


def test_a_secret_has_a_value_once_it_is_put(place: Place, name: str) -> None:
    assert not place.secrets.has_value(f"shop/dev/{name}")
    place.secrets.put(f"shop/dev/{name}", "sesame")
    place.secrets.put(f"shop/dev/{name}", "open sesame")
    assert place.secrets.has_value(f"shop/dev/{name}")
    assert place.secrets.value(f"shop/dev/{name}") == "open sesame"
    assert place.secrets.value(f"shop/dev/{name}-other") is None


def test_the_caller_is_known_by_arn_and_account(place: Place) -> None:
    assert place.identity.account() == "111111111111"
    assert place.identity.caller().startswith("arn:aws:")


@pytest.mark.parametrize("clock", [FakeClock(), SystemClock()], ids=["fake", "real"])
def test_a_clock_goes_on_while_somebody_sleeps(clock: Clock) -> None:
    wall, steady = clock.now(), clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() >= steady + 0.01
    assert clock.now() > wall


def test_each_environment_sees_its_own_account(endpoint: Endpoint, name: str) -> None:
    dev = AwsSession(account="111111111111", region="eu-west-1", endpoint=endpoint.url)
    staging = AwsSession(account="222222222222", region="eu-west-1", endpoint=endpoint.url)
    AwsParameters(dev).put(f"/{name}", "dev")
    assert AwsParameters(staging).get(f"/{name}") is None
    assert AwsIdentity(staging).account() == "222222222222"


def test_what_lies_around_on_this_machine_has_no_say(
    endpoint: Endpoint, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ACCESS_KEY_ID": "999999999999",
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "AWS_CONFIG_FILE": "/no/such/file",
    }.items():
        monkeypatch.setenv(variable, value)
    session = AwsSession(account="111111111111", region="eu-west-1", endpoint=endpoint.url)
    AwsParameters(session).put(f"/{name}", "mine")
    assert AwsIdentity(session).account() == "111111111111"


def test_an_endpoint_where_nobody_answers_is_said_plainly() -> None:
    session = AwsSession(account="111111111111", region="eu-west-1", endpoint="http://127.0.0.1:1")
    with pytest.raises(RemoteFault, match="no answer") as caught:
        AwsParameters(session).get("/x")
    assert "penstock local status" in caught.value.hint
