"""Where the code comes from, asked of git."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing, UsageError
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from penstock.ports import Commands

HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A commit's whole name."""
CI_BRANCH_VARIABLES = ("GITHUB_REF_NAME", "CI_COMMIT_BRANCH", "BUILDKITE_BRANCH")
"""A CI checkout is a detached commit; the service tells the branch in one of these.

Not GITHUB_HEAD_REF: on a pull request it is the source's branch, which a fork names as it likes.
"""


def commit_and_branch(commands: Commands, root: Path, environ: Mapping[str, str]) -> tuple[str, str, bool]:
    """Commit, branch, and whether files below `root` differ from it; empty strings outside a repository.

    New files count, as a build takes them; not those that git ignores, nor Penstock's own folder, ignored or not.
    One process: `git status --porcelain=v2 --branch` tells all three.
    """
    argv = ("git", "status", "--porcelain=v2", "--branch", "--untracked-files=normal", ".", ":(exclude).penstock")
    try:
        result = commands.run(Command(argv=argv, cwd=root))
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


def times_of(commands: Commands, root: Path, commits: Collection[str]) -> Mapping[str, float]:
    """When commits (hex) were made, in seconds since the epoch, of those that this clone has; nothing without git."""
    asked = sorted(commit for commit in commits if HEX.fullmatch(commit))
    if not asked:
        return {}
    # No `git log`: what people have told it to print, as signatures, is not for us.
    argv = ("git", "rev-list", "--no-walk", "--ignore-missing", "--timestamp", *asked)
    try:
        result = commands.run(Command(argv=argv, cwd=root))
    except ToolMissing:
        return {}
    if result.status != 0:
        return {}
    found = (line.split(" ") for line in result.stdout.splitlines())
    return {commit: float(at) for at, commit in found}


def left_at(commands: Commands, root: Path, ref: str) -> str:
    """The commit (hex) where the branch at hand left `ref`: the last one that both have, `ref` itself when it is older.

    So what others have since added to `ref` is not told as a change of this branch's. Raises UsageError when git does
    not know the commit, or not how the two belong together.
    """
    hint = "name a commit, branch or tag; in CI: git fetch"
    if ref.startswith("-"):  # nothing in git is called so, and its commands would take it for an option
        raise UsageError(f"git cannot compare with {ref}: that is no name of a commit", hint=hint)
    given = commands.run(Command(argv=("git", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"), cwd=root))
    if given.status != 0:
        said = _first_line(given.stderr) or "it knows no such commit here"
        raise UsageError(f"git cannot compare with {ref}: {said}", hint=hint)
    commit = given.stdout.strip()
    common = commands.run(Command(argv=("git", "merge-base", commit, "HEAD"), cwd=root))
    if common.status != 0:
        said = _first_line(common.stderr) or "this branch and it have no commit in common here"
        raise UsageError(
            f"git cannot compare with {ref}: {said}",
            hint="in a clone that is not whole, fetch the rest: git fetch --unshallow (fetch-depth: 0 of the checkout)",
        )
    return common.stdout.split()[0]


def changed_since(commands: Commands, root: Path, commit: str) -> tuple[str, ...]:
    """Files below `root` (POSIX, relative to it) that differ from a commit (hex): edited, new, untracked, deleted.

    A file that was moved counts at both places; of a submodule its folder is told. Raises UsageError when git does not
    know the commit.
    """
    # Whatever somebody's settings say: an untracked file in a submodule is built like others.
    settled = ("git", "-c", "status.showUntrackedFiles=normal", "diff", "--ignore-submodules=none")
    argv = (*settled, "--name-only", "--no-renames", "--relative", "-z", commit, "--", ".")
    differ = commands.run(Command(argv=argv, cwd=root))
    if differ.status != 0:
        raise UsageError(f"git cannot compare with {commit}: {_first_line(differ.stderr) or 'it does not say why'}")
    untracked = commands.run(Command(argv=("git", "ls-files", "--others", "--exclude-standard", "-z"), cwd=root))
    return tuple(sorted({path for path in f"{differ.stdout}{untracked.stdout}".split("\0") if path}))


def text_at(commands: Commands, root: Path, commit: str, path: str) -> str | None:
    """The text that a file below `root` had in a commit (hex); None when it was not there."""
    shown = commands.run(Command(argv=("git", "show", f"{commit}:./{path}"), cwd=root))
    return shown.stdout if shown.status == 0 else None


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def _ci_branch(environ: Mapping[str, str]) -> str:
    if environ.get("GITHUB_REF_TYPE", "branch") != "branch":
        return ""  # a tag may be called like a branch
    return next((environ[name] for name in CI_BRANCH_VARIABLES if environ.get(name)), "")
