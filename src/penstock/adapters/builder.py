"""The `Builds` port: recipes, then artifacts, from the cache or made in parallel.

    Workspace ─ units ─▶ seen like this before? ─ yes ──▶ Recipe's digest ─▶ cache? ─▶ Artifact
                                   └ no ─▶ plan (what there is) ─▶ Recipe ┘      └ no ─▶ members ─▶ checks ─▶ ZIP ┘

Each language has a builder of its own with the same three steps: `tools`, `plan`, `build`.
"""

from __future__ import annotations

import contextlib
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters import builder_check as check
from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.builder_history import History
from penstock.adapters.builder_links import with_links
from penstock.adapters.builder_looks import Looks
from penstock.adapters.builder_make import Maker
from penstock.adapters.builder_node import NodeBuilder
from penstock.adapters.builder_node_machine import Machine
from penstock.adapters.builder_node_parts import NodePlan
from penstock.adapters.builder_node_plan import NodePlanner
from penstock.adapters.builder_python import PythonBuilder
from penstock.adapters.builder_python_plan import PythonPlanner
from penstock.adapters.builder_room import LIMIT, Freed, Room, is_short, make_room, room
from penstock.adapters.builder_sbom import SbomReader
from penstock.adapters.builder_units import Units
from penstock.adapters.node_tools import NodeTools
from penstock.build import archive, changes, python
from penstock.build.ignore import ENVIRONMENTS, left_out_note
from penstock.build.limits import layers_note
from penstock.build.remedies import remedy
from penstock.build.units import Unit, select
from penstock.build.units import units as units_of
from penstock.build.weight import Weight, tree
from penstock.model.artifact import Artifact, Recipe, Target
from penstock.model.errors import BuildFailed, BuildsFailed, Failure, PenstockError, merged
from penstock.model.events import ArtifactReady, Note, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from penstock.adapters.builder_cache import Entry
    from penstock.adapters.builder_make import Elsewhere
    from penstock.adapters.builder_python_parts import Part, PythonPlan
    from penstock.adapters.builder_units import Prepared
    from penstock.build.changes import Reason
    from penstock.model.errors import Problem
    from penstock.model.workspace import Workspace
    from penstock.ports import Clock, Commands, EventSink, Interpreters


class Builder:
    """Makes artifacts of a workspace in `root`, kept in `cache`."""

    def __init__(
        self,
        root: Path,
        commands: Commands,
        cache: Path,
        events: EventSink,
        clock: Clock,
        *,
        interpreters: Interpreters | None = None,
        elsewhere: Callable[[], Elsewhere | None] = lambda: None,
    ) -> None:
        """`interpreters` lets syntax that is newer than this Python be checked by the target's own.

        `elsewhere` is asked for what the cache does not have, and made when that is first the case.
        """
        self._elsewhere = elsewhere
        self._events = events
        self._clock = clock
        self._files = SourceFiles(root, cache / "v1" / "files.json", clock)
        self._cache = ZipCache(cache, self._files)
        self._looks = Looks(root, self._cache, clock)
        self._history = History(self._cache, self._files)
        self._pythons = PythonPlanner(root, self._files)
        self._python = PythonBuilder(
            root, commands, self._cache, self._files, self._pythons, interpreters=interpreters, events=events
        )
        self._nodes = NodePlanner(root, self._files, Machine(root, commands, self._files))
        tools = NodeTools(root, commands, self._cache, events, clock)
        self._node = NodeBuilder(root, commands, self._cache, self._files, tools, self._nodes)
        planners, kept_in = (self._pythons, self._nodes), self._cache.folder
        self._units = Units(self._files, self._looks, clock, planners, self._tools, kept_in, self._programs)
        sboms = SbomReader(root, self._cache, self._files, self._python.chosen)
        both = (self._python, self._node)
        self._maker = Maker(self._cache, commands, events, clock, both, sboms, self._made, self._units)

    def recipes(self, workspace: Workspace, targets: Mapping[str, Target]) -> Mapping[str, Recipe]:
        """The recipe of every unit, from the files as they are now. Raises BuildFailed with all that is missing."""
        prepared, failures = self._units.prepare(workspace, units_of(workspace), targets)
        self._files.save()
        _raise(failures, len(prepared) + len(failures))
        return {one.unit.name: one.recipe for one in prepared}

    def build(
        self, workspace: Workspace, units: Sequence[str] | None, targets: Mapping[str, Target]
    ) -> tuple[Artifact, ...]:
        """Artifacts of these units or services (all: None), sorted by unit.

        A unit that fails does not stop the others. Raises BuildFailed with everything that failed.
        """
        began = self._clock.monotonic()
        self._python.begin()
        self._node.packages.begin()
        available = units_of(workspace)
        self._units.begin(workspace)
        found: dict[str, Artifact] = {}
        changed = []
        for unit in select(available, units):
            artifact = self._unchanged(unit, targets[unit.name], began)
            if artifact is None:
                changed.append(unit)
            else:
                found[unit.name] = artifact
        prepared, failures = self._units.prepare(workspace, changed, targets)
        missing = []
        for one in prepared:
            entry = self._sound(one.digest)
            checked = _checked(one)
            if entry is None or (checked and self._cache.note("checked", checked) is None):
                missing.append(one)
            else:
                found[one.unit.name] = self._ready(one, entry, cached=True, seconds=self._clock.monotonic() - began)
        made, further = self._maker.make(missing, self._elsewhere)
        self._units.learn(prepared, found | made, {unit.name for unit in available})
        self._files.save()
        if made and is_short(self._cache.folder):
            with contextlib.suppress(OSError):
                self.make_room()
        _raise(failures | further, len(found) + len(missing) + len(failures), found | made)
        return tuple((found | made)[name] for name in sorted(found | made))

    def problems(self, workspace: Workspace) -> tuple[Problem, ...]:
        """What a build is sure to refuse, from the sources alone: locks that miss a service, handlers that are not."""
        selected = units_of(workspace)
        found = tuple(check.problems(self._files.root, workspace, selected, self._pythons, self._nodes))
        self._files.save()
        return tuple(sorted(set(found), key=lambda one: (one.file, one.line or 0, one.what)))

    def build_packages(self, workspace: Workspace, names: Collection[str] | None = None) -> tuple[str, ...]:
        """Build these shared packages (all: None), each after those it depends on; names of those not up to date.

        A TypeScript package runs its own `build` script, when it has one; a Python package is made by its build
        backend and checked for syntax. Services need no such step before them: they do the same by themselves.
        Raises BuildFailed with everything that failed.
        """
        self._python.begin()
        self._node.packages.begin()
        made = []
        failures: dict[str, PenstockError] = {}
        self._python.expect(self._python_parts(workspace, names))
        parts = self._packages(workspace, failures)
        for name, make in parts.items():
            if names is not None and name not in names:
                continue
            began = self._clock.monotonic()
            step = f"build package {name}"
            self._events.emit(StepStarted(step=step))
            try:
                fresh = make()
            except PenstockError as error:
                failures[name] = error
                self._events.emit(StepFinished(step=step, seconds=self._clock.monotonic() - began, failed=True))
                continue
            seconds = self._clock.monotonic() - began
            detail = "" if fresh else "up to date"
            self._events.emit(
                StepFinished(step=step, seconds=seconds, detail=detail, skipped=not fresh, inner=not fresh)
            )
            made += [name] if fresh else []
        self._files.save()
        _raise(failures, len(workspace.packages))
        return tuple(made)

    def why(self, workspace: Workspace, names: Sequence[str], targets: Mapping[str, Target]) -> tuple[Reason, ...]:
        """Which inputs of these units or services changed since they were last built here."""
        prepared, failures = self._units.prepare(workspace, select(units_of(workspace), names), targets)
        self._files.save()
        _raise(failures, len(prepared) + len(failures))
        return tuple(self._history.reason(one.recipe, one.digest, partial(self._locked, one.plan)) for one in prepared)

    def affected(
        self, workspace: Workspace, changed: Collection[str], before: Callable[[str], str | None]
    ) -> Mapping[str, tuple[str, ...]]:
        """Services that these files (POSIX paths in the workspace) touch, each with those files; builds nothing.

        `before` gives the text that a file had. Raises BuildFailed with all that is missing.
        """
        reaches, failures, plans = [], {}, {}
        for service in workspace.services:
            try:
                plan: PythonPlan | NodePlan
                if service.language == "python":
                    plan = self._pythons.plan(service.path, service.build)
                    reach = self._pythons.reach(plan, service.name)
                else:
                    plan = plans[service.name] = self._nodes.plan(workspace, service.path, service.build)
                    reach = self._nodes.reach(plan, service.name)
                reaches.append(with_links(reach, (plan.service, *plan.packages), self._files.root))
            except PenstockError as error:
                failures[service.name] = error
        self._files.save()
        _raise(failures, len(workspace.services))
        folders = {service.name: service for service in workspace.services}
        text_before = cache(before)

        def lock_before(reach: changes.Reach, path: str) -> str | None:
            service, text = folders[reach.service], text_before(path)
            if text is None:
                return None
            if service.language == "node":
                return self._nodes.lock_part(plans[service.name], text)
            return self._pythons.lock_part(service.path, service.build, path, text)

        return changes.affected(reaches, changed, lock_before)

    def weigh(self, artifact: Artifact, depth: int) -> tuple[Weight, ...]:
        """What weighs what in an artifact that was built here, so many folders deep."""
        return tree(archive.read(Path(artifact.path).read_bytes()), depth=depth)

    def room(self) -> Room:
        """What the cache holds."""
        return room(self._cache.folder)

    def make_room(self, limit: int | None = None) -> Freed:
        """Delete what was used least recently until `limit` bytes are left."""
        return make_room(self._cache.folder, self._clock.now(), limit=LIMIT if limit is None else limit)

    def forget(self) -> None:
        """Forget every cached result, so that the next build starts from nothing."""
        self._cache.forget()
        self._looks.forget()
        self._elsewhere = lambda: None

    def _packages(self, workspace: Workspace, failures: dict[str, PenstockError]) -> Mapping[str, Callable[[], bool]]:
        """How to build each shared package; each says whether there was something to do."""
        found: dict[str, Callable[[], bool]] = {}
        for package in workspace.packages:
            if package.language == "python":
                found[package.name] = partial(self._build_python_package, package.path, package.name)
        try:
            found |= self._node.packages.package_builds(workspace)
        except PenstockError as error:
            failures["packages"] = error
        return found

    def _python_parts(self, workspace: Workspace, names: Collection[str] | None) -> Iterator[Part]:
        """Shared packages; one that cannot be looked at says so when it is its turn."""
        for package in workspace.packages:
            if package.language == "python" and (names is None or package.name in names):
                with contextlib.suppress(PenstockError):
                    yield self._pythons.part(package.path, package.name)

    def _build_python_package(self, folder: str, name: str) -> bool:
        part = self._pythons.part(folder, name)
        fresh = not self._python.has_package(part)
        if fresh:
            self._python.check_syntax(part)
            self._python.package(part)
        return fresh

    def _locked(self, plan: PythonPlan | NodePlan, lock: str) -> Mapping[str, str]:
        """Versions by name of what a plan reaches in the lock with that digest, if it is one that counts whole."""
        if not isinstance(plan, NodePlan):
            return {}
        text = self._files.text(plan.top / plan.lock_name) if lock == plan.lock else self._history.lock(lock)
        return self._nodes.locked(plan, text or "")

    def _tools(self, unit: Unit, target: Target) -> Mapping[str, str]:
        if unit.language != "python":
            return self._node.tools()
        return self._python.tools() | self._python.finishers(unit.service.build, target)

    def _programs(self, unit: Unit, target: Target) -> Mapping[str, Path]:
        return self._python.programs(unit.service.build, target) if unit.language == "python" else {}

    def _unchanged(self, unit: Unit, target: Target, began: float) -> Artifact | None:
        """The unit's artifact, when nothing that its recipe comes of has changed since it was looked at."""
        known = self._units.unchanged(unit, target)
        if known is None:
            return None
        recipe, delta = known
        entry = self._looks.entry(recipe) or self._sound(recipe)
        if entry is None:
            return None
        seconds = self._clock.monotonic() - began
        return self._tell(unit, target, recipe, entry, cached=True, seconds=seconds, delta=delta)

    def _sound(self, recipe: str) -> Entry | None:
        """The artifact of a recipe's digest, checked, or None."""
        entry = self._cache.get("artifact", recipe)
        if entry is None:
            return None
        found = self._looks.lies(entry.digest)
        try:
            sound = self._files.digest(entry.path) == entry.digest and self._cache.has_sbom(entry.digest)
        except OSError:
            return None
        if not sound:
            return None
        self._looks.learn_entry(recipe, entry, found)
        return entry

    def _made(self, one: Prepared, entry: Entry, *, cached: bool, seconds: float) -> Artifact:
        """The same of one that was made or fetched now: what is checked besides has been, or was by whoever made it."""
        if checked := _checked(one):
            with contextlib.suppress(BuildFailed):  # a cache that cannot be written: they are checked once more
                self._cache.keep_note("checked", checked, {"recipe": one.digest})
        return self._ready(one, entry, cached=cached, seconds=seconds)

    def _ready(self, one: Prepared, entry: Entry, *, cached: bool, seconds: float) -> Artifact:
        delta = self._history.remember(one.recipe, one.digest, entry)
        if isinstance(one.plan, NodePlan) and one.plan.lock:
            self._history.keep_lock(one.plan.top / one.plan.lock_name, one.plan.lock)
        return self._tell(one.unit, one.recipe.target, one.digest, entry, cached=cached, seconds=seconds, delta=delta)

    def _tell(
        self, unit: Unit, target: Target, recipe: str, entry: Entry, *, cached: bool, seconds: float, delta: int | None
    ) -> Artifact:
        artifact = Artifact(
            unit=unit.name,
            digest=entry.digest,
            recipe=recipe,
            target=target,
            size=entry.size,
            unzipped=entry.unzipped,
            path=entry.place,
            sbom=self._cache.place(entry.digest, ".cdx.json"),
            functions=tuple(function.key for function in unit.functions),
            cached=cached,
            seconds=seconds,
            delta=delta,
        )
        layers = {layer for function in unit.functions for layer in function.layers}
        if note := layers_note(unit.name, entry.unzipped, layers, fresh=not cached):
            self._events.emit(Note(text=note, level="warning"))
        for beside in (f"{unit.service.path}/{name}" for name in ENVIRONMENTS if not cached):
            if self._files.has(beside):
                self._events.emit(Note(text=left_out_note(unit.name, beside)))
        event = ArtifactReady(
            unit=artifact.unit,
            digest=artifact.digest,
            size=artifact.size,
            cached=cached,
            seconds=seconds,
            sbom=artifact.sbom,
        )
        self._events.emit(event)
        return artifact


def _checked(one: Prepared) -> str:
    """A key of the recipe and of what is checked besides, so that no artifact is believed for tests that came since."""
    beside = one.plan.only_checked() if isinstance(one.plan, NodePlan) else {}
    return python.key("checked", {"recipe": one.digest, **beside}) if beside else ""


def _raise(failures: Mapping[str, PenstockError], total: int, made: Mapping[str, Artifact] | None = None) -> None:
    """Raise what failed as one list in which the same reason stands once."""
    if not failures:
        return
    listed = merged(
        Failure(names=(name,), what=error.what, where=error.where, hint=error.hint or remedy(error.what))
        for name, error in sorted(failures.items())
    )
    made = made or {}
    first = next(iter(failures.values()))
    raise BuildsFailed(listed, total=total, made=tuple(made[name] for name in sorted(made))) from first
