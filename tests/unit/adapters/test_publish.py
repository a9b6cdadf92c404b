"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.publish import EVERYBODYS, publish, remember

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_published_through_no_link_and_nothing_is_left_behind(tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "cache"
    other.write_text("somebody's")
    (folder / "a_folder" / "with").mkdir(parents=True)
    (folder / "sound").symlink_to(other)
    publish(folder / "sound", b"known")
    with pytest.raises(OSError, match="irectory"):
        publish(folder / "a_folder", b"cannot take its place")
    remember(folder / "a_folder", b"nor that")
    assert ((folder / "sound").read_text(), other.read_text()) == ("known", "somebody's")
    assert {path.name for path in folder.iterdir()} == {"sound", "a_folder"}


def test_who_reads_on_reads_what_there_was(tmp_path: Path) -> None:
    publish(tmp_path / "new" / "one", b"before", mode=EVERYBODYS, settled=True)
    with (tmp_path / "new" / "one").open() as reader:
        publish(tmp_path / "new" / "one", b"after")
        assert reader.read() == "before"
    assert (tmp_path / "new" / "one").read_bytes() == b"after"


def test_modes_are_those_that_were_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        publish(tmp_path / "ours", b"")
        publish(tmp_path / "everybodys", b"", mode=EVERYBODYS)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "everybodys")]
    assert modes == [0o600, 0o644]


def test_where_nobody_may_write_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "below", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
