"""Wheels of the workspace's own packages, each by its own build backend in a copy of exactly its files.

What uv's own backend makes is made by one process of uv for all of them: starting it takes longer than the work. Each
lies in a folder of its own there, so that the bytes are those of a run for one package. When something is wrong with
one of them, nothing of the run is used: each is then made alone, and tells its own errors.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from penstock.adapters import builder_seen
from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_python_parts import settings_files
from penstock.build import archive, backends, metadata, python
from penstock.build.requirements import name_of, normalised
from penstock.model.errors import BuildFailed
from penstock.model.events import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_python_parts import Part
    from penstock.adapters.builder_python_plan import PythonPlanner
    from penstock.adapters.builder_python_uv import Uv
    from penstock.build.archive import Member
    from penstock.ports import Commands, EventSink


@dataclass(slots=True)
class _Group:
    """Packages that uv makes by one call, by their folders; `made` of those that nobody has taken yet."""

    parts: dict[str, Part]
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: dict[str, tuple[Member, ...]] | None = None


class Wheels:
    """Makes packages' files as their own build backends ship them."""

    def __init__(  # noqa: PLR0917 - what it works with
        self,
        root: Path,
        commands: Commands,
        cache: ZipCache,
        uv: Uv,
        plans: PythonPlanner,
        events: EventSink | None,
    ) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._uv = uv
        self._plans = plans
        self._events = events
        self._guard = threading.Lock()
        self._expected: Iterable[Part] = ()
        self._is_there: Callable[[Part], bool] = lambda _: False
        self._groups: dict[str, _Group] | None = None

    def expect(self, parts: Iterable[Part], is_there: Callable[[Part], bool] = lambda _: False) -> None:
        """Say which may be about to be made, so that uv is asked for many at once; what was said before is forgotten.

        `is_there` tells which need not be made after all. Nothing is looked at before the first of them is made.
        """
        with self._guard:
            self._expected, self._is_there, self._groups = parts, is_there, None

    def make(self, part: Part) -> tuple[Member, ...]:
        """A package's files; the first of a group makes all. Raises BuildFailed."""
        with self._guard:
            if self._groups is None:
                self._groups = self._grouped()
            group = self._groups.get(part.folder)
        if group is None or group.parts[part.folder] != part:
            return self._alone(part)
        with group.lock:
            if group.made is None:
                group.made = {}  # who comes after a failure goes alone as well
                group.made = self._together([*group.parts.values()])
            made = group.made.pop(part.folder, None)
        return self._alone(part) if made is None else made

    # ---------------------------------------------------------------- many

    def _grouped(self) -> dict[str, _Group]:
        """The groups of two or more, by the folders of their packages."""
        groups: dict[object, _Group] = {}
        is_held = cache(self._is_held)  # most ask in the same words
        alike = Counter[object]()  # a workspace holds one of each name
        for part in self._expected:
            if part.manifest is None or not part.manifest.by_uv or any("/" in path for path in part.settings):
                continue  # the settings of all are those of the whole workspace
            if is_held(part.manifest.backend) and not self._is_there(part):
                words = (part.manifest.backend, *part.ambient().items())
                name = (words, normalised(part.manifest.name))
                alike[name] += 1
                groups.setdefault((words, alike[name]), _Group({})).parts[part.folder] = part
        return {folder: one for one in groups.values() if len(one.parts) > 1 for folder in one.parts}

    def _is_held(self, requires: tuple[str, ...]) -> bool:
        """Whether `[build-system]` asks for uv's own backend and nothing else, in a version that we hold."""
        is_all = [normalised(name_of(one)) for one in requires] == ["uv-build"]
        return is_all and "uv-build==" in backends.constraints(requires, self._uv.version())

    def _together(self, parts: Sequence[Part]) -> dict[str, tuple[Member, ...]]:
        """The files of each, by its folder; nothing when something is wrong with one of them."""
        with self._cache.scratch() as scratch, contextlib.suppress(BuildFailed, archive.ArchiveError, OSError):
            top, out, pins = scratch / "source", scratch / "wheel", scratch / "backends.txt"
            sources = [_copy(part, top / str(number)) for number, part in enumerate(parts)]
            members = (source.relative_to(top).as_posix() for source in sources)
            (top / "pyproject.toml").write_text(python.workspace_of(members), encoding="utf-8")
            pins.write_text(backends.constraints(_requires(parts[0]), self._uv.version()))
            with self._settings_as_planned(parts):
                result = self._commands.run(
                    python.wheel_command(
                        self._uv.program,
                        top,
                        out,
                        interpreter=sys.executable,
                        backends=pins,
                        project=self._root,
                        offline=True,
                        together=True,
                    )
                )
            wheels = {normalised(path.name.partition("-")[0]): path for path in out.glob("*-none-any.whl")}
            names = [normalised(part.manifest.name) for part in parts if part.manifest]
            if result.status == 0 and len(wheels) == len(names) and wheels.keys() == {*names}:
                found = zip(parts, names, strict=True)
                return {part.folder: self._members(wheels[name], part, scratch) for part, name in found}
        return {}

    @contextlib.contextmanager
    def _settings_as_planned(self, parts: Iterable[Part]) -> Iterator[None]:
        """Raise ChangedMeanwhileError when uv, which reads its settings itself, need not have read those planned."""
        settings = {str(self._root / path) for part in parts for path in settings_files(part.folder)}
        before = {path: builder_seen.state(path) for path in settings}
        yield
        is_unwritten = {path: builder_seen.state(path) for path in settings} == before
        for part in parts:
            if not is_unwritten or self._plans.settings(part.folder) != part.settings:
                raise changed_meanwhile(part.folder)

    # ---------------------------------------------------------------- one

    def _alone(self, part: Part) -> tuple[Member, ...]:
        with self._cache.scratch() as scratch:
            source, out = _copy(part, scratch / "source"), scratch / "wheel"
            if backends.asks_git(_requires(part), _code(part)):
                self._track(part, scratch / "source")
            with self._settings_as_planned([part]):
                self._run_backend(part, source, out, scratch / "backends.txt")
            wheels = sorted(out.glob("*.whl"))
            if len(wheels) != 1 or not wheels[0].stem.endswith("-none-any"):
                names = ", ".join(wheel.name for wheel in wheels) or "nothing"
                raise BuildFailed(
                    f"the build backend made {names}, not one wheel for every platform",
                    where=part.said_in,
                    hint="publish a package with native code to an index, with a wheel for Lambda, and depend on it",
                )
            return self._members(wheels[0], part, scratch)

    @staticmethod
    def _members(wheel: Path, part: Part, scratch: Path) -> tuple[Member, ...]:
        return _without_manifest(_from_wheel(wheel, part, scratch), part)

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
        requires = _requires(part) or backends.BY_DEFAULT
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


def _requires(part: Part) -> tuple[str, ...]:
    return part.manifest.backend if part.manifest else ()


def _copy(part: Part, top: Path) -> Path:
    """Exactly the files that the recipe holds below `top`, so that nothing else can get in; where the package lies.

    As deep as in the workspace, because metadata may name a README above the package.
    """
    source = top.joinpath(*["in"] * len(PurePosixPath(part.folder).parts))
    source.mkdir(parents=True)
    for path, file in part.files.items():
        copy = source / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read())
        copy.chmod(0o755 if file.executable else 0o644)
    return source


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
