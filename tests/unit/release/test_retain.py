from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unit.release.shop import Shop, a_release

from penstock.model.release import Pointer, SlotState
from penstock.release.reconcile import Applied, Live
from penstock.release.retain import kept_releases, prunable, retained_grants, retained_text

if TYPE_CHECKING:
    from collections.abc import Mapping

READ: Mapping[str, Any] = {"actions": ["dynamodb:GetItem"], "resources": ["users"]}
WRITE: Mapping[str, Any] = {"actions": ["dynamodb:PutItem"], "resources": ["users"]}


def test_the_newest_releases_and_those_in_the_slots_are_kept() -> None:
    pointer = Pointer(blue=SlotState(release="old"), green=SlotState(release="r1"))
    newest_first = [f"r{number}" for number in range(20)] + ["old"]
    assert kept_releases(newest_first, pointer, keep=3) == {"r0", "r1", "r2", "old"}


def test_what_no_kept_release_needs_and_nothing_points_at_may_go() -> None:
    shop = Shop()
    releases = [a_release((number, 1, 1), api=number) for number in range(1, 6)]
    for release in releases:
        shop.ship(release)
    kept = releases[3:]
    found = prunable(
        shop.observe(),
        kept,
        all_releases=[release.id for release in releases],
        artifacts=shop.objects.list("artifacts/"),
    )
    assert [name for name, _ in found.versions] == ["shop-dev-orders"] * 3
    assert [number for _, number in found.versions] == ["2", "3", "4"], "1 is what was there before the first release"
    assert set(found.releases) == {release.id for release in releases[:3]}
    assert set(found.artifacts) == {
        f"artifacts/{release.functions['orders'].artifact}{suffix}"
        for release in releases[:3]
        for suffix in (".zip", ".intoto.json")
    }
    assert len(found.deployments) == 6, "three documents, in the live and in the preview API"

    for function, version in found.versions:
        shop.functions.delete_version(function, version)
    for api, deployment in found.deployments:
        shop.gateway.delete_deployment(api, deployment)
    for artifact in found.artifacts:
        shop.objects.delete(artifact)
    assert shop.run(Live(release=releases[3])), "what was kept can come back"


def test_what_penstock_did_not_make_is_never_collected() -> None:
    shop = Shop()
    shop.ship(a_release((1, 1, 1), api=1))
    latest = shop.functions.get("shop-dev-users")
    assert latest is not None
    shop.functions.publish(
        "shop-dev-users", code_sha256=latest.code_sha256, revision=latest.revision, description="by hand"
    )
    found = prunable(shop.observe(), [], all_releases=[], artifacts=[])
    assert found.is_empty
    assert [version.description for version in shop.functions.versions("shop-dev-users")][-1] == "by hand"


def test_a_grant_that_the_live_release_needs_is_retained_until_it_is_gone() -> None:
    live = replace(a_release((1, 1, 1)), grants={"users": (READ, WRITE)})
    configured = {"users": [READ]}
    assert retained_grants([live], configured) == {"users": (WRITE,)}
    successor = replace(a_release((2, 1, 1)), grants={"users": (READ,)})
    assert retained_grants([successor], configured) == {}


def test_retained_grants_are_written_once_each_in_a_stable_order() -> None:
    one = replace(a_release((1, 1, 1)), grants={"users": (WRITE, READ), "orders": (READ,)})
    two = replace(a_release((2, 1, 1)), grants={"users": (READ, WRITE)})
    nothing: dict[str, list[Mapping[str, Any]]] = {"orders": [], "users": []}
    text = retained_text(retained_grants([one, two], nothing))
    assert text == retained_text(retained_grants([two, one], nothing))
    assert json.loads(text) == {"orders": [READ], "users": [READ, WRITE]}


def test_a_release_can_be_loaded_from_what_is_there_though_terraform_has_moved_on() -> None:
    shop = Shop()
    first, second = a_release((1, 1, 1), api=1, config=1), a_release((2, 2, 2), api=2, config=2)
    shop.ship(first)
    shop.ship(second)
    shop.ship(a_release((3, 3, 3), api=2, config=2))
    assert shop.run(Live(release=first, applied=Applied()))
