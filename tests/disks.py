"""File systems that are small, full or read-only, root included; skipped where they cannot be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write below the folder, root included."""
    if os.geteuid() != 0:
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
        for path in folders:
            path.chmod(0o555)
        yield
        for path in folders:
            path.chmod(0o755)
        return
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        done = subprocess.run(["mount", *options, str(folder), str(folder)], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"root cannot make a folder read-only here: {done.stderr.decode()}")
    try:
        yield
    finally:
        # Lazily: our own process may still have a file of it mapped.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def no_programs(folder: Path) -> Iterator[None]:
    """Nothing below the folder can be run (`noexec`, as of /home on hardened machines), whatever its mode says."""
    for options in (["--bind"], ["-o", "remount,bind,noexec"]):
        mount = ["mount", *options, str(folder), str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"a folder cannot be mounted noexec here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, spare: int) -> Iterator[Path]:
    """The folder and what is in it on a file system of its own, with `spare` bytes more than that.

    What lay there before is back at the end.
    """
    size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.copytree(folder, aside, symlinks=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size + spare}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        shutil.rmtree(aside)
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield folder
    finally:
        # Lazily: a function's process, orphaned by a kill of the embedded AWS, may need a moment to notice.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int = 0) -> None:
    """Leave `left` bytes free, or not a single one."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        size = 1 << 20
        while size:
            try:
                filler.write(bytes(size))
            except OSError:
                size //= 2
        filler.truncate(max(filler.tell() - left, 0))


def make_room(disk: Path) -> None:
    """Take the filler away."""
    (disk / "filler").unlink()
