"""Builds a Python service: one installation per locked set, each internal package through its own backend, one ZIP."""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.build import archive, lockfile, pyproject, python, requirements
from penstock.build.handlers import check_python_handler, check_python_syntax, python_handler_files
from penstock.model.errors import BuildFailed, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.build.archive import Member
    from penstock.build.pyproject import Manifest
    from penstock.build.units import Unit
    from penstock.model.artifact import Target
    from penstock.ports import Command, CommandResult, Commands

BUILDER = "1"
"""Raised whenever the same inputs would give other bytes than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The service itself, or an internal package that it reaches. `folder` is relative to the workspace."""

    name: str
    folder: str
    manifest: Manifest | None
    files: Mapping[str, SourceFile]

    def inputs(self, label: str) -> dict[str, str]:
        """What its bytes depend on."""
        found = {f"{label}{path}": file.value for path, file in self.files.items() if path != "pyproject.toml"}
        if self.manifest is not None:
            found[f"{label}pyproject.toml"] = self.manifest.digest
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlan:
    """What a unit is made from. `export` is what uv is asked for when there is a uv.lock, else the text is there."""

    service: Part
    packages: tuple[Part, ...]
    locked: Mapping[str, str]
    requires: Mapping[str, str]
    export: tuple[Path, str] | None
    requirements: str

    def inputs(self) -> dict[str, str]:
        """The recipe's inputs that come from the workspace."""
        found = self.service.inputs("source ")
        for part in self.packages:
            found |= part.inputs(f"package {part.name}: ")
        return found | self.lock_inputs()

    def lock_inputs(self) -> dict[str, str]:
        """Those that the installed packages depend on."""
        found = {f"lock {name}": digest for name, digest in self.locked.items()}
        return found | {f"requires {path}": digest for path, digest in self.requires.items()}


class PythonBuilder:
    """Looks at Python units and builds them with uv."""

    def __init__(self, root: Path, commands: Commands, cache: ZipCache, files: SourceFiles) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._files = files
        self._uv: Path | None = None

    def tools(self) -> dict[str, str]:
        """Versions of what makes the bytes."""
        version = self._files.fact("version", self._uv_program(), self._uv_version)
        return {"tool uv": version, "tool zlib": zlib.ZLIB_RUNTIME_VERSION, "tool penstock": BUILDER}

    def plan(self, folder: str) -> PythonPlan:
        """Look at a service or package in that folder. Raises BuildFailed when something is missing."""
        manifest = self._manifest(folder)
        lock = self._lock(folder)
        if lock is not None:
            return self._plan_from_lock(folder, manifest, *lock)
        listing = self._root / folder / "requirements.txt"
        if listing.is_file():
            return self._plan_from_requirements(folder, manifest)
        if manifest is not None and manifest.depends:
            raise BuildFailed(
                "it has dependencies but no lock",
                where=f"{folder}/pyproject.toml",
                hint=f"uv lock --directory {folder}, or make it a member of the uv workspace and run: uv lock",
            )
        service = self._part(folder, folder, manifest)
        return PythonPlan(service=service, packages=(), locked={}, requires={}, export=None, requirements="")

    def build(self, unit: Unit, target: Target, plan: PythonPlan) -> tuple[Member, ...]:
        """Everything that goes into the unit's ZIP."""
        wanted = [path for function in unit.functions for path in python_handler_files(function.handler)]
        layers = [self._service_members(plan.service, wanted)]
        layers += [self._cache.members(self.package(part)) for part in plan.packages]
        layers.append(self._cache.members(self._installation(plan, target)))
        merged: dict[str, Member] = {}
        for layer in reversed(layers):
            merged |= {member.name: member for member in layer}
        self._check_syntax(plan, target)
        sources = {path: merged[path].content() for path in wanted if path in merged}
        for function in unit.functions:
            check_python_handler(function.handler, sources, where=f"{plan.service.folder}/service.toml")
        return tuple(merged.values())

    def package(self, part: Part) -> Entry:
        """The files of an internal package as its own build backend ships them, from the cache when unchanged."""
        buildable = part.manifest is not None and part.manifest.buildable
        make = self._wheel_members if buildable else _copied
        return self._cache.get_or_make("wheel", self._wheel_key(part), lambda: make(part))

    def has_package(self, part: Part) -> bool:
        """Whether the package was built before, just as it is now."""
        return self._cache.get("wheel", self._wheel_key(part)) is not None

    def part(self, folder: str, name: str) -> Part:
        """A shared package of the workspace, whoever reaches it."""
        return self._part(folder, name, self._manifest(folder))

    def check_part(self, part: Part) -> None:
        """Raise BuildFailed with file and line for the first file that is not Python."""
        for path, file in part.files.items():
            if path.endswith(".py"):
                check_python_syntax(f"{part.folder}/{path}", file.path.read_bytes())

    # ---------------------------------------------------------------- what there is

    def _manifest(self, folder: str) -> Manifest | None:
        path = self._root / folder / "pyproject.toml"
        text = self._files.text(path)
        return None if text is None else pyproject.manifest(text, where=f"{folder}/pyproject.toml")

    def _lock(self, folder: str) -> tuple[str, lockfile.Locked] | None:
        """The nearest uv.lock above that knows the project: its folder, and what the project reaches."""
        for above in _above(folder):
            path = self._root / above / "uv.lock"
            if not path.is_file():
                continue
            inner = os.path.relpath(folder or ".", above or ".")
            where = f"{above}/uv.lock".lstrip("/")
            text = self._files.text(path) or ""
            fact = self._files.fact(f"lock {inner}", path, lambda: _reached(text, inner, where))  # noqa: B023 - called at once
            if fact is not None:
                return above, lockfile.Locked(**fact)
            if (self._root / folder / "requirements.txt").is_file():
                return None
            raise BuildFailed(
                f"{folder} is not in the lock",
                where=where,
                hint=f"add it to [tool.uv.workspace] members, then: uv lock --directory {above or '.'}",
            )
        return None

    def _plan_from_lock(
        self, folder: str, manifest: Manifest | None, lock_folder: str, locked: lockfile.Locked
    ) -> PythonPlan:
        service = self._part(folder, locked.name, manifest)
        packages = []
        for name, inner in sorted(locked.internal.items()):
            place = os.path.normpath(os.path.join(lock_folder, inner))  # noqa: PTH118 - a relative path, as text
            packages.append(self._part(place, name, self._manifest(place)))
        parts = (service, *packages)
        requires = {f"{part.folder}/pyproject.toml": part.manifest.requires for part in parts if part.manifest}
        top = self._manifest(lock_folder)
        if top is not None:
            requires["uv.lock's pyproject.toml"] = top.requires
        return PythonPlan(
            service=service,
            packages=tuple(packages),
            locked=locked.packages,
            requires=requires,
            export=(self._root / lock_folder, locked.name),
            requirements="",
        )

    def _plan_from_requirements(self, folder: str, manifest: Manifest | None) -> PythonPlan:
        parsed = self._requirements(folder)
        packages = {place: self._part(place, Path(place).name, self._manifest(place)) for place in parsed.folders}
        queue = list(parsed.folders)
        packages.pop(folder, None)  # `-e .`
        while queue:
            place = queue.pop()
            if not (self._root / place / "requirements.txt").is_file() or place == folder:
                continue
            for further in self._requirements(place).folders:
                if further not in packages and further != place:
                    packages[further] = self._part(further, Path(further).name, self._manifest(further))
                    queue.append(further)
        text = parsed.text() if parsed.lines else ""
        return PythonPlan(
            service=self._part(folder, folder, manifest),
            packages=tuple(packages[place] for place in sorted(packages)),
            locked={**parsed.lines, "options": "\n".join(parsed.options)},
            requires={},
            export=None,
            requirements=text,
        )

    def _requirements(self, folder: str) -> requirements.Requirements:
        path = f"{folder}/requirements.txt"
        texts: dict[str, str] = {}
        queue = [path]
        while queue:
            current = queue.pop()
            text = self._files.text(self._root / current)
            if text is not None and current not in texts:
                texts[current] = text
                queue += requirements.includes(current, text)
        return requirements.parse(path, texts, without=python.SUPPLIED_BY_LAMBDA)

    def _part(self, folder: str, name: str, manifest: Manifest | None) -> Part:
        path = self._root / folder
        if folder.startswith("..") or not path.is_dir():
            raise BuildFailed(f"package {name} is not in the workspace", where=folder, hint="uv lock")
        files = dict(self._files.walk(folder))
        for named in manifest.files if manifest else ():
            if (path / named).is_file() and named not in files:
                files[named] = _source_file(self._files, path / named)
        return Part(name=name, folder=folder, manifest=manifest, files=files)

    # ---------------------------------------------------------------- what is made

    def _service_members(self, part: Part, wanted: Iterable[str]) -> tuple[Member, ...]:
        if part.manifest is not None and part.manifest.buildable:
            return self._cache.members(self.package(part))
        in_src = any(f"src/{path}" in part.files for path in wanted)
        return _copied(part, "src/" if in_src else "")

    def _wheel_key(self, part: Part) -> str:
        return python.key("wheel", part.inputs("") | self.tools())

    def _wheel_members(self, part: Part) -> tuple[Member, ...]:
        """Build in a copy of exactly the files that the recipe holds, so that nothing else can get in."""
        with self._cache.scratch() as scratch:
            source, out = scratch / "source", scratch / "wheel"
            for path, file in part.files.items():
                copy = source / path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.path.read_bytes())
                copy.chmod(0o755 if file.executable else 0o644)
            self._uv_run(
                lambda offline: python.wheel_command(self._uv_program(), source, out, offline=offline),
                what=f"the build backend of {part.name} failed",
                where=f"{part.folder}/pyproject.toml",
                hide=f"{source}/",
            )
            wheels = sorted(out.glob("*.whl"))
            if len(wheels) != 1 or not wheels[0].stem.endswith("-none-any"):
                names = ", ".join(wheel.name for wheel in wheels) or "nothing"
                raise BuildFailed(
                    f"the build backend made {names}, not one wheel for every platform",
                    where=f"{part.folder}/pyproject.toml",
                    hint="publish a package with native code to an index, with a wheel for Lambda, and depend on it",
                )
            return _from_wheel(wheels[0])

    def _installation(self, plan: PythonPlan, target: Target) -> Entry:
        """All external packages for the target, one ZIP per distinct set."""
        lock_key = python.key("export", plan.lock_inputs() | self.tools() | {"text": plan.requirements})
        known = self._cache.note("export", lock_key)
        if known is None:
            known = {"text": self._export(plan)}
            self._cache.keep_note("export", lock_key, known)
        text = str(known["text"])
        parts = {"requirements": text, "target": str(target), "platform": python.platform_tag(target)}
        set_key = python.key("installation", parts | self.tools())
        return self._cache.get_or_make("installation", set_key, lambda: self._install(text, target))

    def _export(self, plan: PythonPlan) -> str:
        if plan.export is None:
            return plan.requirements
        folder, name = plan.export
        result = self._uv_run(
            lambda offline: python.export_command(self._uv_program(), folder, name, offline=offline),
            what=f"uv could not read the lock for {name}",
            where=str(folder / "uv.lock"),
            explain=lambda stderr: (
                BuildFailed(
                    "the lock does not fit the manifests any more",
                    where=_told_path(folder / "uv.lock", self._root),
                    hint=f"uv lock --directory {_told_path(folder, self._root)}",
                )
                if python.stale_lock(stderr)
                else None
            ),
        )
        return result.stdout

    def _install(self, text: str, target: Target) -> tuple[Member, ...]:
        if not text.strip():
            return ()
        with self._cache.scratch() as scratch:
            listing, site = scratch / "requirements.txt", scratch / "site"
            listing.write_text(text)
            site.mkdir()
            self._uv_run(
                lambda offline: python.install_command(self._uv_program(), listing, site, target, offline=offline),
                what=f"uv could not install the locked packages for {target}",
                where="",
            )
            return tuple(
                archive.pack(relative, path.read_bytes(), executable=os.access(path, os.X_OK))
                for path in sorted(site.rglob("*"))
                if path.is_file() and python.ships(relative := path.relative_to(site).as_posix())
            )

    def _check_syntax(self, plan: PythonPlan, target: Target) -> None:
        """Tell syntax errors before Lambda does, as far as this Python knows the target's syntax."""
        if tuple(map(int, target.version.split("."))) > sys.version_info[:2]:
            return
        for part in (plan.service, *plan.packages):
            self.check_part(part)

    # ---------------------------------------------------------------- uv

    def _uv_program(self) -> Path:
        if self._uv is None:
            self._uv = _find_uv(self._commands)
        return self._uv

    def _uv_version(self) -> str:
        from penstock.ports import Command  # noqa: PLC0415 - only when uv is new

        result = self._commands.run(Command(argv=(str(self._uv_program()), "--version"), timeout=30))
        return result.stdout.split()[1] if result.status == 0 else result.stdout

    def _uv_run(
        self,
        command: Callable[[bool], Command],
        *,
        what: str,
        where: str,
        hide: str = "",
        explain: Callable[[str], BuildFailed | None] = lambda _: None,
    ) -> CommandResult:
        """Run from uv's cache alone, and only when that does not do, with the network."""
        result = self._commands.run(command(True))  # noqa: FBT003 - the two ways, in this order
        if result.status != 0:
            result = self._commands.run(command(False))  # noqa: FBT003
        if result.status != 0:
            explained = explain(result.stderr)
            text = python.diagnosis(result.stderr).replace(hide, "") if hide else python.diagnosis(result.stderr)
            raise explained or BuildFailed(f"{what}:\n{text}", where=where)
        return result


def _find_uv(commands: Commands) -> Path:
    import uv  # noqa: PLC0415 - only builds need it

    try:
        return Path(uv.find_uv_bin())
    except FileNotFoundError:
        found = commands.find("uv")
    if found is None:
        raise ToolMissing("uv is not on this machine", hint="pip install uv")
    return found


def _reached(text: str, folder: str, where: str) -> dict[str, object] | None:
    locked = lockfile.reached(text, folder, where=where, without=python.SUPPLIED_BY_LAMBDA)
    return None if locked is None else locked.to_json()


def _above(folder: str) -> list[str]:
    """The folder and those above it up to the workspace's root, which is the empty text."""
    parts = Path(folder).parts
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _source_file(files: SourceFiles, path: Path) -> SourceFile:
    from penstock.adapters.builder_files import SourceFile  # noqa: PLC0415 - a value for the caller's mapping

    return SourceFile(path, files.digest(path), executable=False)


def _copied(part: Part, top: str = "src/") -> tuple[Member, ...]:
    """The files as they are, from below `top` when there is such a folder."""
    top = top if any(path.startswith(top) for path in part.files) else ""
    skipped = ("pyproject.toml", "requirements")
    return tuple(
        archive.pack(path.removeprefix(top), file.path.read_bytes(), executable=file.executable)
        for path, file in part.files.items()
        if path.startswith(top) and (top or not path.startswith(skipped))
    )


def _from_wheel(path: Path) -> tuple[Member, ...]:
    with zipfile.ZipFile(path) as wheel:
        return tuple(
            archive.pack(place, wheel.read(info), executable=bool(info.external_attr >> 16 & 0o100))
            for info in wheel.infolist()
            if (place := python.place_of_wheel_member(info.filename)) is not None
        )


def _told_path(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
