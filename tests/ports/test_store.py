from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.aws.store import bucket_policy
from penstock.model.errors import Conflict, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from ports.places import Place


def test_a_bucket_is_created_once_and_creating_it_again_is_fine(place: Place) -> None:
    objects = place.fresh_store()
    assert not objects.exists()
    objects.create()
    objects.create()
    assert objects.exists()
    objects.put("a", b"1")
    objects.create()
    assert objects.has("a")


def test_what_was_put_is_got(place: Place, name: str) -> None:
    etag = place.objects.put(f"{name}/a", b"one")
    found = place.objects.get(f"{name}/a")
    assert found is not None
    assert (found.body, found.etag) == (b"one", etag)
    assert place.objects.has(f"{name}/a")


def test_an_object_has_an_age_and_an_answer_its_time_by_the_clock_of_the_store(place: Place, name: str) -> None:
    place.objects.put(f"{name}/a", b"one")
    found = place.objects.get(f"{name}/a")
    assert found is not None
    assert found.age is not None
    assert 0 <= found.age < 3600
    assert found.at is not None
    assert abs(time.time() - found.at) < 3600


def test_what_is_not_there_is_none_and_deleting_it_is_fine(place: Place, name: str) -> None:
    assert place.objects.get(f"{name}/no") is None
    assert not place.objects.has(f"{name}/no")
    place.objects.delete(f"{name}/no")


def test_what_is_erased_is_gone_with_all_that_it_was_and_its_neighbours_stay(place: Place, name: str) -> None:
    for key in ("a", "a", "ab"):
        place.objects.put(f"{name}/{key}", b"one")
    place.objects.delete(f"{name}/a")
    place.objects.put(f"{name}/a", b"another")
    place.objects.erase(f"{name}/a")
    place.objects.erase(f"{name}/a")
    assert list(place.objects.list(name)) == [f"{name}/ab"]
    assert place.versions(f"{name}/a") == 0


def test_keys_are_listed_by_prefix_in_order(place: Place, name: str) -> None:
    for key in ("b", "a/2", "a/1"):
        place.objects.put(f"{name}/{key}", b"")
    assert list(place.objects.list(f"{name}/")) == [f"{name}/a/1", f"{name}/a/2", f"{name}/b"]
    assert list(place.objects.list(f"{name}/a/")) == [f"{name}/a/1", f"{name}/a/2"]
    place.objects.delete(f"{name}/b")
    assert list(place.objects.list(f"{name}/b")) == []


def test_of_two_who_write_if_absent_one_wins(place: Place, name: str) -> None:
    place.objects.put_if_absent(f"{name}/a", b"one")
    with pytest.raises(Conflict):
        place.objects.put_if_absent(f"{name}/a", b"two")
    found = place.objects.get(f"{name}/a")
    assert found is not None
    assert found.body == b"one"


def test_a_write_over_what_was_read_succeeds_once(place: Place, name: str) -> None:
    first = place.objects.put(f"{name}/a", b"one")
    second = place.objects.put_if_match(f"{name}/a", b"two", first)
    with pytest.raises(Conflict):
        place.objects.put_if_match(f"{name}/a", b"three", first)
    place.objects.put_if_match(f"{name}/a", b"three", second)


def test_a_write_over_what_is_gone_is_a_conflict(place: Place, name: str) -> None:
    etag = place.objects.put(f"{name}/a", b"one")
    place.objects.delete(f"{name}/a")
    with pytest.raises(Conflict):
        place.objects.put_if_match(f"{name}/a", b"two", etag)


def test_of_many_at_once_exactly_one_wins(place: Place, name: str) -> None:
    won: list[int] = []

    def write(number: int) -> None:
        try:
            place.objects.put_if_absent(f"{name}/race", str(number).encode())
        except Conflict:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = place.objects.get(f"{name}/race")
    assert found is not None
    assert [found.body] == [str(number).encode() for number in won]


def test_files_go_up_and_come_down(place: Place, name: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    (tmp_path / "up").write_bytes(content)
    place.objects.upload(f"{name}/file", tmp_path / "up")
    place.objects.download(f"{name}/file", tmp_path / "folder" / "down")
    assert (tmp_path / "folder" / "down").read_bytes() == content


def test_no_more_is_read_than_is_asked_for(place: Place, name: str, tmp_path: Path) -> None:
    place.objects.put(f"{name}/big", bytes(3 << 20))
    found = place.objects.get(f"{name}/big", at_most=5)
    assert found is not None
    assert (found.body, len(place.objects.get(f"{name}/big").body)) == (bytes(5), 3 << 20)  # type: ignore[union-attr]
    for at_most, size in ((7, 7), ((1 << 20) + 1, (1 << 20) + 1), (4 << 20, 3 << 20), (None, 3 << 20)):
        place.objects.download(f"{name}/big", tmp_path / "down", at_most=at_most)
        assert (tmp_path / "down").stat().st_size == size


def test_a_download_of_nothing_leaves_nothing(place: Place, name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        place.objects.download(f"{name}/no", tmp_path / "folder" / "down")
    assert not (tmp_path / "folder" / "down").exists()


def test_history_cannot_be_deleted_or_written_over_and_nothing_travels_in_the_clear() -> None:
    rules = {one["Sid"]: one for one in json.loads(bucket_policy("b", tls_only=True))["Statement"]}
    kept, first, closed = (rules[name] for name in ("HistoryIsNeverDeleted", "HistoryIsNeverWrittenOver", "TlsOnly"))
    assert {rule["Effect"] for rule in rules.values()} == {"Deny"}
    assert kept["Action"] == ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    assert kept["Resource"] == first["Resource"] == "arn:aws:s3:::b/ledger/*"
    assert (first["Action"], first["Condition"]) == ("s3:PutObject", {"Null": {"s3:if-none-match": "true"}})
    assert "aws:SecureTransport" in str(closed["Condition"])
    assert "aws:SecureTransport" not in bucket_policy("b", tls_only=False)
