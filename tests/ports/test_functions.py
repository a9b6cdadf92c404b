from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from ports.places import a_zip

from penstock.model.errors import Conflict, NotFound, RemoteFault

if TYPE_CHECKING:
    from ports.places import Place

    from penstock.ports import FunctionState

DESCRIPTION = "penstock release=aaaaaaaaaaaa config=bbbbbbbbbbbb"


def update(place: Place, name: str, text: str) -> FunctionState:
    place.objects.put(f"artifacts/{text}.zip", a_zip(text))
    latest = place.functions.get(name)
    assert latest is not None
    return place.functions.update_code(
        name,
        bucket=place.bucket,
        key=f"artifacts/{text}.zip",
        architecture="x86_64",
        revision=latest.revision,
    )


def publish(place: Place, name: str, text: str, description: str = DESCRIPTION) -> FunctionState:
    updated = update(place, name, text)
    return place.functions.publish(
        name, code_sha256=updated.code_sha256, revision=updated.revision, description=description
    )


def test_a_function_that_is_not_there_is_none(place: Place) -> None:
    assert place.functions.get("ports-nobody") is None
    assert list(place.functions.versions("ports-nobody")) == []
    assert place.functions.aliases("ports-nobody") == {}


def test_code_is_known_by_its_sha256_in_hex(place: Place, name: str) -> None:
    place.make_function(name)
    updated = update(place, name, "one")
    assert updated.code_sha256 == hashlib.sha256(a_zip("one")).hexdigest()
    assert (updated.version, updated.last_update, updated.architecture) == ("$LATEST", "Successful", "x86_64")


def test_an_update_under_an_old_revision_is_a_conflict(place: Place, name: str) -> None:
    place.make_function(name)
    before = place.functions.get(name)
    assert before is not None
    update(place, name, "one")
    with pytest.raises(Conflict):
        place.functions.update_code(
            name,
            bucket=place.bucket,
            key="artifacts/one.zip",
            architecture="x86_64",
            revision=before.revision,
        )


def test_code_that_is_not_in_the_bucket_is_refused(place: Place, name: str) -> None:
    place.make_function(name)
    latest = place.functions.get(name)
    assert latest is not None
    with pytest.raises(RemoteFault):
        place.functions.update_code(
            name, bucket=place.bucket, key="artifacts/no.zip", architecture="x86_64", revision=latest.revision
        )


def test_a_version_freezes_code_and_carries_its_description(place: Place, name: str) -> None:
    place.make_function(name)
    first = publish(place, name, "one")
    second = publish(place, name, "two")
    assert (first.version, second.version) == ("1", "2")
    assert first.description == DESCRIPTION
    assert first.code_sha256 == hashlib.sha256(a_zip("one")).hexdigest()
    assert (second.state, second.last_update) == ("Active", "Successful")
    listed = place.functions.versions(name)
    assert [(version.version, version.code_sha256) for version in listed] == [
        ("1", first.code_sha256),
        ("2", second.code_sha256),
    ]
    assert [version.description for version in listed] == [DESCRIPTION, DESCRIPTION]


def test_publishing_other_code_than_was_meant_is_a_conflict(place: Place, name: str) -> None:
    place.make_function(name)
    updated = update(place, name, "one")
    with pytest.raises(Conflict):
        place.functions.publish(name, code_sha256="0" * 64, revision=updated.revision, description=DESCRIPTION)
    assert list(place.functions.versions(name)) == []


def test_publishing_under_an_old_revision_is_a_conflict(place: Place, name: str) -> None:
    place.make_function(name)
    old = update(place, name, "one")
    update(place, name, "one")
    with pytest.raises(Conflict):
        place.functions.publish(name, code_sha256=old.code_sha256, revision=old.revision, description=DESCRIPTION)


def test_publishing_the_same_once_more_makes_no_version(place: Place, name: str) -> None:
    place.make_function(name)
    first = publish(place, name, "one")
    again = publish(place, name, "one")
    assert again.version == first.version
    assert len(place.functions.versions(name)) == 1


def test_the_same_code_under_another_description_is_a_version_of_its_own(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    other = publish(place, name, "one", "penstock release=cccccccccccc config=dddddddddddd")
    assert other.version == "2"
    assert other.description == "penstock release=cccccccccccc config=dddddddddddd"
    latest = place.functions.get(name)
    assert latest is not None
    assert latest.description == "", "Terraform must not see a drift"


def test_an_alias_moves_and_can_be_read_through(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    assert {alias: state.version for alias, state in place.functions.aliases(name).items()} == {
        "blue": "$LATEST",
        "green": "$LATEST",
        "live": "$LATEST",
    }
    place.functions.set_alias(name, "blue", "1")
    moved = place.functions.set_alias(name, "green", "2")
    assert (moved.name, moved.version, dict(moved.weights)) == ("green", "2", {})
    at_blue = place.functions.get(name, "blue")
    assert at_blue is not None
    assert at_blue.version == "1"
    assert place.functions.get(name, "purple") is None


def test_moving_an_alias_under_an_old_revision_is_a_conflict(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    before = place.functions.aliases(name)["blue"]
    place.functions.set_alias(name, "blue", "1", revision=before.revision)
    with pytest.raises(Conflict):
        place.functions.set_alias(name, "blue", "1", revision=before.revision)


def test_an_alias_cannot_point_to_a_version_that_is_not_there(place: Place, name: str) -> None:
    place.make_function(name)
    with pytest.raises(RemoteFault):
        place.functions.set_alias(name, "blue", "7")


def test_a_call_reaches_the_version_behind_the_alias(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    place.functions.set_alias(name, "blue", "1")
    place.functions.set_alias(name, "green", "2")
    assert place.functions.invoke(name, "blue", "{}").version == "1"
    answer = place.functions.invoke(name, "green", "{}")
    assert (answer.status, answer.error, answer.version) == (200, None, "2")


def test_an_alias_takes_weights_and_loses_them_again(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    weighted = place.functions.set_alias(name, "live", "1", weights={"2": 0.25})
    assert (weighted.version, dict(weighted.weights)) == ("1", {"2": 0.25})
    assert place.functions.aliases(name)["live"] == weighted
    moved = place.functions.set_alias(name, "live", "1", weights={"2": 0.5}, revision=weighted.revision)
    assert dict(moved.weights) == {"2": 0.5}
    assert {place.functions.invoke(name, "live", "{}").version for _ in range(40)} == {"1", "2"}
    assert dict(place.functions.set_alias(name, "live", "2").weights) == {}
    assert {place.functions.invoke(name, "live", "{}").version for _ in range(8)} == {"2"}


def test_a_weighted_version_stays_as_long_as_the_alias_names_it(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    place.functions.set_alias(name, "live", "1", weights={"2": 0.1})
    with pytest.raises(Conflict):
        place.functions.delete_version(name, "2")


@pytest.mark.parametrize(
    ("version", "weights"),
    [
        ("$LATEST", {"1": 0.5}),
        ("1", {"$LATEST": 0.5}),
        ("1", {"1": 0.5}),
        ("1", {"2": 1.5}),
        ("1", {"2": 0.1, "3": 0.1}),
        ("1", {"7": 0.1}),
    ],
)
def test_weights_that_lambda_refuses_are_refused_and_change_nothing(
    place: Place, name: str, version: str, weights: dict[str, float]
) -> None:
    place.make_function(name)
    for text in ("one", "two", "three"):
        publish(place, name, text)
    before = place.functions.aliases(name)["live"]
    with pytest.raises(RemoteFault):
        place.functions.set_alias(name, "live", version, weights=weights)
    assert place.functions.aliases(name)["live"] == before


def test_an_alias_is_kept_warm_and_given_back(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    place.functions.set_alias(name, "blue", "1")
    assert place.functions.provisioned(name, "blue") is None
    place.functions.provision(name, "blue", 2)
    found = place.functions.provisioned(name, "blue")
    assert found is not None
    assert (found.requested, found.status) == (2, "READY")
    place.functions.unprovision(name, "blue")
    place.functions.unprovision(name, "blue")
    assert place.functions.provisioned(name, "blue") is None


def test_weights_and_warmth_exclude_each_other(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    place.functions.set_alias(name, "live", "1", weights={"2": 0.5})
    with pytest.raises(RemoteFault, match="Provisioned Concurrency"):
        place.functions.provision(name, "live", 1)
    place.functions.set_alias(name, "live", "1")
    place.functions.provision(name, "live", 1)
    with pytest.raises(RemoteFault, match="Provisioned Concurrency"):
        place.functions.set_alias(name, "live", "1", weights={"2": 0.5})


def test_what_was_never_published_cannot_be_kept_warm(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    with pytest.raises(RemoteFault):
        place.functions.provision(name, "green", 1)


def test_a_call_of_nobody_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        place.functions.invoke("ports-nobody", "blue", "{}")


def test_versions_go_unless_an_alias_points_at_them(place: Place, name: str) -> None:
    place.make_function(name)
    publish(place, name, "one")
    publish(place, name, "two")
    place.functions.set_alias(name, "blue", "2")
    with pytest.raises(Conflict):
        place.functions.delete_version(name, "2")
    place.functions.delete_version(name, "1")
    place.functions.delete_version(name, "1")
    assert [version.version for version in place.functions.versions(name)] == ["2"]
