"""Looks at units: the recipe of each, from what was seen before when nothing changed, else from its planner."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from penstock.adapters.builder_node import BUILDER as NODE_BUILDER
from penstock.adapters.builder_node_machine import variables
from penstock.adapters.builder_python import BUILDER as PYTHON_BUILDER
from penstock.adapters.builder_python_parts import PythonPlan
from penstock.adapters.builder_seen import is_as_seen, is_sure
from penstock.build import archive, python
from penstock.model.artifact import Recipe, Target
from penstock.model.errors import BuildFailed, PenstockError
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_looks import Looks
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.builder_node_plan import NodePlanner
    from penstock.adapters.builder_python_plan import PythonPlanner
    from penstock.build.units import Unit
    from penstock.model.artifact import Artifact
    from penstock.model.workspace import Workspace
    from penstock.ports import Clock

_USUAL = BuildOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A unit that was looked at: it can be built, or it is known why not."""

    unit: Unit
    recipe: Recipe
    digest: str
    """The recipe's, which takes a while to compute."""
    plan: PythonPlan | NodePlan
    at: float
    """When the look of which it is part began, in seconds since 1970."""


class Units:
    """Prepares units to be built. What it saw is remembered in `looks`."""

    def __init__(  # noqa: PLR0917 - what it works with
        self,
        files: SourceFiles,
        looks: Looks,
        clock: Clock,
        planners: tuple[PythonPlanner, NodePlanner],
        tools: Callable[[Unit, Target], Mapping[str, str]],
        cache: Path,
        programs: Callable[[Unit, Target], Mapping[str, Path]] = lambda *_: {},
    ) -> None:
        """`tools` gives the versions of what makes the bytes; `cache` is where builds write.

        `programs` tells where those lie that a unit's options ask for.
        """
        self._files = files
        self._looks = looks
        self._clock = clock
        self._pythons, self._nodes = planners
        self._tools = tools
        self._programs = programs
        self._cache = cache

    def begin(self, workspace: Workspace) -> None:
        """See everything anew."""
        self._looks.begin(_scope(workspace))

    def unchanged(self, unit: Unit, target: Target) -> tuple[str, int | None] | None:
        """The recipe's digest and the growth that came of it, when nothing that it comes of has changed since."""
        return self._looks.recipe(*self._key(unit, target))

    def prepare(
        self, workspace: Workspace, selected: Sequence[Unit], targets: Mapping[str, Target]
    ) -> tuple[list[Prepared], dict[str, PenstockError]]:
        """Plans and recipes of these units, and why some have none."""
        prepared = []
        failures: dict[str, PenstockError] = {}
        at = self._clock.now()
        with self._files.one_look():
            for unit in selected:
                try:
                    prepared.append(self._look(unit, targets[unit.name], at, partial(self._plan, workspace, unit)))
                except PenstockError as error:
                    failures[unit.name] = error
                except OSError as error:
                    failures[unit.name] = in_words(error, self._cache)
        return prepared, failures

    def _plan(self, workspace: Workspace, unit: Unit, target: Target) -> PythonPlan | NodePlan:
        if unit.language == "python":
            return self._pythons.plan(unit.service.path, unit.service.build).for_target(target)
        return self._nodes.plan(workspace, unit.service.path, unit.service.build)

    def _plan_again(self, plan: PythonPlan | NodePlan, target: Target) -> PythonPlan | NodePlan:
        return self._pythons.again(plan, target) if isinstance(plan, PythonPlan) else self._nodes.again(plan)

    def _look(
        self, unit: Unit, target: Target, at: float, plan_for: Callable[[Target], PythonPlan | NodePlan]
    ) -> Prepared:
        with self._files.watching() as seen:
            plan = plan_for(target)
            recipe = self._recipe(unit, target, plan)
        return Prepared(unit=unit, recipe=recipe, digest=recipe.digest, plan=replace(plan, seen=seen), at=at)

    def again(self, one: Prepared) -> Prepared:
        """The unit as it is now; the very same object while nobody has written what it is. Several threads may ask.

        What was written and says what it said before counts as well: a program may have read another text meanwhile.
        Raises BuildFailed when something is missing by now.
        """
        is_unwritten = is_as_seen(self._files.root, one.plan.seen)
        if is_unwritten and is_sure(one.plan.seen, one.at):
            return one
        try:
            now = self._look(one.unit, one.recipe.target, self._clock.now(), partial(self._plan_again, one.plan))
        except OSError as error:
            raise in_words(error, self._cache) from error
        return one if is_unwritten and now.digest == one.digest else now

    def _recipe(self, unit: Unit, target: Target, plan: PythonPlan | NodePlan) -> Recipe:
        tools = self._tools(unit, target)
        return Recipe(unit=unit.name, target=target, inputs={**plan.inputs(), **tools, **_of_manifest(unit)})

    def learn(self, prepared: Sequence[Prepared], made: Mapping[str, Artifact], units: Collection[str]) -> None:
        """Keep what was seen for what came of it; nothing of what changed meanwhile."""
        for one in prepared:
            artifact = made.get(one.unit.name)
            if artifact is not None and artifact.recipe == one.digest:
                key = self._key(one.unit, one.recipe.target)
                self._looks.learn(key, one.plan.seen, one.at, one.digest, artifact.delta)
        self._looks.save(units)

    def _key(self, unit: Unit, target: Target) -> tuple[str, str]:
        """Under which name a look at the unit is kept, and what its recipe depends on besides files and the scope."""
        options = unit.service.build
        chosen = "" if options == _USUAL else f"{options!r} {self._programs(unit, target)}"
        return f"{unit.name} {target}", f"{unit.service.path} {target.platform} {_of_manifest(unit)} {chosen}"


def in_words(error: OSError, cache: Path) -> BuildFailed:
    """What to say of a fault of the file system; what a build writes lies below `cache`."""
    # A write that finds no room names no file.
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    where = error.filename or (cache if is_full else "")
    return BuildFailed(error.strerror or str(error), where=str(where), hint="make room" if is_full else "")


def _scope(workspace: Workspace) -> str:
    """What planners depend on besides files and the unit: shared packages, tools, and whose uv is at hand."""
    packages = [(package.name, package.path, package.language) for package in workspace.packages]
    ours = [python.made_by(builder) for builder in (PYTHON_BUILDER, NODE_BUILDER)]
    scripts = [shutil.which("node"), *variables(workspace.build_env).items()]
    return repr([packages, ours, scripts, *archive.tools().items(), sys.prefix, *python.ambient(os.environ).items()])


def _of_manifest(unit: Unit) -> dict[str, str]:
    """What counts of service.toml besides the options: the ways in, and whether more is there at run time."""
    found = {f"handler {function.key}": function.handler for function in unit.functions}
    if unit.language == "python" and any(function.layers for function in unit.functions):
        found["layers"] = "some"  # with them the proof lets imports pass that nothing in the ZIP answers
    return found
