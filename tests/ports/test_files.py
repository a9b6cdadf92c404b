"""The `Files` contract, on its fake and on the real file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.adapters.files import RealFiles
from penstock.model.errors import PenstockError
from penstock.testing.files import FakeFiles

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.ports import Files


@pytest.fixture(params=["fake", "real"])
def files(request: pytest.FixtureRequest) -> Files:
    return FakeFiles() if request.param == "fake" else RealFiles()


def test_what_was_written_is_read_and_nothing_else(files: Files, tmp_path: Path) -> None:
    assert files.read(tmp_path / "a.txt") is None
    assert files.write(tmp_path / "deep" / "a.txt", b"one")
    assert files.read(tmp_path / "deep" / "a.txt") == b"one"


def test_writing_the_same_again_says_so(files: Files, tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"x")
    assert not files.write(tmp_path / "a", b"x")
    assert files.write(tmp_path / "a", b"y")


def test_finding_matches_a_pattern_and_leaves_terraforms_own_folders_out(files: Files, tmp_path: Path) -> None:
    for name in ("main.tf", "note.md", "m/a.tf", "m/.terraform/b.tf"):
        files.write(tmp_path / name, b"")
    assert [path.name for path in files.find(tmp_path, "*.tf")] == ["main.tf"]
    assert [path.name for path in files.find(tmp_path, "**/*.tf")] == ["a.tf", "main.tf"]


def test_a_failed_write_leaves_what_was_there_and_no_rubbish(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"old")
    with pytest.raises(PenstockError) as caught:
        RealFiles().write(blocked / "below.txt", b"new")
    assert caught.value.hint
    assert blocked.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
