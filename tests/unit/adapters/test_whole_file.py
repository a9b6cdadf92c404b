"""Small files, read and written whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import fill, small_disk

from penstock.adapters import whole_file

OPEN = Path("/proc/self/fd")


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 4000], ids=["empty", "one byte", "a megabyte"])
def test_what_is_written_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    whole_file.write(path, b"what was there before, and is longer than some")
    whole_file.write(path, content, settled=True)
    assert whole_file.read(path) == path.read_bytes() == content
    assert whole_file.read(str(path)) == content


def test_a_file_without_a_size_is_read_to_its_end() -> None:
    assert whole_file.read("/proc/self/status").startswith(b"Name:")


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        whole_file.read(tmp_path / "missing")
    assert missing.value.filename == str(tmp_path / "missing")
    with pytest.raises(IsADirectoryError) as folder:
        whole_file.read(tmp_path)
    assert folder.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError):
        whole_file.write(tmp_path / "no/folder", b"")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    whole_file.write(tmp_path / "file", b"x")
    before = len(list(OPEN.iterdir()))
    for _ in range(20):
        whole_file.read(tmp_path / "file")
        with pytest.raises(IsADirectoryError):
            whole_file.read(tmp_path)
    assert len(list(OPEN.iterdir())) == before


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        fill(disk)
        with pytest.raises(OSError, match="No space left") as full:
            whole_file.write(disk / "file", b"x" * 100_000)
    assert full.value.filename == str(disk / "file")
