"""What each unit is built for: AWS's declared runtime, or what this machine can run in the embedded AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from penstock.build.units import units
from penstock.model.artifact import Target
from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.build.units import Unit
    from penstock.model.workspace import Architecture, Workspace
    from penstock.ports import Interpreters

_PYTHONS = range(9, 20)
_NODES = range(18, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What runs functions of a declared runtime on this machine. `program` is None when nothing can."""

    declared: str
    runtime: str
    program: Path | None


def targets(
    workspace: Workspace, interpreters: Interpreters, platform: str = "linux"
) -> tuple[Mapping[str, Target], tuple[str, ...]]:
    """Targets by unit, and one line for each runtime that the machine must replace by another.

    `platform` is that of this machine (`sys.platform`); it counts only in the embedded AWS.
    """
    if not workspace.environment.is_local:
        return {unit.name: _declared(unit) for unit in units(workspace)}, ()
    architecture = cast("Architecture", interpreters.host_architecture())
    choices = {runtime: choose(runtime, interpreters) for runtime in _runtimes(workspace)}
    found = {}
    for unit in units(workspace):
        version = _version(choices[unit.functions[0].runtime].runtime)
        found[unit.name] = Target(language=unit.language, version=version, architecture=architecture, platform=platform)
    notes = tuple(_note(choice) for choice in choices.values() if choice.runtime != choice.declared)
    return found, notes


def choose(runtime: str, interpreters: Interpreters) -> Choice:
    """The interpreter for a declared runtime: that very version, else the nearest one at hand, newer before older.

    The embedded AWS must run functions with this choice, because artifacts are built for it.
    """
    declared = _number(runtime)
    python = runtime.startswith("python")
    versions = sorted(_PYTHONS if python else _NODES, key=lambda version: (abs(version - declared), -version))
    for version in [declared, *versions]:
        name = f"python3.{version}" if python else f"nodejs{version}.x"
        program = interpreters.find(name)
        if program is not None:
            return Choice(declared=runtime, runtime=name, program=program)
    return Choice(declared=runtime, runtime=runtime, program=None)


def _declared(unit: Unit) -> Target:
    function = unit.functions[0]
    return Target(
        language=unit.language, version=_version(function.runtime), architecture=function.architecture, platform="linux"
    )


def _runtimes(workspace: Workspace) -> list[str]:
    return sorted({function.runtime for function in workspace.functions})


def _version(runtime: str) -> str:
    """`3.13` of `python3.13`, `20` of `nodejs20.x`."""
    return runtime.removeprefix("python").removeprefix("nodejs").removesuffix(".x")


def _number(runtime: str) -> int:
    match = re.fullmatch(r"python3\.(\d+)|nodejs(\d+)\.x", runtime)
    if match is None:
        raise UsageError(f"{runtime} is not a runtime that Penstock builds for", hint="python3.13 or nodejs22.x, say")
    return int(match[1] or match[2])


def _note(choice: Choice) -> str:
    hint = "uv python install " + _version(choice.declared) if choice.declared.startswith("python") else "nvm install"
    return f"{choice.declared} is not on this machine: built and run with {choice.runtime} here (to have it: {hint})"
