"""Builds a Python service: one installation per locked set, each internal package through its own backend, one ZIP."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from penstock.adapters.builder_files import ChangedMeanwhileError
from penstock.adapters.builder_proof import PythonProof, check_shipped, source_of
from penstock.adapters.builder_python_finish import Finish
from penstock.adapters.builder_python_install import Installations
from penstock.adapters.builder_python_needs import Needs
from penstock.adapters.builder_python_parts import BACKENDS_PYTHON
from penstock.adapters.builder_python_syntax import PythonSyntax
from penstock.adapters.builder_python_uv import Uv
from penstock.adapters.builder_python_wheels import Wheels
from penstock.build import archive, backends, python
from penstock.build.handlers import check_python_handler, python_handler_files
from penstock.build.overlay import LOCKED, Overlay
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_python_parts import Part, PythonPlan
    from penstock.adapters.builder_python_plan import PythonPlanner
    from penstock.build.archive import Member
    from penstock.build.units import Unit
    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions
    from penstock.ports import Commands, EventSink, Interpreters

BUILDER = "7"
"""Raised whenever the same inputs would give other bytes than before, or what passed is refused (test_golden.py)."""


_FOR_INSTALLERS = re.compile(r"pyproject\.toml|requirements[^/]*\.(txt|in)|requirements/[^/]*\.(txt|in)")
"""Files at the top of a folder that is taken as it is, which say what to install."""


class PythonBuilder:
    """Looks at Python units and builds them with uv."""

    def __init__(
        self,
        root: Path,
        commands: Commands,
        cache: ZipCache,
        files: SourceFiles,
        plans: PythonPlanner,
        *,
        interpreters: Interpreters | None = None,
        events: EventSink | None = None,
    ) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._plans = plans
        self._packer = archive.tools()
        self._uv = Uv(commands, files)
        self._proof = PythonProof(events)
        warn = lambda text: self._proof.tell((text,))  # noqa: E731
        self._installations = Installations(root, cache, self._uv, plans, interpreters, warn)
        self._wheels = Wheels(root, commands, cache, self._uv, plans, events)
        self._needs = Needs()
        self._syntax = PythonSyntax(commands, files, interpreters)
        self._finish = Finish(commands, cache, files, interpreters)
        self._events = events
        self._clean: set[str] = set()
        """Digests of contents that hold no secret."""
        self._refused: dict[str, BuildFailed] = {}
        """Why packages cannot be made, by their keys."""

    def tools(self) -> dict[str, str]:
        """Versions of what makes the bytes."""
        ours = {**python.made_by(BUILDER), "tool build backends": backends.digest()}
        return {"tool uv": self._uv.version(), **python.ambient(os.environ), **self._packer, **ours}

    def finishers(self, options: BuildOptions, target: Target) -> dict[str, str]:
        """Versions of what some options run besides."""
        return self._finish.tools(options, target)

    def programs(self, options: BuildOptions, target: Target) -> Mapping[str, Path]:
        """Where that lies."""
        return self._finish.programs(options, target)

    def chosen(self, plan: PythonPlan, target: Target) -> Mapping[str, Mapping[str, str]]:
        """Which files were installed where a listing gives several hashes: file name → hash, by `name version`."""
        return self._installations.chosen(plan, target)

    def begin(self) -> None:
        """Look at the locks and for programs anew."""
        self._installations.begin()
        self._finish.begin()
        self._refused.clear()
        self._wheels.expect(())

    def build(self, unit: Unit, target: Target, plan: PythonPlan) -> tuple[Member, ...]:
        """Everything that goes into the unit's ZIP, looked at before it may ship."""
        handlers = [python_handler_files(function.handler) for function in unit.functions]
        # First, because it takes longest, and other services wait for it.
        locked = self._cache.members(self._installations.entry(plan, target, self.tools()))
        own = {part.folder: self._cache.members(self.package(part)) for part in plan.packages}
        own[plan.service.folder] = self._service_members(plan.service, handlers)
        parts = (*reversed(plan.packages), plan.service)
        where = f"{plan.service.folder}/service.toml"
        overlay = Overlay()
        overlay.add(LOCKED, locked, where=where)
        for part in parts:
            overlay.add(part.folder, own[part.folder], where=where)
        self._needs.check(plan, target, overlay)
        self._proof.tell(f"{unit.name}: {note}" for note in overlay.notes)
        merged = overlay.members
        by_folder = {part.folder: part for part in parts}
        owned = [(name, folder) for name, folder in overlay.owners.items() if folder != LOCKED]
        ours = {name: source_of(name, folder, by_folder[folder].files) for name, folder in owned}
        shipped = frozenset(ours.values())
        for part in parts:
            files = {path: file for path, file in part.files.items() if f"{part.folder}/{path}" in shipped}
            self._syntax.check(replace(part, files=files), target.version)
            mine = [merged[name] for name, folder in owned if folder == part.folder]
            check_shipped(part.folder, mine, part.files, plan.options, self._clean)
        sources = {path: merged[path].content() for pair in handlers for path in pair if path in merged}
        for function in unit.functions:
            check_python_handler(function.handler, sources, where=where)
        self._proof.check(unit, target, plan.options, merged, ours)
        if plan.options.strip:
            merged = self._finish.stripped(merged)
        if plan.options.bytecode:
            merged = self._finish.compiled(merged, target)
        return tuple(merged.values())

    def ahead(self, plans: Iterable[PythonPlan]) -> Sequence[Callable[[], None]]:
        """Calls that make what these services share, each once, for whoever has nothing else to do meanwhile."""
        plans = tuple(plans)
        shared = {part.folder: part for plan in plans for part in plan.packages}
        self.expect((shared | {plan.service.folder: plan.service for plan in plans}).values())
        is_by_uv = {folder: part.manifest is not None and part.manifest.by_uv for folder, part in shared.items()}
        # These wait for each other.
        together = [part for folder, part in shared.items() if is_by_uv[folder]]
        alone = [[part] for folder, part in shared.items() if not is_by_uv[folder]]
        return [partial(self._packages, parts) for parts in (together, *alone) if parts]

    def expect(self, parts: Iterable[Part]) -> None:
        """Say which packages may be about to be made, so that many can be made by one call."""
        self._wheels.expect((part for part in parts if part.buildable), self.has_package)

    def _packages(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.package(part)

    def package(self, part: Part) -> Entry:
        """The files of an internal package as its own build backend ships them, from the cache when unchanged.

        What its backend refuses it is not asked for again in the same build.
        """
        make = self._wheels.make if part.buildable else _copied
        key = self._wheel_key(part)

        def once() -> tuple[Member, ...]:
            if key in self._refused:
                raise self._refused[key]
            try:
                return make(part)
            except ChangedMeanwhileError:
                raise
            except BuildFailed as error:
                self._refused[key] = error
                raise

        return self._cache.get_or_make("wheel", key, once)

    def has_package(self, part: Part) -> bool:
        """Whether the package was built before, just as it is now."""
        return self._cache.get("wheel", self._wheel_key(part)) is not None

    def check_syntax(self, part: Part) -> None:
        """Raise BuildFailed with file and line for the first file that our own Python cannot compile."""
        self._syntax.check(part)

    # ---------------------------------------------------------------- what is made

    def _service_members(self, part: Part, handlers: Iterable[Sequence[str]]) -> tuple[Member, ...]:
        """The service's own files; `handlers` are for each of them the paths of which it has to have one."""
        if part.manifest is None or not part.buildable:
            in_src = any(f"src/{path}" in part.files for pair in handlers for path in pair)
            return _copied(part, "src/" if in_src else "")
        made = {member.name: member for member in self._cache.members(self.package(part))}
        for pair in handlers:
            # A handler may stand beside the package instead of in it: what lies there goes along.
            for top in ("", "src/"):
                if made.keys().isdisjoint(pair) and any(f"{top}{path}" in part.files for path in pair):
                    made = {member.name: member for member in _copied(part, top)} | made
        return tuple(made.values())

    def _wheel_key(self, part: Part) -> str:
        runs = {"python": BACKENDS_PYTHON}
        return python.key("wheel", part.inputs("") | part.ambient() | self.tools() | runs)


def _copied(part: Part, top: str = "src/") -> tuple[Member, ...]:
    """The files as they are, from below `top` when there is such a folder."""
    top = top if any(path.startswith(top) for path in part.files) else ""
    return tuple(
        archive.pack(path.removeprefix(top), file.read(), executable=file.executable)
        for path, file in part.files.items()
        if path.startswith(top) and (top or not _FOR_INSTALLERS.fullmatch(path)) and not path.startswith("../")
    )
