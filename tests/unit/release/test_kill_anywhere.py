"""`kill -9` before and after every effect, as the ports recorded them; then the same command again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.release.shop import Shop, a_release, content

from penstock.model.errors import NotFound, RemoteFault
from penstock.model.events import VersionPublished
from penstock.operations.ledger_store import LedgerStore
from penstock.release.ledger import unfinished, verify
from penstock.release.reconcile import Applied, Live, Loaded, Settled, reconcile
from penstock.testing import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.model.release import Release

FIRST, SECOND = a_release((1, 1, 1), api=1), a_release((2, 1, 3), api=2, config=1)


def shipped() -> Shop:
    shop = Shop()
    assert shop.ship(FIRST)
    return shop


def effects_of(prepare: Callable[[], Shop], act: Callable[[Shop, Faults], bool]) -> list[Fault]:
    faults = Faults()
    assert act(prepare(), faults)
    return faults.points()


def ship_second(shop: Shop, faults: Faults | None = None) -> bool:
    return shop.ship(SECOND, faults)


def ship_first(shop: Shop, faults: Faults | None = None) -> bool:
    return shop.ship(FIRST, faults)


def roll_back(shop: Shop, faults: Faults | None = None) -> bool:
    return shop.run(Live(release=FIRST), faults)


def shipped_twice() -> Shop:
    shop = shipped()
    assert shop.ship(SECOND)
    return shop


@pytest.mark.parametrize(
    ("prepare", "act", "wanted"),
    [(Shop, ship_first, FIRST), (shipped, ship_second, SECOND), (shipped_twice, roll_back, FIRST)],
    ids=["first deploy", "deploy", "rollback"],
)
def test_a_run_killed_at_any_effect_is_finished_by_the_next(
    prepare: Callable[[], Shop], act: Callable[[Shop, Faults | None], bool], wanted: Release
) -> None:
    points = effects_of(prepare, act)
    assert len(points) > 10
    named = {None, content(FIRST), content(SECOND)}
    for point in points:
        shop = prepare()
        assert not act(shop, Faults(point))
        assert shop.serving() in named, f"killed at {point}"
        assert act(shop, None), f"killed at {point}"
        assert shop.serving() == content(wanted), f"killed at {point}"
        assert reconcile(shop.observe(), Live(release=wanted)) == (), f"killed at {point}"
        entries = list(LedgerStore(shop.objects, clock=shop.clock, actor="", run="").entries())
        assert verify(entries) == (), f"killed at {point}"


def test_a_rollback_needs_no_new_version_and_no_new_deployment() -> None:
    shop = shipped_twice()
    faults = Faults()
    assert roll_back(shop, faults)
    methods = {call.method for call in faults.effects()}
    assert methods <= {"put", "put_if_match", "put_if_absent", "set_stage", "set_alias"}
    assert shop.serving() == content(FIRST)


def test_only_what_changed_is_published() -> None:
    shop = shipped()
    shop.events.seen.clear()
    shop.ship(a_release((1, 2, 1), api=1))
    assert [event.function for event in shop.events.of(VersionPublished)] == ["shop-dev-users"]


def test_what_a_killed_run_had_begun_stands_in_the_ledger() -> None:
    shop = shipped()
    faults = Faults()
    ship_second(shipped(), faults)
    published = next(call.effect for call in faults.effects() if call.method == "publish")
    assert published is not None
    ship_second(shop, Faults(Fault(effect=published, when="before")))
    entries = list(LedgerStore(shop.objects, clock=shop.clock, actor="", run="").entries())
    (open_intent,) = unfinished(entries)
    assert open_intent.data["effects"][0]["effect"] == "ensure-version"
    assert open_intent.run == "run-2"
    assert "shop-dev" in json.dumps(open_intent.data)


def test_a_fault_of_aws_is_written_down_and_raised() -> None:
    shop = shipped()
    shop.terraform_applies(SECOND)
    shop.objects.delete(f"artifacts/{SECOND.functions['orders'].artifact}.zip")
    with pytest.raises(NotFound):
        shop.run(Live(release=SECOND, applied=Applied.of(SECOND)))
    entries = list(LedgerStore(shop.objects, clock=shop.clock, actor="", run="").entries())
    assert entries[-1].kind == "fault"
    assert shop.serving() == content(FIRST)


def test_a_version_that_is_not_what_the_release_says_is_not_used() -> None:
    shop = shipped()
    shop.terraform_applies(SECOND)
    shop.functions.configure("shop-dev-orders", timeout=3)
    with pytest.raises(RemoteFault, match="timeout is 3, not 10"):
        shop.run(Live(release=SECOND, applied=Applied.of(SECOND)))
    assert shop.serving() == content(FIRST)


def test_a_release_whose_versions_are_gone_is_refused_before_anything_moves() -> None:
    shop = shipped_twice()
    third = a_release((3, 3, 3), api=1)
    shop.ship(third)
    before = shop.observe()
    for version in shop.functions.versions("shop-dev-orders"):
        if version.code_sha256 == FIRST.functions["orders"].artifact:
            shop.functions.delete_version("shop-dev-orders", version.version)
    with pytest.raises(NotFound, match="version of orders that is gone"):
        shop.run(Live(release=FIRST))
    assert shop.observe().pointer == before.pointer


moves = st.tuples(
    st.sampled_from(["load", "ship", "back", "settle"]),
    st.sampled_from([FIRST, SECOND, a_release((2, 2, 2), api=1), a_release((1, 1, 3), api=2, config=1)]),
    st.one_of(st.none(), st.builds(Fault, effect=st.integers(0, 40), when=st.sampled_from(["before", "after"]))),
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(moves, max_size=6))
def test_any_history_of_commands_and_crashes_ends_where_the_last_one_wanted(
    history: list[tuple[str, Release, Fault | None]],
) -> None:
    shop = Shop()
    named = {None, content(FIRST), content(SECOND)} | {content(release) for _, release, _ in history}
    for verb, release, fault in history:
        faults = Faults(fault)
        if verb == "load":
            shop.terraform_applies(release)
            shop.run(Loaded(release=release, applied=Applied.of(release)), faults)
        elif verb == "ship":
            shop.ship(release, faults)
        elif verb == "settle":
            shop.run(Settled(withdrawn=True), faults)
        else:
            roll_back_if_possible(shop, release, faults)
        assert shop.serving() in named
        assert_the_pointer_tells_the_truth(shop, [FIRST, SECOND, *(release for _, release, _ in history)])
    assert shop.ship(SECOND)
    assert shop.serving() == content(SECOND)
    assert reconcile(shop.observe(), Settled()) == ()


def roll_back_if_possible(shop: Shop, release: Release, faults: Faults) -> None:
    try:
        shop.run(Live(release=release), faults)
    except NotFound:
        return


def assert_the_pointer_tells_the_truth(shop: Shop, releases: list[Release]) -> None:
    """A slot that the pointer says holds a release holds it; it may hold one that the pointer does not know yet."""
    observed = shop.observe()
    known = {release.id: release for release in releases}
    for slot in (observed.pointer.live, observed.pointer.idle):
        claimed = observed.pointer.slot(slot).release
        if claimed is not None:
            for function in known[claimed].functions.values():
                seen = observed.functions[function.physical]
                assert seen.at(slot) == seen.find(function, preferred=slot)


def test_new_code_never_shows_through_an_alias_that_was_on_latest() -> None:
    """Terraform makes functions with all aliases on `$LATEST`; the first load must not put unverified code live."""
    shop = Shop()
    shop.terraform_applies(FIRST)
    assert shop.run(Loaded(release=FIRST, applied=Applied.of(FIRST), offered=False))
    for function in FIRST.functions.values():
        for alias in ("blue", "live"):
            state = shop.functions.get(function.physical, alias)
            assert state is not None
            assert state.code_sha256 != function.artifact
