"""Looks at a Python service: its files, the internal packages that it reaches, what its lock says."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.builder_files import SourceFile
from penstock.build import lockfile, poetry, pyproject, python, requirements
from penstock.build.changes import Reach
from penstock.build.pyproject import Manifest
from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.adapters.builder_files import SourceFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The service itself, or an internal package that it reaches. `folder` is relative to the workspace."""

    name: str
    folder: str
    manifest: Manifest | None
    files: Mapping[str, SourceFile]

    @property
    def buildable(self) -> bool:
        """Whether a build backend makes it a package; else its files are taken as they are."""
        if self.manifest is None:
            return "setup.py" in self.files  # an old package: setup.py is its manifest
        # Poetry projects that are only applications have no module of their name, and cannot be built.
        module = self.manifest.module
        places = (f"{module}/", f"src/{module}/", f"{module}.py", f"src/{module}.py")
        return self.manifest.buildable and (not module or any(path.startswith(places) for path in self.files))

    def inputs(self, label: str) -> dict[str, str]:
        """What its bytes depend on."""
        found = {f"{label}{path}": file.value for path, file in self.files.items() if path != "pyproject.toml"}
        if self.manifest is not None:
            found[f"{label}pyproject.toml"] = self.manifest.digest
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """External packages that no uv.lock speaks of. The texts are requirements as uv reads them."""

    roots: str = ""
    pins: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """`--hash` options by `name==version`."""
    complete: bool = True
    """Whether `roots` is all there is to install, so that nothing is left to resolve."""
    resolve: str | None = None
    """The day as of which the index is read; None: nothing but pinned versions may be taken."""
    where: str = ""
    lock_hint: str = ""
    archives: Mapping[str, SourceFile] = field(default_factory=dict)
    """Wheels and source archives that lie in the workspace."""


NOTHING = Listing()
_OPTIONS = ("groups", "extras", "resolve", "bundle_sdk", "prune", "bytecode", "strip", "provided", "reviewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlan:
    """What a unit is made from.

    `export` is what uv is asked for when there is a uv.lock: the lock's folder and the project's name. Otherwise
    `listing` tells what to install.
    """

    service: Part
    packages: tuple[Part, ...]
    locked: Mapping[str, str]
    requires: Mapping[str, str]
    options: BuildOptions
    export: tuple[Path, str] | None = None
    edges: str = ""
    """With a uv.lock: plans with equal edges get equal requirements from it."""
    listing: Listing = NOTHING

    def inputs(self) -> dict[str, str]:
        """The recipe's inputs that come from the workspace."""
        found = self.service.inputs("source ")
        for part in self.packages:
            found |= part.inputs(f"package {part.name}: ")
        return found | self.lock_inputs()

    def reach(self, service: str, root: Path) -> Reach:
        """The places of the workspace that it depends on."""
        here = (self.service, *self.packages)
        files = {path.partition(":")[0] for path in self.locked if path.endswith(".txt") or ".txt:" in path}
        files |= {f"{self.service.folder}/poetry.lock", *self.listing.archives}
        locks = {}
        if self.export is not None:
            above = self.export[0].relative_to(root).as_posix()
            files.add(os.path.normpath(os.path.join(above, "pyproject.toml")))  # noqa: PTH118 - a relative path, as text
            locks[os.path.normpath(os.path.join(above, "uv.lock"))] = _part_of_lock(self.locked, self.edges)  # noqa: PTH118
        return Reach(
            service=service, folders=tuple(part.folder for part in here), files=tuple(sorted(files)), locks=locks
        )

    def lock_inputs(self) -> dict[str, str]:
        """Those that the installed packages depend on."""
        found = {f"lock {name}": digest for name, digest in self.locked.items()}
        found |= {f"requires {path}": digest for path, digest in self.requires.items()}
        return (
            found | {f"archive {path}": file.digest for path, file in self.listing.archives.items()} | self._options()
        )

    def _options(self) -> dict[str, str]:
        """What the person asked for that is not the default."""
        chosen = {key: getattr(self.options, key) for key in _OPTIONS}
        return {f"option {key}": str(value) for key, value in chosen.items() if value != getattr(BuildOptions(), key)}


class PythonPlanner:
    """Reads manifests and locks of the workspace in `root`; runs nothing."""

    def __init__(self, root: Path, files: SourceFiles) -> None:
        self._root = root
        self._files = files
        self._lock_read: tuple[str, lockfile.Packages] | None = None

    def plan(self, folder: str, options: BuildOptions) -> PythonPlan:
        """Look at a service or package in that folder. Raises BuildFailed when something is missing."""
        manifest = self._manifest(folder)
        lock = self._lock(folder, options)
        if lock is not None:
            return self._plan_from_lock(folder, manifest, options, *lock)
        if (self._root / folder / "poetry.lock").is_file():
            return self._plan_from_poetry(folder, manifest, options)
        if (self._root / folder / "requirements.txt").is_file():
            return self._plan_from_requirements(folder, manifest, options)
        for other in ("pdm.lock", "Pipfile.lock", "pylock.toml"):
            if (self._root / folder / other).is_file():
                raise BuildFailed(
                    f"{other} is not understood yet: uv.lock, poetry.lock and requirements.txt are",
                    where=f"{folder}/{other}",
                    hint=f"export it with hashes to {folder}/requirements.txt, or change to uv: uvx migrate-to-uv",
                )
        if manifest is not None and manifest.depends:
            raise BuildFailed(
                "it has dependencies but no lock",
                where=f"{folder}/pyproject.toml",
                hint=f"uv lock --directory {folder}, or make it a member of the uv workspace and run: uv lock",
            )
        service = self._part(folder, folder, manifest)
        return PythonPlan(service=service, packages=(), locked={}, requires={}, options=options)

    def lock_part(self, folder: str, options: BuildOptions, lock: str, text: str) -> str | None:
        """A digest of what the project in `folder` reaches in a text of the lock at that path; None: not in it."""
        inner = os.path.relpath(folder, os.path.dirname(lock) or ".")  # noqa: PTH120 - a relative path, as text
        fact = self._reached(inner, lock, options, text)
        return None if fact is None else _part_of_lock(lockfile.Locked(**fact).packages, str(fact["edges"]))

    def part(self, folder: str, name: str) -> Part:
        """A shared package of the workspace, whoever reaches it."""
        return self._part(folder, name, self._manifest(folder))

    def _manifest(self, folder: str) -> Manifest | None:
        path = self._root / folder / "pyproject.toml"
        where = f"{folder}/pyproject.toml"
        try:
            fact = self._files.text_fact(
                "pyproject", path, lambda text: pyproject.manifest(text, where=where).to_json()
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Manifest.from_json(fact)

    def _lock(self, folder: str, options: BuildOptions) -> tuple[str, lockfile.Locked] | None:
        """The nearest uv.lock above that knows the project: its folder, and what the project reaches."""
        for above in _above(folder):
            if not self._files.has(posixpath.join(above, "uv.lock")):
                continue
            path = self._root / above / "uv.lock"
            inner = os.path.relpath(folder or ".", above or ".")
            where = f"{above}/uv.lock".lstrip("/")
            asked = [options.bundle_sdk, list(options.groups), list(options.extras)]
            kind = f"lock {inner}" if asked == [False, [], []] else f"lock {inner} {asked}"
            fact = self._files.text_fact(kind, path, partial(self._reached, inner, where, options))
            if fact is not None:
                return above, lockfile.Locked(**fact)
            if any((self._root / folder / name).is_file() for name in ("poetry.lock", "requirements.txt")):
                return None
            raise BuildFailed(
                f"{folder} is not in the lock",
                where=where,
                hint=f"add it to [tool.uv.workspace] members, then: uv lock --directory {above or '.'}",
            )
        return None

    def _reached(self, folder: str, where: str, options: BuildOptions, text: str) -> dict[str, Any] | None:
        if self._lock_read is None or self._lock_read[0] != text:  # all its members ask, and parsing takes long
            self._lock_read = (text, lockfile.parse(text, where=where))
        locked = lockfile.reached(
            self._lock_read[1],
            folder,
            where=where,
            without=python.supplied(options),
            groups=options.groups,
            extras=options.extras,
        )
        return None if locked is None else locked.to_json()

    def _plan_from_lock(
        self,
        folder: str,
        manifest: Manifest | None,
        options: BuildOptions,
        lock_folder: str,
        locked: lockfile.Locked,
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
        if options.groups:
            requires |= {
                f"{part.folder}/pyproject.toml, groups": part.manifest.groups for part in parts if part.manifest
            }
        return PythonPlan(
            service=service,
            packages=tuple(packages),
            locked=locked.packages,
            requires=requires,
            options=options,
            export=(self._root / lock_folder, locked.name),
            edges=locked.edges,
        )

    def _plan_from_poetry(self, folder: str, manifest: Manifest | None, options: BuildOptions) -> PythonPlan:
        where = f"{folder}/poetry.lock"
        texts = [self._files.text(self._root / folder / name) for name in ("poetry.lock", "pyproject.toml")]
        if texts[1] is None:
            raise BuildFailed("there is no pyproject.toml beside it", where=where, hint="poetry init")
        locked = poetry.reached(
            texts[0] or "",
            texts[1],
            where=where,
            groups=options.groups,
            extras=options.extras,
            without=python.supplied(options),
        )
        places = {name: _below(folder, inner) for name, inner in locked.folders.items()}
        archives = self._archives(_below(folder, inner) for inner in locked.archives)
        lines = [line.text for line in locked.roots]
        listing = Listing(
            roots=_text(*locked.options, *sorted(lines), *self._archive_lines(archives)),
            pins=_text(*sorted(requirements.without_hashes(line.text) for line in locked.pins)),
            hashes=_hashes(locked.pins),
            complete=not lines and not archives,
            where=where,
            lock_hint=f"poetry lock --directory {folder}",
            archives=archives,
        )
        return PythonPlan(
            service=self._part(folder, folder, manifest),
            packages=tuple(self._part(place, name, self._manifest(place)) for name, place in sorted(places.items())),
            locked={**locked.packages, "roots": listing.roots},
            requires={},
            options=options,
            listing=listing,
        )

    def _plan_from_requirements(self, folder: str, manifest: Manifest | None, options: BuildOptions) -> PythonPlan:
        parsed = self._requirements(folder, options)
        packages = {place: self._part(place, Path(place).name, self._manifest(place)) for place in parsed.folders}
        packages.pop(folder, None)  # `-e .`
        queue = [place for place in parsed.folders if place != folder]
        while queue:
            place = queue.pop()
            if not (self._root / place / "requirements.txt").is_file():
                continue
            for further in self._requirements(place, options).folders:
                if further not in packages and further not in {place, folder}:
                    packages[further] = self._part(further, Path(further).name, self._manifest(further))
                    queue.append(further)
        listing = self._listing(folder, parsed, options, tuple(packages.values()))
        return PythonPlan(
            service=self._part(folder, folder, manifest),
            packages=tuple(packages[place] for place in sorted(packages)),
            locked={f"{line.where}": line.text for line in parsed.lines}
            | {"options": "\n".join(parsed.options), "roots": listing.roots, "pins": listing.pins},
            requires={},
            options=options,
            listing=listing,
        )

    def _listing(
        self, folder: str, parsed: requirements.Requirements, options: BuildOptions, packages: tuple[Part, ...]
    ) -> Listing:
        """With hashes a listing is complete by pip's rule; else uv says what else it needs, within what is pinned."""
        archives = self._archives(parsed.archives)
        names = {requirements.normalised(part.manifest.name) for part in packages if part.manifest}
        left_out = {*names, *python.supplied(options)}
        needed = [
            text
            for part in packages
            for text in (part.manifest.dependencies if part.manifest else ())
            if requirements.normalised(requirements.name_of(text)) not in left_out
        ]
        complete = parsed.complete and not archives
        further = [*self._archive_lines(archives), *([] if complete else sorted(set(needed)))]
        lines = [*parsed.lines, *further]
        return Listing(
            roots=f"{parsed.text()}{_text(*further)}" if lines else "",
            pins=parsed.constraints(),
            hashes=_hashes((*parsed.pins, *parsed.lines)),
            complete=complete or not lines,
            resolve=options.resolve,
            where=f"{folder}/requirements.txt",
            lock_hint=f"uv pip compile requirements.in -o {folder}/requirements.txt; or as of a day, in service.toml: "
            '[build] resolve = "2026-01-31"',
            archives=archives,
        )

    def _archives(self, places: Iterable[str]) -> dict[str, SourceFile]:
        found = {}
        for place in places:
            path = self._root / place
            if place.startswith("..") or not path.is_file():
                raise BuildFailed("this archive is not in the workspace", where=place, hint="correct the path")
            found[place] = _source_file(self._files, path)
        return found

    def _archive_lines(self, archives: Iterable[str]) -> list[str]:
        return [requirements.archive_line(place, str(self._root / place)) for place in archives]

    def _requirements(self, folder: str, options: BuildOptions) -> requirements.Requirements:
        path = f"{folder}/requirements.txt"
        texts: dict[str, str] = {}
        queue = [path]
        while queue:
            current = queue.pop()
            text = self._files.text(self._root / current)
            if text is not None and current not in texts:
                texts[current] = text
                queue += requirements.includes(current, text)
        return requirements.parse(
            path,
            texts,
            without=python.supplied(options),
            resolves=options.resolve is not None,
            root=str(self._root),
            exists=lambda place: not place.startswith("..") and (self._root / place).exists(),
        )

    def _part(self, folder: str, name: str, manifest: Manifest | None) -> Part:
        path = self._root / folder
        if folder.startswith("..") or not path.is_dir():
            raise BuildFailed(f"package {name} is not in the workspace", where=folder, hint="uv lock")
        files = dict(self._files.walk(folder))
        for named in manifest.files if manifest else ():
            if (path / named).is_file() and named not in files:
                files[named] = _source_file(self._files, path / named)
        return Part(name=name, folder=folder, manifest=manifest, files=files)


def _part_of_lock(packages: Mapping[str, str], edges: str) -> str:
    return python.key("part of a lock", {**packages, "": edges})


def _above(folder: str) -> list[str]:
    """The folder and those above it up to the workspace's root, which is the empty text."""
    parts = Path(folder).parts
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _source_file(files: SourceFiles, path: Path) -> SourceFile:
    return SourceFile(str(path), files.digest(path), executable=False)


def _below(folder: str, inner: str) -> str:
    return os.path.normpath(os.path.join(folder, inner))  # noqa: PTH118 - a relative path, as text


def _hashes(lines: Iterable[requirements.Line]) -> dict[str, str]:
    """The `--hash` options of pinned lines, by `name==version`."""
    found = {}
    for line in lines:
        for name, version in requirements.pinned_versions(requirements.without_hashes(line.text)).items():
            found[f"{name}=={version}"] = " ".join(re.findall(r"--hash[=\s]\S+", line.text))
    return found


def _text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
