from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.release.shop import a_release

from penstock.operations.ledger_store import HEAD, LedgerStore
from penstock.operations.store import ReleaseStore
from penstock.release.ledger import Head, follow, head_of, key, verify
from penstock.testing import FakeClock, FakeObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.model.ledger import LedgerEntry


def chain(length: int) -> list[LedgerEntry]:
    head, entries = Head(), []
    for number in range(length):
        entry = follow(head, at="2026-01-01T00:00:00Z", actor="alice", run="r", kind="note", data={"n": number})
        entries.append(entry)
        head = head_of(entry)
    return entries


@given(st.integers(0, 30))
def test_a_chain_that_nobody_touched_holds(length: int) -> None:
    assert verify(chain(length)) == ()


CHANGES: tuple[Callable[[LedgerEntry], LedgerEntry], ...] = (
    lambda entry: replace(entry, actor="mallory"),
    lambda entry: replace(entry, at="2020-01-01T00:00:00Z"),
    lambda entry: replace(entry, data={}),
)


@given(st.integers(0, 18), st.sampled_from(CHANGES))
def test_a_changed_entry_is_found_by_the_one_behind_it(
    index: int, change: Callable[[LedgerEntry], LedgerEntry]
) -> None:
    entries = chain(20)
    entries[index] = change(entries[index])
    assert [found.number for found in verify(entries)] == [index + 2]


@given(st.integers(0, 18))
def test_a_missing_entry_is_found(index: int) -> None:
    entries = chain(20)
    del entries[index]
    (found,) = verify(entries)
    assert (found.number, found.what) == (index + 1, f"missing: {index + 1}")


def test_entries_out_of_order_are_found() -> None:
    first, second, third = chain(3)
    assert verify([first, third, second])


def a_store(objects: FakeObjectStore, run: str = "r") -> LedgerStore:
    return LedgerStore(objects, clock=FakeClock(), actor="alice", run=run)


def test_entries_are_read_back_in_order_and_the_chain_holds() -> None:
    objects = FakeObjectStore()
    ledger = a_store(objects)
    for number in range(12):
        ledger.append("note", {"n": number})
    entries = list(a_store(objects).entries())
    assert [entry.data["n"] for entry in entries] == list(range(12))
    assert verify(entries) == ()
    assert [entry.number for entry in ledger.last(3)] == [10, 11, 12]
    assert [entry.number for entry in a_store(objects).entries(after=10)] == [11, 12]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=40))
def test_writers_that_take_turns_make_one_chain(turns: list[str]) -> None:
    objects = FakeObjectStore()
    writers = {name: a_store(objects, name) for name in "abc"}
    for name in turns:
        writers[name].append("note", {})
    entries = list(a_store(objects).entries())
    assert [entry.run for entry in entries] == turns
    assert verify(entries) == ()


@given(st.integers(0, 25), st.integers(0, 25))
def test_the_end_is_found_from_wherever_it_was_once_written_down(closed: int, more: int) -> None:
    objects = FakeObjectStore()
    ledger = a_store(objects)
    for _ in range(closed):
        ledger.append("note", {})
    ledger.close()
    for _ in range(more):
        ledger.append("note", {})
    assert a_store(objects).append("note", {}).number == closed + more + 1
    assert a_store(objects).survey()[1] == ()


@pytest.mark.parametrize("head", [b"", b"[]", b'{"number": 3}', b'{"number": "many", "digest": ""}'])
def test_a_head_that_says_nothing_costs_time_and_no_entry(head: bytes) -> None:
    objects = FakeObjectStore()
    ledger = a_store(objects)
    for _ in range(5):
        ledger.append("note", {})
    objects.put(HEAD, head)
    assert a_store(objects).append("note", {}).number == 6


@given(st.integers(1, 12), st.integers(0, 3))
def test_an_end_that_was_cut_off_is_found_also_when_the_ledger_went_on(length: int, later: int) -> None:
    whole, _ = a_closed_ledger(12)
    objects = FakeObjectStore()  # another one, because nobody may delete entries, the fake's users neither
    gone = {key(number) for number in range(length, 13)}
    for name in {HEAD, *whole.list("ledger/")} - gone:
        stored = whole.get(name)
        assert stored is not None
        objects.tamper(name, stored.body)
    for _ in range(later):
        a_store(objects).append("note", {})
    missing = "missing: 12" if length == 12 else f"missing: {length} to 12"
    assert [(gap.number, gap.what) for gap in a_store(objects).survey()[1]] == [(length, missing)]


@given(st.integers(1, 12), st.integers(0, 3), st.sampled_from([b"{}", b"no JSON", b"\xff", None]))
def test_an_entry_that_was_written_over_is_found_wherever_it_stands(
    number: int, later: int, garbage: bytes | None
) -> None:
    objects, ledger = a_closed_ledger(12)
    entry = next(entry for entry in ledger.entries() if entry.number == number)
    objects.tamper(key(number), replace(entry, actor="mallory").to_text().encode() if garbage is None else garbage)
    for _ in range(later):
        a_store(objects).append("note", {})
    entries, breaks = a_store(objects).survey()
    assert breaks
    assert {found.number for found in breaks} <= {number, number + 1}
    assert len(entries) == 12 + later - (garbage is not None)


def a_closed_ledger(length: int) -> tuple[FakeObjectStore, LedgerStore]:
    objects = FakeObjectStore()
    ledger = a_store(objects)
    for _ in range(length):
        ledger.append("note", {})
    ledger.close()
    return objects, ledger


def test_a_write_that_met_itself_is_not_written_twice() -> None:
    class Stuttering(FakeObjectStore):
        """The answer to the first write is lost, and the SDK writes again."""

        def put_if_absent(self, key: str, body: bytes) -> str:
            if not self.has(key):
                super().put_if_absent(key, body)
            return super().put_if_absent(key, body)

    objects = Stuttering()
    ledger = a_store(objects)
    ledger.append("note", {"as": ("a", "tuple")})
    ledger.append("note", {})
    assert [name for name in objects.list("ledger/")] == [key(1), key(2)]  # noqa: C416


def test_releases_are_kept_as_they_were_first_written() -> None:
    releases = ReleaseStore(FakeObjectStore())
    release = a_release((1, 2, 3))
    releases.save(release)
    releases.save(replace(release, author="bob"))
    found = releases.require(release.id)
    assert found == release
    assert releases.ids() == (release.id,)
    assert releases.get("000000000000") is None


def test_other_files_beside_releases_are_not_releases() -> None:
    objects = FakeObjectStore()
    objects.put("releases/history.json", b"[]")
    ReleaseStore(objects).save(a_release((1, 1, 1)))
    assert len(ReleaseStore(objects).ids()) == 1
