"""What git tells about where the code comes from."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock.adapters.commands import RealCommands
from penstock.adapters.git import commit_and_branch, times_of
from penstock.adapters.processes import is_alive

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_work_tree_is_its_commit_on_its_branch(repository: Path) -> None:
    assert commit_and_branch(RealCommands(), repository, {}) == (git(repository, "rev-parse", "HEAD"), "main", False)


def test_the_times_of_commits_are_told_of_those_that_are_here(repository: Path, tmp_path_factory: Any) -> None:
    head = git(repository, "rev-parse", "HEAD")
    asked = {head, "1" * 40, "--all", ""}
    assert times_of(RealCommands(), repository, asked) == {head: float(git(repository, "log", "-1", "--format=%ct"))}
    assert times_of(RealCommands(), tmp_path_factory.mktemp("elsewhere"), asked) == {}


def test_the_times_of_commits_are_told_where_git_also_tells_who_signed_them(repository: Path) -> None:
    gpg = repository / "gpg"
    gpg.write_text('#!/bin/sh\necho "gpg: Good signature" >&2\necho "[GNUPG:] GOODSIG 1 a"\n')
    gpg.chmod(0o755)
    git(repository, "config", "gpg.program", str(gpg))
    git(repository, "config", "log.showSignature", "true")
    plain = git(repository, "cat-file", "commit", "HEAD")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    headers, _, message = plain.partition("\n\n")
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
    text = f"{headers}\n{signature}\n\n{message}\n"
    signed = subprocess.run(command, cwd=repository, input=text, check=True, capture_output=True, text=True).stdout
    assert "Good signature" in git(repository, "log", "-1", signed.strip()), "else this proves nothing"
    assert list(times_of(RealCommands(), repository, {signed.strip()})) == [signed.strip()]


def test_changed_files_make_it_dirty(repository: Path) -> None:
    (repository / "a").write_text("2")
    _, _, dirty = commit_and_branch(RealCommands(), repository, {})
    assert dirty


def test_new_files_make_it_dirty_because_a_build_takes_them(repository: Path) -> None:
    (repository / "extra.py").write_text("1")
    assert commit_and_branch(RealCommands(), repository, {})[2]


def test_new_files_elsewhere_in_the_repository_ignored_ones_and_our_own_do_not(repository: Path) -> None:
    workspace = repository / "workspace"
    (workspace / ".penstock").mkdir(parents=True)
    (workspace / ".gitignore").write_text("*.log\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "a workspace")
    for path in (workspace / ".penstock" / "cache", workspace / "a.log", repository / "extra.py"):
        path.write_text("1")
    assert not commit_and_branch(RealCommands(), workspace, {})[2]


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({"GITHUB_REF_NAME": "release/7", "GITHUB_REF_TYPE": "branch"}, "release/7"),
        ({"GITHUB_REF_NAME": "release/7", "GITHUB_REF_TYPE": "tag"}, ""),
        ({"GITHUB_HEAD_REF": "main"}, ""),
        ({"CI_COMMIT_BRANCH": "main"}, "main"),
    ],
)
def test_a_detached_commit_takes_its_branch_from_ci_but_not_from_a_fork_or_a_tag(
    repository: Path, environ: dict[str, str], branch: str
) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert commit_and_branch(RealCommands(), repository, environ)[1] == branch


def test_outside_a_repository_there_is_nothing_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_and_branch(RealCommands(), tmp_path, {}) == ("", "", False)


def test_a_process_is_alive_until_it_ends_and_a_zombie_is_not() -> None:
    child = subprocess.Popen(["sleep", "30"])
    assert is_alive(child.pid)
    child.kill()
    deadline = time.monotonic() + 5
    while is_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(child.pid), "it is a zombie now: nobody has waited for it"
    child.wait()
    assert not is_alive(child.pid)
    assert is_alive(os.getpid())
