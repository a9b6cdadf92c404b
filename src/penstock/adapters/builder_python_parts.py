"""What a Python service is made from, as values: its parts, what its lock says, what else is to be installed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.adapters.builder_seen import Seen
from penstock.build import python
from penstock.build.changes import Reach
from penstock.build.folders import upwards
from penstock.build.markers import applies
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFile
    from penstock.build.pyproject import Manifest
    from penstock.model.artifact import Target


BACKENDS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""Version of the Python that runs build backends: ours."""
RUN_BY_BACKENDS = ("setup.py", "hatch_build.py", "pdm_build.py", "build.py")
"""Code of a package's own that runs when it is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The service itself, or an internal package that it reaches. `folder` is relative to the workspace."""

    name: str
    folder: str
    manifest: Manifest | None
    files: Mapping[str, SourceFile]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Digests of what settings of uv's say in its folder and those above, by the files that hold them."""
    named: tuple[str, ...] = ()
    """READMEs, licences and what else metadata, or code of its own for the build, names; by paths from its folder."""
    ships_manifest: bool = False
    """Whether pyproject.toml may be data of the package, so that all of it counts."""

    @property
    def buildable(self) -> bool:
        """Whether a build backend makes it a package; else its files are taken as they are."""
        if self.manifest is None:
            return "setup.py" in self.files  # an old package: setup.py is its manifest
        # Poetry projects that are only applications have no module of their name, and cannot be built.
        module = self.manifest.module
        places = (f"{module}/", f"src/{module}/", f"{module}.py", f"src/{module}.py")
        return self.manifest.buildable and (not module or any(path.startswith(places) for path in self.files))

    @property
    def said_in(self) -> str:
        """The file that says how it is built."""
        return f"{self.folder}/{'pyproject.toml' if self.manifest else 'setup.py'}"

    def inputs(self, label: str) -> dict[str, str]:
        """What its bytes depend on."""
        found = {f"{label}{path}": file.value for path, file in self.files.items() if path != "pyproject.toml"}
        if self.manifest is not None:
            whole = self.files["pyproject.toml"].value if self.ships_manifest else self.manifest.digest
            found[f"{label}pyproject.toml"] = whole
        return found

    def ambient(self) -> dict[str, str]:
        """What holds for uv's work in its folder."""
        return {f"settings {path}": digest for path, digest in self.settings.items()}


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
    links: tuple[str, ...] = ()
    """Folders of the workspace in which archives are looked for."""
    files: tuple[str, ...] = ()
    """The files that say all this, relative to the workspace."""


NOTHING = Listing()
_OPTIONS = (
    "groups",
    "extras",
    "resolve",
    "bundle_sdk",
    "prune",
    "bytecode",
    "strip",
    "provided",
    "exclude",
    "reviewed",
)


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
    conditions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Markers, of which one has to apply, by the folders of packages that not every target needs."""
    seen: Seen = field(default_factory=Seen, compare=False)
    """What it was found out from."""

    def for_target(self, target: Target) -> PythonPlan:
        """The plan with the packages that the target needs."""
        left_out = {
            folder
            for folder, alternatives in self.conditions.items()
            if not any(applies(marker, target) for marker in alternatives)
        }
        return replace(self, packages=tuple(part for part in self.packages if part.folder not in left_out))

    def inputs(self) -> dict[str, str]:
        """The recipe's inputs that come from the workspace."""
        found = self.service.inputs("source ")
        for part in self.packages:
            found |= part.inputs(f"package {part.folder}: ")  # a name may be that of two
        built = (part for part in (self.service, *self.packages) if part.buildable)
        if any(name in part.files for part in built for name in RUN_BY_BACKENDS):
            found["tool python for backends"] = BACKENDS_PYTHON
        return found | self.lock_inputs()

    def reach(self, service: str, root: Path) -> Reach:
        """The places of the workspace that it depends on."""
        here = (self.service, *self.packages)
        files = {*self.listing.files, *self.listing.archives}
        locks = {}
        if self.export is not None:
            above = self.export[0].relative_to(root).as_posix()
            files.add(below(above, "pyproject.toml"))
            locks[below(above, "uv.lock")] = part_of_lock(self.locked, self.edges)
        for part in here:  # no folder counts these by itself
            files.update(settings_files(part.folder), (below(part.folder, path) for path in part.named))
        folders = (*(part.folder for part in here), *self.listing.links)
        exclude = self.options.exclude
        return Reach(service=service, folders=folders, files=tuple(sorted(files)), locks=locks, exclude=exclude)

    def lock_inputs(self) -> dict[str, str]:
        """Those that the installed packages depend on."""
        found = {f"lock {name}": digest for name, digest in self.locked.items()}
        found |= {f"requires {path}": digest for path, digest in self.requires.items()}
        for part in (self.service, *self.packages):
            found |= part.ambient()
        return (
            found | {f"archive {path}": file.digest for path, file in self.listing.archives.items()} | self._options()
        )

    def _options(self) -> dict[str, str]:
        """What the person asked for that is not the default."""
        chosen = {key: getattr(self.options, key) for key in _OPTIONS}
        return {f"option {key}": str(value) for key, value in chosen.items() if value != getattr(BuildOptions(), key)}


def below(folder: str, inner: str) -> str:
    """A path as one of the workspace, when it is told as one of a folder there."""
    return os.path.normpath(os.path.join(folder, inner))  # noqa: PTH118 - a relative path, as text


def settings_files(folder: str) -> list[str]:
    """Where uv looks for settings when it works in that folder, as far as that is the workspace."""
    return [f"{above}/{name}".lstrip("/") for above in upwards(folder) for name in ("uv.toml", "pyproject.toml")]


def part_of_lock(packages: Mapping[str, str], edges: str) -> str:
    """A digest of what a project reaches in its lock."""
    return python.key("part of a lock", {**packages, "": edges})
