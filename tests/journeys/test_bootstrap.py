"""`./scripts/deploy.sh` in a clone on a machine that lacks something: what to install, and no half-made environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from journeys.shop import REPOSITORY, Ended

if TYPE_CHECKING:
    from pathlib import Path

BASICS = (
    "bash", "sh", "env", "cat", "cmp", "cp", "dirname", "ls", "mkdir", "mv", "rm", "sed", "git", "uname", "tr", "grep",
)  # fmt: skip
NEEDED = ("python3.11", "node", "npm", "terraform")
OLD_PYTHON = '[ "$1" = -c ] && exit 1; echo "Python 3.8.10"'
OLD_NODE = 'case "$1" in -e) exit 1 ;; *) echo v16.20.2 ;; esac'
OLD_TERRAFORM = """echo '{"terraform_version": "1.9.8", "platform": "linux_amd64"}'"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that git knows, as they are now, in a folder where nothing was ever installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "scripts", "pyproject.toml", "uv.lock", "README.md", "LICENSE", "src", "examples"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.mark.parametrize(
    ("lacking", "old", "told", "install"),
    [
        ("python3.11", None, "no Python ≥ 3.11 on the path", "https://www.python.org/downloads/"),
        ("python3.11", ("python3", OLD_PYTHON), "no Python ≥ 3.11 on the path", "apt install python3"),
        ("node", None, "node is not on the path", "install Node ≥ 20 with npm: https://nodejs.org/en/download"),
        ("node", ("node", OLD_NODE), "node is v16.20.2, older than 20", "install Node ≥ 20 with npm"),
        ("npm", None, "npm is not on the path", "install Node ≥ 20 with npm"),
        ("terraform", None, "no Terraform or OpenTofu ≥ 1.11 on the path", "install Terraform ≥ 1.11 (https://"),
        ("terraform", ("terraform", OLD_TERRAFORM), "(found: terraform 1.9.8)", "install Terraform ≥ 1.11"),
        ("terraform", ("terraform", "exit 126"), "(found: terraform does not run)", "PENSTOCK_TERRAFORM"),
    ],
)
def test_a_machine_that_lacks_a_program_is_told_what_to_install(
    clone: Path, tmp_path: Path, *, lacking: str, old: tuple[str, str] | None, told: str, install: str
) -> None:
    path = machine(tmp_path / "bin", without=lacking)
    if old:
        program(path / old[0], old[1])
    refused = deploy(clone, path)
    assert refused.status == 1, refused
    assert refused.stdout == ""
    first, second = refused.stderr.splitlines()
    assert first.startswith("error: "), refused
    assert told in first, refused
    assert second.startswith("  → "), refused
    assert install in second, refused
    assert not (clone / ".venv").exists()
    assert not (clone / ".tools").exists()


def test_an_environment_that_was_left_half_made_is_completed_by_the_next_run(clone: Path, tmp_path: Path) -> None:
    path = machine(tmp_path / "bin", without="")
    for tool in ("uv", "pnpm"):  # as on the machine of somebody who has them: nothing to fetch but what uv has cached
        link(path, tool)
    (clone / ".venv/bin").mkdir(parents=True)
    program(clone / ".venv/bin/penstock", "exit 3")
    program(clone / ".venv/bin/python", "exit 3")
    done = deploy(clone, path, "--help")
    assert done.status == 0, done
    assert "Usage: penstock deploy" in done.stdout
    assert "penstock is in .venv/bin" in done.stderr
    again = deploy(clone, machine(tmp_path / "less", without="terraform"), "--help")
    assert again.status == 0, "what was checked and has not changed is not checked again"
    assert again.stderr == ""


# ------------------------------------------------------------------------------------------ helpers


def deploy(clone: Path, path: Path, *flags: str) -> Ended:
    argv = (str(clone / "scripts/deploy.sh"), "--environment", "dev", *flags)
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        argv,
        cwd=clone,
        env=kept | {"PATH": str(path), "UV_CACHE_DIR": cache},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Ended(argv=argv, status=ended.returncode, stdout=ended.stdout, stderr=ended.stderr, seconds=0)


def machine(folder: Path, *, without: str) -> Path:
    """A whole PATH that lacks one program."""
    folder.mkdir()
    for name in (*BASICS, *NEEDED):
        if name != without:
            link(folder, name)
    return folder


def link(folder: Path, name: str) -> None:
    found = shutil.which(name)
    if found:
        (folder / name).symlink_to(found)


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
