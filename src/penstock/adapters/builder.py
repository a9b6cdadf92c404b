"""The `Builds` port: recipes, then artifacts, from the cache or made in parallel.

    Workspace ─ units ─▶ plan (what there is) ─▶ Recipe ─▶ cache? ─▶ Artifact
                                                            └ no ─▶ members ─▶ checks ─▶ ZIP ┘

Each language has a builder of its own with the same three steps: `tools`, `plan`, `build`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.adapters import builder_check as check
from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.builder_node import NodeBuilder, NodePlan
from penstock.adapters.builder_python import PythonBuilder
from penstock.adapters.builder_python_plan import PythonPlan, PythonPlanner
from penstock.adapters.builder_room import LIMIT, Room, is_short, make_room, room
from penstock.adapters.builder_sbom import SbomReader
from penstock.adapters.commands import Stoppable
from penstock.adapters.node_tools import NodeTools
from penstock.build import archive, changes
from penstock.build.archive import ArchiveError
from penstock.build.changes import Reason
from penstock.build.limits import check_size, direct_upload_note
from penstock.build.remedies import remedy
from penstock.build.units import Unit, select
from penstock.build.units import units as units_of
from penstock.build.weight import Weight, tree
from penstock.model.artifact import Artifact, Recipe, Target
from penstock.model.errors import BuildFailed, BuildsFailed, Failure, PenstockError
from penstock.model.events import ArtifactReady, Note, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from penstock.adapters.builder_cache import Entry
    from penstock.build.archive import Member
    from penstock.build.provenance import Provenance
    from penstock.model.errors import Problem
    from penstock.model.workspace import Workspace
    from penstock.ports import Clock, Commands, EventSink, Interpreters


class Elsewhere(Protocol):
    """Artifacts that somebody else built: the environment's remote build cache."""

    def fetch(self, recipe: Recipe, archive: Path, sbom: Path) -> Provenance | None:
        """Bring a recipe's artifact and its SBOM into two files, verified; None when it has to be built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A unit that was looked at: it can be built, or it is known why not."""

    unit: Unit
    recipe: Recipe
    digest: str
    """The recipe's, which takes a while to compute."""
    plan: PythonPlan | NodePlan


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
        self._commands = commands
        self._events = events
        self._clock = clock
        self._files = SourceFiles(root, cache / "v1" / "files.json", clock)
        self._cache = ZipCache(cache, self._files)
        self._python = PythonBuilder(root, commands, self._cache, self._files, interpreters=interpreters, events=events)
        self._pythons = PythonPlanner(root, self._files)
        tools = NodeTools(root, commands, self._cache, events, clock)
        self._sboms = SbomReader(root, self._cache, self._files)
        self._node = NodeBuilder(root, commands, self._cache, self._files, tools)

    def recipes(self, workspace: Workspace, targets: Mapping[str, Target]) -> Mapping[str, Recipe]:
        """The recipe of every unit, from the files as they are now. Raises BuildFailed with all that is missing."""
        prepared, failures = self._prepare(workspace, units_of(workspace), targets)
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
        self._node.begin()
        prepared, failures = self._prepare(workspace, select(units_of(workspace), units), targets)
        found: dict[str, Artifact] = {}
        missing = []
        for one in prepared:
            entry = self._cache.get("artifact", one.digest)
            if entry is None or not self._cache.sbom(entry.digest).is_file():
                missing.append(one)
            else:
                found[one.unit.name] = self._ready(one, entry, cached=True, seconds=self._clock.monotonic() - began)
        made, further = self._make(missing)
        self._files.save()
        if made and is_short(self._cache.folder):
            with contextlib.suppress(OSError):
                self.make_room()
        _raise(failures | further, len(prepared) + len(failures), found | made)
        return tuple((found | made)[name] for name in sorted(found | made))

    def problems(self, workspace: Workspace) -> tuple[Problem, ...]:
        """What a build is sure to refuse, from the sources alone: locks that miss a service, handlers that are not."""
        selected = units_of(workspace)
        found = tuple(check.problems(self._files.root, workspace, selected, self._pythons, self._node))
        self._files.save()
        return tuple(sorted(set(found), key=lambda one: (one.file, one.line or 0, one.what)))

    def build_packages(self, workspace: Workspace, names: Collection[str] | None = None) -> tuple[str, ...]:
        """Build these shared packages (all: None), each after those it depends on; names of those not up to date.

        A TypeScript package runs its own `build` script, when it has one; a Python package is made by its build
        backend and checked for syntax. Services need no such step before them: they do the same by themselves.
        Raises BuildFailed with everything that failed.
        """
        self._node.begin()
        made = []
        failures: dict[str, PenstockError] = {}
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
        prepared, failures = self._prepare(workspace, select(units_of(workspace), names), targets)
        self._files.save()
        _raise(failures, len(prepared) + len(failures))
        return tuple(self._reason(one) for one in prepared)

    def affected(
        self, workspace: Workspace, changed: Collection[str], before: Callable[[str], str | None]
    ) -> Mapping[str, tuple[str, ...]]:
        """Services that these files (POSIX paths in the workspace) touch, each with those files; builds nothing.

        `before` gives the text that a file had. Raises BuildFailed with all that is missing.
        """
        reaches, failures, plans = [], {}, {}
        for service in workspace.services:
            try:
                if service.language == "python":
                    reaches.append(
                        self._pythons.plan(service.path, service.build).reach(service.name, self._files.root)
                    )
                else:
                    plan = self._node.plan(workspace, service.path, service.build)
                    plans[service.name] = plan
                    reaches.append(self._node.reach(plan, service.name))
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
                return self._node.lock_part(plans[service.name], text)
            return self._pythons.lock_part(service.path, service.build, path, text)

        return changes.affected(reaches, changed, lock_before)

    def weigh(self, artifact: Artifact, depth: int) -> tuple[Weight, ...]:
        """What weighs what in an artifact that was built here, so many folders deep."""
        return tree(archive.read(Path(artifact.path).read_bytes()), depth=depth)

    def room(self) -> Room:
        """What the cache holds."""
        return room(self._cache.folder)

    def make_room(self, limit: int | None = None) -> tuple[int, int]:
        """Delete what was used least recently until `limit` bytes are left; how many ZIPs went, and their bytes."""
        return make_room(self._cache.folder, self._clock.now(), limit=LIMIT if limit is None else limit)

    def forget(self) -> None:
        """Forget every cached result, so that the next build starts from nothing."""
        self._cache.forget()
        self._elsewhere = lambda: None

    def _packages(self, workspace: Workspace, failures: dict[str, PenstockError]) -> Mapping[str, Callable[[], bool]]:
        """How to build each shared package; each says whether there was something to do."""
        found: dict[str, Callable[[], bool]] = {}
        for package in workspace.packages:
            if package.language == "python":
                found[package.name] = partial(self._build_python_package, package.path, package.name)
        try:
            found |= self._node.package_builds(workspace)
        except PenstockError as error:
            failures["packages"] = error
        return found

    def _build_python_package(self, folder: str, name: str) -> bool:
        part = self._pythons.part(folder, name)
        fresh = not self._python.has_package(part)
        if fresh:
            self._python.check_syntax(part)
            self._python.package(part)
        return fresh

    def _prepare(
        self, workspace: Workspace, selected: Sequence[Unit], targets: Mapping[str, Target]
    ) -> tuple[list[_Prepared], dict[str, PenstockError]]:
        prepared = []
        failures: dict[str, PenstockError] = {}
        with self._files.one_look(), self._node.one_look():
            for unit in selected:
                try:
                    prepared.append(self._look(workspace, unit, targets[unit.name]))
                except PenstockError as error:
                    failures[unit.name] = error
                except OSError as error:
                    failures[unit.name] = self._in_words(error)
        return prepared, failures

    def _look(self, workspace: Workspace, unit: Unit, target: Target) -> _Prepared:
        plan: PythonPlan | NodePlan
        if unit.language == "python":
            plan, tools = self._pythons.plan(unit.service.path, unit.service.build), self._python.tools()
        else:
            plan, tools = self._node.plan(workspace, unit.service.path, unit.service.build), self._node.tools()
        handlers = {f"handler {function.key}": function.handler for function in unit.functions}
        recipe = Recipe(unit=unit.name, target=target, inputs=plan.inputs() | tools | handlers)
        return _Prepared(unit=unit, recipe=recipe, digest=recipe.digest, plan=plan)

    def _make(self, missing: Sequence[_Prepared]) -> tuple[dict[str, Artifact], dict[str, PenstockError]]:
        made: dict[str, Artifact] = {}
        failures: dict[str, PenstockError] = {}
        if not missing:
            return made, failures
        elsewhere = self._elsewhere()
        self._node.expect(
            [(one.unit, one.recipe.target, one.plan) for one in missing if isinstance(one.plan, NodePlan)]
        )
        from concurrent.futures import ThreadPoolExecutor, as_completed  # noqa: PLC0415 - slow, and rarely needed

        pool = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="build")
        try:
            running = {pool.submit(self._make_one, one, elsewhere): one.unit.name for one in missing}
            for future in as_completed(running):
                try:
                    made[running[future]] = future.result()
                except PenstockError as error:
                    failures[running[future]] = error
        except BaseException:
            if isinstance(self._commands, Stoppable):
                self._commands.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return made, failures

    def _make_one(self, one: _Prepared, elsewhere: Elsewhere | None) -> Artifact:
        began = self._clock.monotonic()
        entry = self._fetch(one, elsewhere) if elsewhere else None
        if entry is not None:
            return self._ready(one, entry, cached=True, seconds=self._clock.monotonic() - began)
        step = f"build {one.unit.name}"
        self._events.emit(StepStarted(step=step, detail=str(one.recipe.target)))
        try:
            made = self._members(one)
            entry = self._cache.put(
                "artifact",
                one.digest,
                made[0],
                lambda digest: self._sboms.text(one.unit.name, digest, one.recipe.target, one.plan, made),
            )
        except BaseException:
            seconds = self._clock.monotonic() - began
            self._events.emit(StepFinished(step=step, seconds=seconds, failed=True))
            raise
        seconds = self._clock.monotonic() - began
        # The artifact that comes of it is told by itself.
        self._events.emit(StepFinished(step=step, seconds=seconds, inner=True))
        if note := direct_upload_note(one.unit.name, entry.size, entry.unzipped):
            self._events.emit(Note(text=note))
        return self._ready(one, entry, cached=False, seconds=seconds)

    def _fetch(self, one: _Prepared, elsewhere: Elsewhere) -> Entry | None:
        with self._cache.scratch() as scratch:
            draft, sbom = scratch / "artifact.zip", scratch / "sbom.json"
            found = elsewhere.fetch(one.recipe, draft, sbom)
            if found is None:
                return None
            try:
                return self._cache.adopt("artifact", one.digest, draft, sbom, found.artifact)
            except ArchiveError:
                return None

    def _members(self, one: _Prepared) -> tuple[tuple[Member, ...], str]:
        """What goes into the ZIP, and what the bundler says that it is made of (empty for Python)."""
        meta = ""
        try:
            if isinstance(one.plan, PythonPlan):
                members = self._python.build(one.unit, one.recipe.target, one.plan)
            else:
                members, meta = self._node.build(one.unit, one.recipe.target, one.plan)
        except (ArchiveError, TimeoutError) as error:
            raise BuildFailed(str(error), where=one.unit.service.path) from error
        except OSError as error:
            raise self._in_words(error) from error
        check_size(one.unit.name, members)
        return members, meta

    def _in_words(self, error: OSError) -> BuildFailed:
        # A write that finds no room names no file; what a build writes lies below the cache.
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        where = error.filename or (self._cache.folder if is_full else "")
        return BuildFailed(error.strerror or str(error), where=str(where), hint="make room" if is_full else "")

    def _remember(self, one: _Prepared, entry: Entry) -> int | None:
        """Note what was built last, for `why`; by how many bytes it outgrew the build before, None for the first."""
        known = self._files.recall(f"built {one.unit.name}")
        if known is not None and known["recipe"] == one.digest:
            return None if known["size_before"] is None else known["size"] - known["size_before"]
        before = known or {"recipe": None, "size": None}
        if self._cache.note("recipe", one.digest) is None:
            with contextlib.suppress(BuildFailed):  # a cache that cannot be written: `why` will know less
                self._cache.keep_note("recipe", one.digest, _recipe_note(one.recipe))
        self._files.remember(
            f"built {one.unit.name}",
            {
                "recipe": one.digest,
                "size": entry.size,
                "before": before["recipe"],
                "size_before": before["size"],
            },
        )
        return None if before["size"] is None else entry.size - before["size"]

    def _reason(self, one: _Prepared) -> Reason:
        name = one.unit.name
        known = self._files.recall(f"built {name}")
        last = self._cache.note("recipe", known["recipe"]) if known else None
        if known is None or last is None:
            return Reason(unit=name, state="never")
        if known["recipe"] != one.digest:
            return Reason(unit=name, state="stale", changes=changes.between(last["inputs"], changes.parts(one.recipe)))
        earlier = self._cache.note("recipe", known["before"]) if known["before"] else None
        changed = changes.between(earlier["inputs"], last["inputs"]) if earlier else ()
        return Reason(unit=name, state="current", changes=changed)

    def _ready(self, one: _Prepared, entry: Entry, *, cached: bool, seconds: float) -> Artifact:
        artifact = Artifact(
            unit=one.unit.name,
            digest=entry.digest,
            recipe=one.digest,
            target=one.recipe.target,
            size=entry.size,
            unzipped=entry.unzipped,
            path=str(entry.path),
            sbom=str(self._cache.sbom(entry.digest)),
            functions=tuple(function.key for function in one.unit.functions),
            cached=cached,
            seconds=seconds,
            delta=self._remember(one, entry),
        )
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


def _recipe_note(recipe: Recipe) -> dict[str, Any]:
    return {"inputs": changes.parts(recipe)}


def _raise(failures: Mapping[str, PenstockError], total: int, made: Mapping[str, Artifact] | None = None) -> None:
    """Raise what failed as one list in which the same reason stands once."""
    if not failures:
        return
    names_by_reason: dict[tuple[str, str, str], list[str]] = {}
    for name, error in sorted(failures.items()):
        reason = (error.what, error.where, error.hint or remedy(error.what))
        names_by_reason.setdefault(reason, []).append(name)
    listed = tuple(
        Failure(names=tuple(names), what=what, where=where, hint=hint)
        for (what, where, hint), names in names_by_reason.items()
    )
    made = made or {}
    first = next(iter(failures.values()))
    raise BuildsFailed(listed, total=total, made=tuple(made[name] for name in sorted(made))) from first
