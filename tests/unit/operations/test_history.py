"""The history knows where a rollback may go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.operations.history import KEY, History, read_history, to_body
from penstock.testing.store import FakeObjectStore


def history(*releases: str) -> History:
    result = History()
    for release in releases:
        result = result.arrived(release, at="t", by="me")
    return result


def test_a_rollback_goes_to_the_release_before() -> None:
    assert history("a", "b").rollback_target("b") == "a"


def test_a_rollback_never_goes_back_into_a_release_that_was_rolled_back() -> None:
    bad = history("a", "b").rolled_back("b").arrived("a", at="t", by="me")
    assert bad.arrived("c", at="t", by="me").rollback_target("c") == "a"


def test_a_release_that_was_mended_by_promotion_counts_again() -> None:
    again = history("a", "b").rolled_back("b").arrived("a", at="t", by="me").arrived("b", at="t", by="me")
    assert again.bad() == frozenset()


def test_there_is_nothing_to_go_back_to_after_the_first_release() -> None:
    assert history("a").rollback_target("a") is None


def test_promoting_the_live_release_again_adds_nothing() -> None:
    assert history("a", "a") == history("a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_a_rollback_target_is_never_live_and_never_bad(steps: list[tuple[str, bool]]) -> None:
    made = History()
    for release, rolled_back in steps:
        made = made.arrived(release, at="t", by="me")
        if rolled_back:
            made = made.rolled_back(release)
    live = made.latest.release if made.latest else None
    target = made.rollback_target(live)
    assert target is None or (target != live and target not in made.bad())


def test_a_history_survives_the_bucket() -> None:
    store = FakeObjectStore()
    store.create()
    store.put(KEY, to_body(history("a", "b").rolled_back("b")))
    assert read_history(store) == history("a", "b").rolled_back("b")
