"""ZIPs are a function of what is in them."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.build.archive import ArchiveError, Member, check_name, pack, read, write

COMPONENT = st.text(st.characters(categories=["L", "N"], include_characters="._- "), min_size=1, max_size=12).filter(
    lambda text: text not in {".", ".."} and text.isprintable()
)
NAME = st.lists(COMPONENT, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(NAME, st.tuples(st.binary(max_size=300), st.booleans()), max_size=8)


def zipped(members: list[Member]) -> bytes:
    output = io.BytesIO()
    size = write(members, output)
    assert size == len(output.getvalue())
    return output.getvalue()


def packed(files: dict[str, tuple[bytes, bool]]) -> list[Member]:
    return [pack(name, content, executable=executable) for name, (content, executable) in files.items()]


@given(FILES, st.randoms())
def test_the_order_of_members_does_not_change_a_byte(
    files: dict[str, tuple[bytes, bool]], chance: random.Random
) -> None:
    members = packed(files)
    shuffled = list(members)
    chance.shuffle(shuffled)
    assert zipped(members) == zipped(shuffled)


@given(FILES)
def test_other_programs_read_what_was_written(files: dict[str, tuple[bytes, bool]]) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(packed(files)))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            name: content for name, (content, _) in files.items()
        }


@given(FILES)
def test_members_survive_a_way_through_an_archive_without_being_compressed_again(
    files: dict[str, tuple[bytes, bool]],
) -> None:
    first = zipped(packed(files))
    again = read(first)
    assert {member.name: (member.content(), member.executable) for member in again} == files
    assert zipped(list(again)) == first


BIG = st.dictionaries(NAME, st.tuples(st.sampled_from([0, 10, 70_000, 1_200_000]), st.booleans()), max_size=6)
"""Sizes of contents that cannot be compressed: such as are copied, taken over at once, and more than a piece."""


@given(BIG, FILES)
def test_what_is_taken_over_from_another_archive_gives_the_bytes_of_what_is_packed_anew(
    big: dict[str, tuple[int, bool]], ours: dict[str, tuple[bytes, bool]]
) -> None:
    noise = {size: random.Random(size).randbytes(size) for size, _ in big.values()}  # noqa: S311 - the same each time
    locked = {name: (noise[size], mode) for name, (size, mode) in big.items()}
    taken = [member for member in read(zipped(packed(locked))) if member.name not in ours]
    anew = [member for member in packed(locked) if member.name not in ours]
    assert zipped([*taken, *packed(ours)]) == zipped([*anew, *packed(ours)])


def test_a_member_that_was_made_of_one_of_another_archive_is_not_taken_over_from_there() -> None:
    (member,) = read(zipped([pack("run.sh", b"#!/bin/sh\n")]))
    for other in (replace(member, executable=True), replace(member, name="ran.sh")):
        assert read(zipped([other])) == (other,)


def test_an_archive_whose_headers_disagree_is_none_of_ours() -> None:
    data = bytearray(zipped([pack("app.py", b"x = 1\n" * 50)]))
    data[14] ^= 1  # the checksum, which stands before the file and in the directory
    with pytest.raises(ArchiveError):
        read(bytes(data))


def test_dates_modes_and_extra_fields_say_nothing_of_the_machine() -> None:
    data = zipped([pack("run.sh", b"#!/bin/sh\n", executable=True), pack("app.py", b"x = 1\n" * 50)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        plain, script = archive.infolist()
    assert [(info.date_time, info.extra, info.comment) for info in (plain, script)] == [
        ((1980, 1, 1, 0, 0, 0), b"", b"")
    ] * 2
    assert (plain.external_attr >> 16, script.external_attr >> 16) == (0o100644, 0o100755)
    assert (plain.compress_type, script.compress_type) == (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\\b", "a\0b", "new\nline", "a/./b"]
)
def test_names_that_could_escape_are_refused(name: str) -> None:
    with pytest.raises(ArchiveError):
        check_name(name)
    with pytest.raises(ArchiveError):
        pack(name, b"")


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ArchiveError, match="two files are named 'a'"):
        zipped([pack("a", b"1"), pack("a", b"2")])


@given(FILES.filter(bool), st.data())
def test_an_archive_that_was_cut_short_is_recognised(files: dict[str, tuple[bytes, bool]], data: st.DataObject) -> None:
    whole = zipped(packed(files))
    with pytest.raises(ArchiveError):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])
