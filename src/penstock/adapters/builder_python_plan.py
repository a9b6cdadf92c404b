"""Looks at a Python service: its files, the internal packages that it reaches, what its lock says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.builder_files import SourceFile
from penstock.build import lockfile, pyproject, python, requirements
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.adapters.builder_files import SourceFiles
    from penstock.build.pyproject import Manifest


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


class PythonPlanner:
    """Reads manifests and locks of the workspace in `root`; runs nothing."""

    def __init__(self, root: Path, files: SourceFiles) -> None:
        self._root = root
        self._files = files

    def plan(self, folder: str) -> PythonPlan:
        """Look at a service or package in that folder. Raises BuildFailed when something is missing."""
        manifest = self._manifest(folder)
        lock = self._lock(folder)
        if lock is not None:
            return self._plan_from_lock(folder, manifest, *lock)
        listing = self._root / folder / "requirements.txt"
        if listing.is_file():
            return self._plan_from_requirements(folder, manifest)
        for other in ("poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"):
            if (self._root / folder / other).is_file():
                raise BuildFailed(
                    f"{other} is not understood yet: only uv.lock and requirements.txt are",
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
        return PythonPlan(service=service, packages=(), locked={}, requires={}, export=None, requirements="")

    def part(self, folder: str, name: str) -> Part:
        """A shared package of the workspace, whoever reaches it."""
        return self._part(folder, name, self._manifest(folder))

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


def _reached(text: str, folder: str, where: str) -> dict[str, object] | None:
    locked = lockfile.reached(text, folder, where=where, without=python.SUPPLIED_BY_LAMBDA)
    return None if locked is None else locked.to_json()


def _above(folder: str) -> list[str]:
    """The folder and those above it up to the workspace's root, which is the empty text."""
    parts = Path(folder).parts
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _source_file(files: SourceFiles, path: Path) -> SourceFile:
    return SourceFile(path, files.digest(path), executable=False)
