"""Looks at a Python service: its files, the internal packages that it reaches, what its lock says."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.adapters.builder_files import SourceFile
from penstock.adapters.builder_python_listed import ListedPlanner
from penstock.adapters.builder_python_parts import (
    RUN_BY_BACKENDS,
    Listing,
    Part,
    PythonPlan,
    below,
    part_of_lock,
)
from penstock.build import lockfile, pyproject, python
from penstock.build.folders import upwards
from penstock.build.ignore import excludes, named_in
from penstock.build.pyproject import Manifest
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFiles
    from penstock.build.changes import Reach
    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions


_OTHER_LOCKS = {
    "pdm.lock": "pdm export --prod --format requirements --output requirements.txt",
    "Pipfile.lock": "pipenv requirements --hash > requirements.txt",
    "pylock.toml": "uv pip compile --generate-hashes --output-file requirements.txt, from what the lock was made of",
}
"""Locks of other tools, each with the command that makes of it what is understood."""


_TELL_BACKENDS = (*RUN_BY_BACKENDS, "setup.cfg", "MANIFEST.in")
"""What tells a backend which files to ship, besides pyproject.toml."""


def _counting(manifest: Manifest) -> str:
    """What of a pyproject.toml above a service is in recipes: no comments, no settings of linters."""
    return f"{manifest.requires} {manifest.settings}"


class PythonPlanner:
    """Reads manifests and locks of the workspace in `root`, only through `files`; runs nothing."""

    def __init__(self, root: Path, files: SourceFiles) -> None:
        self._root = root
        self._files = files
        self._listed = ListedPlanner(root, files, self._manifest, self._part)
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._lock_read: tuple[str, lockfile.Packages] | None = None

    def plan(self, folder: str, options: BuildOptions) -> PythonPlan:
        """Look at a service in that folder. Raises BuildFailed when something is missing."""
        found = self._plan(folder, options)
        files = {path: file for path, file in found.service.files.items() if not excludes(options.exclude, path)}
        return replace(found, service=replace(found.service, files=files))

    def _plan(self, folder: str, options: BuildOptions) -> PythonPlan:
        manifest = self._manifest(folder)
        lock = self._lock(folder, options)
        if lock is not None:
            return self._plan_from_lock(folder, manifest, options, *lock)
        if self._files.has(posixpath.join(folder, "poetry.lock")):
            return self._listed.from_poetry(folder, manifest, options)
        if self._files.has(posixpath.join(folder, "requirements.txt")):
            return self._listed.from_requirements(folder, manifest, options)
        self._refuse_others(folder, depends=manifest is not None and manifest.depends)
        if manifest is not None and manifest.depends:
            raise BuildFailed(
                "it has dependencies but no lock",
                where=f"{folder}/pyproject.toml",
                hint=self._lock_hint(folder),
            )
        service = self._part(folder, folder, manifest)
        return PythonPlan(service=service, packages=(), locked={}, requires={}, options=options)

    def _lock_hint(self, folder: str) -> str:
        if pyproject.is_poetrys(self._files.text(self._root / folder / "pyproject.toml") or ""):
            return f"poetry lock --directory {folder}"
        return f"uv lock --directory {folder}, or make it a member of the uv workspace and run: uv lock"

    def again(self, plan: PythonPlan, target: Target) -> PythonPlan:
        """Look at the same once more, as it is now. Raises BuildFailed when something is missing."""
        return self.plan(plan.service.folder, plan.options).for_target(target)

    def _refuse_others(self, folder: str, *, depends: bool) -> None:
        """Raise BuildFailed for another tool's lock: beside the service, or above one that `depends` on something."""
        for above in upwards(folder) if depends else [folder]:
            for lock, export in _OTHER_LOCKS.items():
                if self._files.has(posixpath.join(above, lock)):
                    raise BuildFailed(
                        f"{lock} is not understood yet: uv.lock, poetry.lock and requirements.txt are",
                        where=posixpath.join(above, lock),
                        hint=f"write {folder}/requirements.txt by: {export}; or change to uv: uvx migrate-to-uv",
                    )

    def reach(self, plan: PythonPlan, service: str) -> Reach:
        """The places of the workspace that it depends on; of a pyproject.toml above, the keys that are in recipes."""
        found = plan.reach(service, self._root)
        whole = {below(part.folder, path) for part in (plan.service, *plan.packages) for path in part.named}
        counting = {
            path: _counting(manifest)
            for path in {*found.files} - {*whole, *plan.listing.files}
            if posixpath.basename(path) == "pyproject.toml"
            and not any(path.startswith(f"{folder}/") for folder in found.folders)
            and (manifest := self._manifest(posixpath.dirname(path))) is not None
        }
        files = tuple(path for path in found.files if path not in counting)
        return replace(found, files=files, locks={**found.locks, **counting})

    def lock_part(self, folder: str, options: BuildOptions, lock: str, text: str) -> str | None:
        """A digest of what the project in `folder` reaches in a text of the lock at that path; None: not in it.

        Or of what counts in that of a pyproject.toml above.
        """
        if posixpath.basename(lock) == "pyproject.toml":
            try:
                return _counting(pyproject.manifest(text, where=lock))
            except BuildFailed:
                return None
        inner = os.path.relpath(folder, os.path.dirname(lock) or ".")  # noqa: PTH120 - a relative path, as text
        fact = self._reached(inner, lock, options, text)
        return None if fact is None else part_of_lock(lockfile.Locked(**fact).packages, str(fact["edges"]))

    def part(self, folder: str, name: str) -> Part:
        """A shared package of the workspace, whoever reaches it."""
        return self._part(folder, name, self._manifest(folder))

    def _manifest(self, folder: str) -> Manifest | None:
        path = posixpath.join(folder, "pyproject.toml")
        text = self._files.setting(path)
        if text is None:
            return None
        key = (folder, text)
        if key not in self._manifests:
            fact = self._files.fact_of("pyproject 8", text, lambda: pyproject.manifest(text, where=path).to_json())
            self._manifests[key] = Manifest.from_json(fact)
        return self._manifests[key]

    def _lock(self, folder: str, options: BuildOptions) -> tuple[str, lockfile.Locked] | None:
        """The nearest uv.lock above that knows the project: its folder, and what the project reaches."""
        for above in upwards(folder):
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
            if any(self._files.has(posixpath.join(folder, name)) for name in ("poetry.lock", "requirements.txt")):
                return None
            raise BuildFailed(
                f"{folder} is not in the lock",
                where=where,
                hint=f"add it to [tool.uv.workspace] members, then: uv lock --directory {above or '.'}",
            )
        return None

    def _reached(self, folder: str, where: str, options: BuildOptions, text: str) -> dict[str, Any] | None:
        read = self._lock_read  # another thread may read another lock meanwhile
        if read is None or read[0] != text:  # all its members ask, and parsing takes long
            read = self._lock_read = (text, lockfile.parse(text, where=where))
        locked = lockfile.reached(
            read[1],
            folder,
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
        conditions = {}
        for name, inner in sorted(locked.internal.items()):
            place = os.path.normpath(os.path.join(lock_folder, inner))  # noqa: PTH118 - a relative path, as text
            packages.append(self._part(place, name, self._manifest(place)))
            if name in locked.conditions:
                conditions[place] = locked.conditions[name]
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
            conditions=conditions,
            listing=Listing(archives=self._archives(lock_folder, locked.archives)),
        )

    def _archives(self, lock_folder: str, archives: Iterable[str]) -> dict[str, SourceFile]:
        found = {}
        for inner in archives:
            place = below(lock_folder, inner)
            if place.startswith("..") or not self._files.has(place):
                raise BuildFailed(
                    "this archive is not in the workspace", where=place, hint="correct the path, and: uv lock"
                )
            path = self._root / place
            found[place] = SourceFile(str(path), self._files.digest(path), executable=False)
        return found

    def _part(self, folder: str, name: str, manifest: Manifest | None) -> Part:
        path = self._root / folder
        if folder.startswith("..") or not self._files.has_folder(folder):
            raise BuildFailed(f"package {name} is not in the workspace", where=folder, hint="uv lock")
        files = dict(self._files.walk(folder))
        part = Part(
            name=name,
            folder=folder,
            manifest=manifest,
            files=files,
            settings=self.settings(folder),
            ships_manifest=manifest is not None and (manifest.names_itself or self._is_named(files)),
        )
        named = [*(manifest.files if manifest else ()), *(self._read_by_backends(files) if part.buildable else ())]
        for one in named:
            place = below(folder, one)
            inner = os.path.relpath(place, folder)
            if place.startswith(("..", "/")) or self._files.leads_out(place):
                raise BuildFailed(
                    f"{one} lies outside of the workspace",
                    where=f"{folder}/pyproject.toml",
                    hint="name a file of the workspace, by its path from the package",
                )
            if inner not in files and self._files.has(place):
                files[inner] = SourceFile(str(path / inner), self._files.digest(path / inner), executable=False)
        return replace(part, named=tuple(named))

    def _read_by_backends(self, files: Mapping[str, SourceFile]) -> Iterator[str]:
        """Files that are left out by rule, but spoken of by code that runs when the package is built."""

        def names(file: SourceFile) -> list[str]:
            return named_in(file.read().decode(errors="replace"))

        for name in (*RUN_BY_BACKENDS, "setup.cfg"):
            if name in files:
                yield from self._files.known("names left out", files[name], partial(names, files[name]))

    def _is_named(self, files: Mapping[str, SourceFile]) -> bool:
        """Whether one of those that tell a backend what to ship speaks of pyproject.toml."""

        def names(file: SourceFile) -> bool:
            return pyproject.names_manifest(file.read().decode(errors="replace"))

        there = (files[name] for name in _TELL_BACKENDS if name in files)
        return any(self._files.known("names a manifest", file, partial(names, file)) for file in there)

    def settings(self, folder: str) -> dict[str, str]:
        """Digests of settings of uv's that hold in the folder. Those of the machine count nowhere."""
        found = {}
        for above in upwards(folder):
            path = below(above, "uv.toml")
            if self._files.has(path):
                found[path] = self._files.digest(self._root / path)
            manifest = self._manifest(above)
            if manifest is not None and manifest.settings:
                found[below(above, "pyproject.toml")] = manifest.settings
        return found
