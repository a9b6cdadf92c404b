"""Where the code comes from, asked of git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing
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


def _ci_branch(environ: Mapping[str, str]) -> str:
    if environ.get("GITHUB_REF_TYPE", "branch") != "branch":
        return ""  # a tag may be called like a branch
    return next((environ[name] for name in CI_BRANCH_VARIABLES if environ.get(name)), "")
