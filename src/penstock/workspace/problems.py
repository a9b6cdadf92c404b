"""Findings of every check, put in the words and the order that people see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.workspace.findings import Finding
    from penstock.workspace.source import Source
    from penstock.workspace.tree import Tree


def problems_of(source: Source, tree: Tree | None, findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """All problems of a workspace, each once, by file and line."""
    _ = tree
    found = {
        *source.problems,
        *(Problem(file=one.file, line=one.line, what=one.what, hint=one.hint) for one in findings),
    }
    return tuple(sorted(found, key=lambda problem: (problem.file, problem.line or 0, problem.what)))
