"""A `Source` to a `Workspace`: everything in order, all problems in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import UsageError, WorkspaceInvalid
from penstock.workspace import graph
from penstock.workspace.layers import table
from penstock.workspace.resolve import resolve
from penstock.workspace.source import ROOT_FILE, Source
from penstock.workspace.text import parse_toml
from penstock.workspace.tree import plant

if TYPE_CHECKING:
    from penstock.model.workspace import Workspace
    from penstock.workspace.text import Parse
    from penstock.workspace.tree import Tree


def load(source: Source, environment: str, *, sound: bool = False, parse: Parse = parse_toml) -> Workspace:
    """The workspace as it is in one environment.

    `sound`: the caller knows that a source of the same `digest` has loaded before, so that the checks, which take
    most of the time, are not made again. `parse` does what `parse_toml` does.
    Raises WorkspaceInvalid with the problems of all environments, UsageError for an unknown environment.
    """
    tree = sound_tree(source, sound=sound, parse=parse)
    known_environment(tree, environment)
    packages = graph.packages(tree)
    return resolve(tree, environment, packages, graph.reach(tree, packages))


def environments(source: Source, *, sound: bool = False) -> tuple[str, ...]:
    """Names of all environments, in the order of the file. Raises WorkspaceInvalid."""
    return tuple(table(sound_tree(source, sound=sound).root.document, "environments"))


def sound_tree(source: Source, *, sound: bool = False, parse: Parse = parse_toml) -> Tree:
    """The workspace's documents, once they are known to be right. Raises WorkspaceInvalid with all problems."""
    tree, findings = plant(source, parse)
    if sound and tree is not None and not findings and not source.problems:
        return tree
    from penstock.workspace.problems import findings_of, problems_of  # noqa: PLC0415 - pydantic, only when needed

    if tree is not None:
        findings += findings_of(source, tree, partial=bool(findings or source.problems))
    problems = problems_of(source, tree, findings)
    if tree is None or problems:
        raise WorkspaceInvalid(problems)
    return tree


def known_environment(tree: Tree, environment: str) -> None:
    """Raises UsageError when the workspace has no such environment."""
    known = tuple(table(tree.root.document, "environments"))
    if environment not in known:
        raise UsageError(
            f"there is no environment {environment!r}",
            where=ROOT_FILE,
            hint=f"take one of {', '.join(known)}" if known else "add [environments.dev]",
        )
