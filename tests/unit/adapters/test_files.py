"""What is ours in a workspace is not for committing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from penstock.adapters.files import keep_out_of_git

if TYPE_CHECKING:
    from pathlib import Path


def test_git_sees_nothing_of_our_folder(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for _ in range(2):
        keep_out_of_git(tmp_path / ".penstock")
    (tmp_path / ".penstock" / "key.pem").write_text("")
    told = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert told.stdout == ""


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep_out_of_git(tmp_path / "file" / ".penstock")
