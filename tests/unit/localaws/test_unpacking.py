"""Code of functions on disk: what did not change is linked, what did is written, and the bytecode follows."""

from __future__ import annotations

import base64
import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from penstock.localaws.unpacking import drop_old, tidy, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIRST = {"app.py": b"x = 1\n", "lib/__init__.py": b"", "lib/big.py": b"y = 2\n" * 50, "data.json": b"{}"}


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }


def test_files_that_did_not_change_are_shared_with_the_version_before(tmp_path: Path) -> None:
    first = unpacked(tmp_path, zipped(FIRST))
    second = unpacked(tmp_path, zipped({**FIRST, "app.py": b"x = 3\n"}))
    assert content(second) == {**FIRST, "app.py": b"x = 3\n"}
    assert content(first) == FIRST
    assert (first / "lib/big.py").samefile(second / "lib/big.py")
    assert not (first / "app.py").samefile(second / "app.py")


def test_a_file_of_the_same_size_and_another_content_is_written_anew(tmp_path: Path) -> None:
    unpacked(tmp_path, zipped(FIRST))
    changed = {**FIRST, "lib/big.py": b"y = 3\n" * 50}
    assert content(unpacked(tmp_path, zipped(changed))) == changed


def test_bytecode_follows_the_files_that_did_not_change(tmp_path: Path) -> None:
    first = unpacked(tmp_path, zipped(FIRST))
    assert compileall.compile_dir(first, quiet=1)
    second = unpacked(tmp_path, zipped({**FIRST, "app.py": b"x = 3\n"}))
    compiled = {file.name.partition(".")[0] for file in second.rglob("*.pyc")}
    assert compiled == {"__init__", "big"}


def test_bytecode_of_another_content_of_the_same_size_is_never_run(tmp_path: Path) -> None:
    first = unpacked(tmp_path, zipped(FIRST))
    assert compileall.compile_dir(first, quiet=1)
    second = unpacked(tmp_path, zipped({**FIRST, "app.py": b"x = 3\n"}))
    shutil.copytree(first / "__pycache__", second / "__pycache__")
    told = subprocess.run(
        [sys.executable, "-c", "import app; print(app.x)"], check=False, cwd=second, capture_output=True, text=True
    )
    assert told.stdout == "3\n", told.stderr


def test_code_is_read_only_as_on_lambda_and_can_be_removed(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, zipped(FIRST))
    assert all(file.stat().st_mode & 0o222 == 0 for file in folder.rglob("*") if file.is_file())
    for number in range(45):
        unpacked(tmp_path, zipped({"app.py": f"x = {number}\n".encode()}))
    tidy(tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 40


def test_old_code_stays_as_long_as_a_version_has_it(tmp_path: Path) -> None:
    zips = [zipped({"app.py": f"x = {number}\n".encode()}) for number in range(45)]
    folders = [unpacked(tmp_path, one) for one in zips]
    for number, folder in enumerate(folders):
        os.utime(tmp_path / f"{folder.name}.json", (number, number))
    drop_old(tmp_path, [base64.b64encode(hashlib.sha256(zips[1]).digest()).decode()])
    assert [folder.exists() for folder in folders[:6]] == [False, True, False, False, False, True]
    assert all(folder.exists() for folder in folders[5:])


def test_a_damaged_index_of_another_folder_costs_time_only(tmp_path: Path) -> None:
    first = unpacked(tmp_path, zipped(FIRST))
    (tmp_path / f"{first.name}.json").write_text("{")
    second = {**FIRST, "app.py": b"x = 3\n"}
    assert content(unpacked(tmp_path, zipped(second))) == second


def test_code_that_another_deploy_drops_meanwhile_is_no_neighbour(tmp_path: Path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")  # named by the folder, gone when it is looked at
    assert content(unpacked(tmp_path, zipped(FIRST))) == FIRST
    drop_old(tmp_path)


def test_a_zip_that_cannot_be_unpacked_leaves_nothing_behind(tmp_path: Path) -> None:
    torn = with_another_end()
    for _ in range(2):
        with pytest.raises(zipfile.BadZipFile):
            unpacked(tmp_path / "code", torn)
    assert list((tmp_path / "code").iterdir()) == []


def with_another_end() -> bytes:
    """A ZIP whose last file is not what its checksum says."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("first.py", b"x = 1")
        archive.writestr("last.py", b"y = 1")
    return buffer.getvalue().replace(b"y = 1", b"y = 2")
