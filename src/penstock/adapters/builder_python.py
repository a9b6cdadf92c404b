"""Builds a Python service: one installation per locked set, each internal package through its own backend, one ZIP."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from penstock.adapters import builder_seen
from penstock.adapters.builder_files import ChangedMeanwhileError, changed_meanwhile
from penstock.adapters.builder_proof import PythonProof, check_shipped, source_of
from penstock.adapters.builder_python_finish import Finish
from penstock.adapters.builder_python_install import Installations
from penstock.adapters.builder_python_needs import Needs
from penstock.adapters.builder_python_parts import BACKENDS_PYTHON, settings_files
from penstock.adapters.builder_python_syntax import PythonSyntax
from penstock.adapters.builder_python_uv import Uv
from penstock.build import archive, backends, metadata, python
from penstock.build.handlers import check_python_handler, python_handler_files
from penstock.build.overlay import LOCKED, Overlay
from penstock.model.errors import BuildFailed
from penstock.model.events import Note

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

    def ahead(self, plans: Iterable[PythonPlan]) -> Sequence[Callable[[], Entry]]:
        """Calls that make what these services share, each once, for whoever has nothing else to do meanwhile."""
        parts = {part.folder: part for plan in plans for part in plan.packages}
        return [partial(self.package, part) for part in parts.values()]

    def package(self, part: Part) -> Entry:
        """The files of an internal package as its own build backend ships them, from the cache when unchanged.

        What its backend refuses it is not asked for again in the same build.
        """
        make = self._wheel_members if part.buildable else _copied
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

    def _wheel_members(self, part: Part) -> tuple[Member, ...]:
        """Build in a copy of exactly the files that the recipe holds, so that nothing else can get in."""
        with self._cache.scratch() as scratch:
            # As deep as in the workspace, because metadata may name a README above the package.
            depth = len(PurePosixPath(part.folder).parts)
            source, out = scratch.joinpath("source", *["in"] * depth), scratch / "wheel"
            source.mkdir(parents=True)
            for path, file in part.files.items():
                copy = source / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read())
                copy.chmod(0o755 if file.executable else 0o644)
            if backends.asks_git(part.manifest.backend if part.manifest else (), _code(part)):
                self._track(part, scratch / "source")
            settings = [str(self._root / path) for path in settings_files(part.folder)]
            before = [builder_seen.state(path) for path in settings]
            self._run_backend(part, source, out, scratch / "backends.txt")
            is_unwritten = [builder_seen.state(path) for path in settings] == before
            if not is_unwritten or self._plans.part(part.folder, part.name).ambient() != part.ambient():
                raise changed_meanwhile(part.folder)  # uv read its settings in the folder itself
            wheels = sorted(out.glob("*.whl"))
            if len(wheels) != 1 or not wheels[0].stem.endswith("-none-any"):
                names = ", ".join(wheel.name for wheel in wheels) or "nothing"
                raise BuildFailed(
                    f"the build backend made {names}, not one wheel for every platform",
                    where=part.said_in,
                    hint="publish a package with native code to an index, with a wheel for Lambda, and depend on it",
                )
            return _without_manifest(_from_wheel(wheels[0], part, scratch), part)

    def _track(self, part: Part, top: Path) -> None:
        """Let git know exactly the copy's files: without it such a backend ships no data, and says nothing."""
        git = self._commands.find("git")
        if git is None:
            what = f"the build backend of {part.name} ships what git tracks, and git is not on this machine"
            raise BuildFailed(what, where=part.said_in, hint="install git")
        for command in python.track_commands(git, top):
            result = self._commands.run(command)
            if result.status != 0:
                raise BuildFailed(f"git failed: {result.stderr.strip()}", where=part.said_in)

    def _run_backend(self, part: Part, source: Path, out: Path, pins: Path) -> None:
        """With the versions of it that hold for everybody, or else, with a warning, as new as the day."""
        requires = (part.manifest.backend if part.manifest else ()) or backends.BY_DEFAULT
        pins.write_text(backends.constraints(requires, self._uv.version()))
        newest = backends.loose(requires, self._uv.version())
        try:
            self._run_uv_build(part, source, out, pins)
        except BuildFailed as error:
            if not python.lacks_backend(error.what):
                raise
            self._run_uv_build(part, source, out, None)
            newest = tuple(requires)
        if newest and self._events is not None:
            named = ", ".join(newest)
            text = f"{part.folder}: built by the newest {named} of today, whose bytes another day's may not repeat"
            self._events.emit(Note(text=f"{text}; pin it with == in [build-system]", level="warning"))

    def _run_uv_build(self, part: Part, source: Path, out: Path, pins: Path | None) -> None:
        self._uv.run(
            lambda offline: python.wheel_command(
                self._uv.program,
                source,
                out,
                interpreter=sys.executable,
                backends=pins,
                project=self._root / part.folder,
                offline=offline,
            ),
            what=f"the build backend of {part.name} failed",
            where=part.said_in,
            told=_told(part, source, out.parent),
        )


def _code(part: Part) -> str:
    """What setuptools is told besides pyproject.toml."""
    there = (part.files[name] for name in ("setup.py", "setup.cfg") if name in part.files)
    return "".join(file.read().decode(errors="replace") for file in there)


def _told(part: Part, source: Path, scratch: Path) -> dict[str, str]:
    """What the copy's folders are known as."""
    above = zip(source.parents, PurePosixPath(part.folder).parents, strict=False)
    folders = {f"{copy}/": f"{folder}/".removeprefix("./") for copy, folder in above}
    return {str(source): part.folder, **folders, f"{scratch}/": ""}


def _copied(part: Part, top: str = "src/") -> tuple[Member, ...]:
    """The files as they are, from below `top` when there is such a folder."""
    top = top if any(path.startswith(top) for path in part.files) else ""
    return tuple(
        archive.pack(path.removeprefix(top), file.read(), executable=file.executable)
        for path, file in part.files.items()
        if path.startswith(top) and (top or not _FOR_INSTALLERS.fullmatch(path)) and not path.startswith("../")
    )


def _without_manifest(made: tuple[Member, ...], part: Part) -> tuple[Member, ...]:
    """Without a pyproject.toml that nobody asked for, because a pattern took in all that lay there.

    Of it only the keys count that say something to backends: else tools of developers would rebuild what they look at.
    """
    manifest = part.files.get("pyproject.toml")
    if manifest is None or part.ships_manifest:
        return made
    content = manifest.read()
    return tuple(one for one in made if PurePosixPath(one.name).name != "pyproject.toml" or one.content() != content)


def _from_wheel(path: Path, part: Part, scratch: Path) -> tuple[Member, ...]:
    """The wheel's files. Raises BuildFailed for one that names `scratch`, which is another folder for each build."""
    import zipfile  # noqa: PLC0415 - slow, and rarely needed

    mark = f"{scratch.parent.name}/{scratch.name}".encode()  # by links and in URLs as well
    found = []
    with zipfile.ZipFile(path) as wheel:
        for info in wheel.infolist():
            place = python.place_of_wheel_member(info.filename)
            if place is None:
                continue
            content = wheel.read(info)
            if mark in content and metadata.distributions([place]):
                content = metadata.by_name(content, mark)
            if mark in content:
                raise BuildFailed(
                    f"the build backend of {part.name} writes the folder that it is built in into {place}, "
                    "so that no two builds are the same",
                    where=part.said_in,
                    hint=f"let what makes {place} write no absolute path",
                )
            found.append(archive.pack(place, content, executable=bool(info.external_attr >> 16 & 0o100)))
    return tuple(found)
