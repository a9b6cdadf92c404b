"""Where the code comes from, asked of git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing, UsageError
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.ports import Commands

CI_BRANCH_VARIABLES = ("GITHUB_REF_NAME", "CI_COMMIT_BRANCH", "BUILDKITE_BRANCH")
"""A CI checkout is a detached commit; the service tells the branch in one of these.

Not GITHUB_HEAD_REF: on a pull request it is the source's branch, which a fork names as it likes.
"""


def commit_and_branch(commands: Commands, root: Path, environ: Mapping[str, str]) -> tuple[str, str, bool]:
    """Commit, branch, and whether the work tree differs from it; empty strings outside a repository.

    One process: `git status --porcelain=v2 --branch` tells all three.
    """
    try:
        result = commands.run(
            Command(argv=("git", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "."), cwd=root)
        )
    except ToolMissing:
        return "", "", False
    if result.status != 0:
        return "", "", False
    lines = result.stdout.splitlines()
    head = {line.split(" ")[1]: line.split(" ", 2)[2] for line in lines if line.startswith("# branch.")}
    commit = head.get("branch.oid", "")
    branch = head.get("branch.head", "")
    if branch == "(detached)":
        branch = _ci_branch(environ)
    return ("" if commit == "(initial)" else commit), branch, any(not line.startswith("#") for line in lines)


def changed_since(commands: Commands, root: Path, ref: str) -> tuple[str, ...]:
    """Files below `root` (POSIX, relative to it) that differ from a commit: edited, new, untracked, deleted.

    Raises UsageError when git does not know the commit.
    """
    differ = commands.run(
        Command(argv=("git", "diff", "--name-only", "--no-renames", "--relative", "-z", ref, "--", "."), cwd=root)
    )
    if differ.status != 0:
        said = (differ.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise UsageError(
            f"git cannot compare with {ref}: {said}", hint="name a commit, branch or tag; in CI: git fetch"
        )
    untracked = commands.run(Command(argv=("git", "ls-files", "--others", "--exclude-standard", "-z"), cwd=root))
    return tuple(sorted({path for path in f"{differ.stdout}{untracked.stdout}".split("\0") if path}))


def text_at(commands: Commands, root: Path, ref: str, path: str) -> str | None:
    """The text that a file below `root` had in a commit; None when it was not there."""
    shown = commands.run(Command(argv=("git", "show", f"{ref}:./{path}"), cwd=root))
    return shown.stdout if shown.status == 0 else None


def _ci_branch(environ: Mapping[str, str]) -> str:
    if environ.get("GITHUB_REF_TYPE", "branch") != "branch":
        return ""  # a tag may be called like a branch
    return next((environ[name] for name in CI_BRANCH_VARIABLES if environ.get(name)), "")
