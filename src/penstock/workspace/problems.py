"""Findings of every check, put in the words, the places and the order that people see."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from penstock.model.errors import Problem
from penstock.workspace.checks import environments, functions, gates, packages, physical, references, rollouts, routes
from penstock.workspace.checks.copies import copies
from penstock.workspace.checks.scene import Scene
from penstock.workspace.findings import on_one_line
from penstock.workspace.lines import line_of, locate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.workspace.findings import Finding, KeyPath
    from penstock.workspace.source import Source
    from penstock.workspace.tree import Tree

MAX_PROBLEMS = 200
"""Shown at once; nobody reads more."""

_CHECKS = (
    environments.check,
    rollouts.check,
    gates.check,
    physical.check,
    functions.check,
    routes.check,
    references.check,
    packages.check,
)


def findings_of(source: Source, tree: Tree, *, partial: bool) -> list[Finding]:
    """What is wrong with documents that could be read: first their shape, then what is left of them.

    `partial`: some manifest could not be read, so that nothing may be called missing.
    """
    from penstock.workspace.shape import check_shape  # noqa: PLC0415 - pydantic takes longer than everything else here

    found, root_document = check_shape("root", tree.root.file, tree.root.document)
    services = []
    for service in tree.services:
        more, document = check_shape("service", service.manifest.file, service.manifest.document)
        found += more
        services.append(dataclasses.replace(service, manifest=dataclasses.replace(service.manifest, document=document)))
    broken: frozenset[tuple[str, KeyPath]] = frozenset((one.file, one.path) for one in found)
    repeated = copies(services)
    found += repeated.values()
    own = tuple(service for service in services if service.path not in repeated)
    whole = dataclasses.replace(tree, root=dataclasses.replace(tree.root, document=root_document), services=own)
    scene = Scene(source, whole, broken, partial or bool(repeated))
    for check in _CHECKS:
        found += check(scene)
    return found


def problems_of(source: Source, tree: Tree | None, findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """Findings with their lines, each once, by file and line, at most `MAX_PROBLEMS`."""
    texts = (
        {one.file: one.text for one in (tree.root, *(service.manifest for service in tree.services))} if tree else {}
    )
    lines: dict[str, dict[KeyPath, int]] = {}
    found = set(source.problems)
    for one in findings:
        line = one.line
        if line is None and one.path and one.file in texts:
            if one.file not in lines:
                lines[one.file] = locate(texts[one.file])
            line = line_of(lines[one.file], one.path)
        found.add(Problem(file=one.file, line=line, what=one.what, hint=one.hint))
    printable = {
        dataclasses.replace(one, file=on_one_line(one.file), what=on_one_line(one.what), hint=on_one_line(one.hint))
        for one in found
    }
    ordered = sorted(printable, key=lambda problem: (problem.file, problem.line or 0, problem.what, problem.hint))
    if len(ordered) > MAX_PROBLEMS:
        rest = len(ordered) - MAX_PROBLEMS
        more = Problem(file=ordered[MAX_PROBLEMS].file, what=f"and {rest} further problems", hint="correct these first")
        return (*ordered[:MAX_PROBLEMS], more)
    return tuple(ordered)
