"""The files of an installation: what may be shipped, each read once, with its mode."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from disks import no_programs

from penstock.adapters.builder_python_installed import Installed
from penstock.build import archive
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path


def put(site: Path, name: str, content: bytes = b"x = 1\n", mode: int = 0o644) -> None:
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def test_every_file_is_packed_once_with_its_content_and_mode(tmp_path: Path) -> None:
    wanted = {f"package/inner/m{number:03}.py": b"x = 1\n" * number for number in range(50)}
    for name, content in wanted.items():
        put(tmp_path, name, content)
    put(tmp_path, "package/tool.sh", b"#!/bin/sh\n", 0o755)
    installed = Installed(tmp_path)
    read = {name: installed.read(name) for name in list(wanted)[:10]}
    assert read == {name: wanted[name] for name in read}
    packed = installed.packed(list(installed.files), archive.pack)
    members = {one.name: one for one in packed}
    assert len(packed) == len(members)
    assert {name: members[name].content() for name in wanted} == wanted
    assert {name for name, one in members.items() if one.executable} == {"package/tool.sh"}
    assert members.keys() == {*wanted, "package/tool.sh"}


def test_a_file_that_was_read_is_not_opened_again(tmp_path: Path) -> None:
    put(tmp_path, "a.py", b"first")
    installed = Installed(tmp_path)
    assert installed.read("a.py") == b"first"
    put(tmp_path, "a.py", b"second")
    assert installed.take("a.py") == b"first"
    assert installed.take("a.py") == b"second", "what was taken is not kept"


def test_a_file_system_that_runs_nothing_changes_no_mode(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    with no_programs(folder):
        put(folder, "a.so", mode=0o755)
        put(folder, "b.so")
        installed = Installed(folder)
        found = {one.name: one.executable for one in installed.packed(["a.so", "b.so"], archive.pack)}
    assert found == {"a.so": True, "b.so": False}


def test_links_inside_are_followed_and_links_out_are_refused(tmp_path: Path) -> None:
    site = tmp_path / "site"
    put(site, "package/a.py", b"here")
    (site / "package/b.py").symlink_to("a.py")
    (site / "again").symlink_to("package")
    assert sorted(Installed(site).files) == ["package/a.py", "package/b.py"]
    assert Installed(site).take("package/b.py") == b"here"
    (site / "out").symlink_to(tmp_path)
    with pytest.raises(BuildFailed, match="symbolic link out of itself, out"):
        Installed(site)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "package/a.py")
    os.mkfifo(tmp_path / "package/pipe")
    with pytest.raises(BuildFailed, match="package/pipe, which is no file"):
        Installed(tmp_path)
    (tmp_path / "package/pipe").unlink()
    (tmp_path / "package/pipe").symlink_to("pipe")
    with pytest.raises(BuildFailed, match="package/pipe, which is no file"):
        Installed(tmp_path)
