"""What a build is sure to refuse, seen in the sources alone: nothing is run, nothing is installed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.adapters.builder_python_install import lock_reader, refuse_stale
from penstock.build import node, node_handlers
from penstock.build.handlers import check_python_handler, python_handler_files
from penstock.model.errors import BuildFailed, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from penstock.adapters.builder_node_plan import NodePlanner
    from penstock.adapters.builder_python_plan import PythonPlanner
    from penstock.build import lockfile
    from penstock.build.units import Unit
    from penstock.model.workspace import Function, Workspace


def problems(
    root: Path, workspace: Workspace, selected: Sequence[Unit], pythons: PythonPlanner, nodes: NodePlanner
) -> Iterator[Problem]:
    """A problem for each lock that does not fit its manifests, and each handler that its file does not define.

    A file that is not among the service's own sources, such as one that its build makes, is not asked about.
    """
    read = lock_reader(root)
    for unit in selected:
        try:
            if unit.language == "python":
                yield from _python(root, unit, pythons, read)
            else:
                yield from _node(root, workspace, unit, nodes)
        except BuildFailed as error:
            yield _problem(error)


def _python(
    root: Path, unit: Unit, pythons: PythonPlanner, read: Callable[[Path], lockfile.Packages]
) -> Iterator[Problem]:
    plan = pythons.plan(unit.service.path, unit.service.build)
    part = plan.service
    try:
        refuse_stale(plan, root, read)
    except BuildFailed as error:
        yield _problem(error)
    for function in unit.functions:
        found = {
            path: part.files[place].read()
            for path in python_handler_files(function.handler)
            for place in (path, f"src/{path}")
            if place in part.files
        }
        if not found:
            continue
        try:
            check_python_handler(function.handler, found, where=part.folder)
        except BuildFailed as error:
            yield _at_handler(root, unit, function, error)


def _node(root: Path, workspace: Workspace, unit: Unit, nodes: NodePlanner) -> Iterator[Problem]:
    plan = nodes.plan(workspace, unit.service.path)
    form = plan.service.manifest.format
    for function in unit.functions:
        try:
            entry = node.entry(function.handler, plan.service.files, form, where=plan.service.folder)
            text = plan.service.files[entry.source].read().decode(errors="replace")
            if not node_handlers.may_export(entry.export, text):
                raise node_handlers.not_exported(entry, where=plan.service.folder)
            node_handlers.check_callable(entry, text, where=plan.service.folder)
        except BuildFailed as error:
            yield _at_handler(root, unit, function, error)


def _at_handler(root: Path, unit: Unit, function: Function, error: BuildFailed) -> Problem:
    manifest = f"{unit.service.path}/service.toml"
    lines = (root / manifest).read_text(errors="replace").splitlines()
    named = re.compile(rf"\bhandler\b.*{re.escape(function.handler)}")
    line = next((number for number, text in enumerate(lines, 1) if named.search(text)), None)
    return Problem(file=manifest, line=line, what=error.what, hint=error.hint)


def _problem(error: BuildFailed) -> Problem:
    file, _, line = error.where.partition(":")
    return Problem(file=file, line=int(line) if line.isdigit() else None, what=error.what, hint=error.hint)
