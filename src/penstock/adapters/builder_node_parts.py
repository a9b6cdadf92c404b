"""What a Node.js service is made from, as values: its parts, what lies around them, what counts in its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.adapters.builder_node_beside import beside
from penstock.adapters.builder_node_installed import Installed
from penstock.adapters.builder_seen import Seen
from penstock.build import node, node_reach, package_json
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFile
    from penstock.build.metafile import Metafile
    from penstock.build.node_sources import Compiled
    from penstock.build.package_json import PackageJson
    from penstock.model.workspace import Workspace

_OPTIONS = ("typecheck", "bundle_sdk", "external", "unbundled", "source_maps", "provided", "reviewed")
_USUAL = BuildOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePart:
    """The service itself, or an internal package that it reaches. `folder` is relative to the workspace."""

    name: str
    folder: str
    manifest: PackageJson
    files: Mapping[str, SourceFile]
    compiled: Compiled | None = None
    """Of a package whose sources are bundled in the place of what `tsc` makes of them."""

    @property
    def is_made(self) -> bool:
        """Whether its build script has to make what others take of it."""
        return bool(package_json.outputs(self.manifest, self.files))

    @property
    def results(self) -> tuple[str, ...]:
        """Where its build script puts what it makes, relative to the folder."""
        return package_json.results(self.manifest, self.files)

    def inputs(self, label: str, *, whole: bool = False) -> dict[str, str]:
        """What its bytes depend on; `whole` says that all of its package.json counts, which scripts may read."""
        manifest = self.files.get("package.json") if whole else None
        found = {f"{label}{path}": file.value for path, file in self.files.items() if path != "package.json"}
        return found | {f"{label}package.json": manifest.digest if manifest else self.manifest.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What a unit is made from. `packages` come after those they depend on."""

    workspace: Workspace
    service: NodePart
    packages: tuple[NodePart, ...]
    top: Path
    """The folder that holds the lock and node_modules."""
    top_folder: str
    """The same relative to the workspace; `.` is the workspace itself."""
    lock_name: str
    lock: str
    """Digest of the lock."""
    members: tuple[str, ...]
    """Folders of all services and packages that share node_modules."""
    settings: Mapping[str, str]
    """Digests of files outside the service that change what esbuild does."""
    types: Mapping[str, str]
    """Digests of files outside the parts that hold types which these ask for."""
    absent: tuple[str, ...] = ()
    """Where such files would count, if they were there."""
    instead: Mapping[str, str]
    """Sources, relative to the workspace, by the modules whose place they take."""
    paths: Mapping[str, tuple[str, ...]] | None
    """Where TypeScript is to look for modules, when it is not to look for what nobody makes."""
    machine: Mapping[str, str]
    """What of the machine is in what packages' build scripts make; nothing where there are no such packages."""
    copies: Mapping[str, str | None]
    """Folders, relative to the workspace, that lie as copies in node_modules, by name; None for one that is elsewhere.

    Their files are among `settings`.
    """
    made_at_install: bool
    """Whether a script of the workspace that names a file of it runs at an install, and may make packages."""
    unread: frozenset[str] | None = None
    """Files of the service that count for its types only; None where all of them count for the bundle."""
    manifests_read: bool = False
    """Whether a source imports a package.json, for its version for example."""
    options: BuildOptions = _USUAL
    seen: Seen = field(default_factory=Seen, compare=False)
    """What it was found out from."""

    def inputs(self) -> dict[str, str]:
        """The recipe's inputs that come from the workspace."""
        unread = {f"source {path}" for path in self.unread or ()}
        found = {name: value for name, value in self._part_inputs().items() if name not in unread}
        found |= {f"in the place of {module}": path for module, path in self.instead.items()}
        if self.manifests_read:  # else only those keys count that change what is resolved
            files = {part.folder: part.files.get("package.json") for part in (self.service, *self.packages)}
            found |= {f"all of {folder}/package.json": file.digest for folder, file in files.items() if file}
        return found | self._shared_inputs() | self._chosen() | dict(self.machine)

    def holders(self, root: Path) -> tuple[Path, ...]:
        """Folders whose node_modules the lock speaks for, the service's first. Others' packages are in no recipe."""
        service = root / self.service.folder
        above = (service, *service.parents)
        return above[: above.index(self.top) + 1] if self.lock_name else ()

    @property
    def beside(self) -> frozenset[str]:
        """Names of packages of the workspace of which files lie beside the bundle."""
        return beside(self.packages, self.options.unbundled)

    def is_locked(self, path: str) -> bool:
        """Whether the lock speaks for a file in a node_modules, by its path from the workspace.

        Raises BuildFailed for one of a copy of a folder of which no recipe speaks.
        """
        return Installed(self).is_locked(path)

    def check_bundle(self, meta: Metafile, source: str) -> None:
        """Raise BuildFailed when a metafile speaks of a file that is none of the inputs."""
        parts = (self.service, *self.packages)
        known = {f"{part.folder}/{path}" for part in parts for path in part.files}
        known -= {f"{self.service.folder}/{path}" for path in self.unread or ()}
        if not self.manifests_read:
            known -= {f"{part.folder}/package.json" for part in parts}
        made = [f"{part.folder}/{one}" for part in self.packages for one in part.results]
        node_reach.check_inputs(
            meta, [part.folder for part in parts], known, tuple(made), is_locked=Installed(self).is_locked, where=source
        )
        node_reach.check_types(meta, {*known, *self.types, *self.settings}, tuple(made), source)

    def type_inputs(self) -> dict[str, str]:
        """What the types depend on."""
        return self._part_inputs() | self._shared_inputs()

    def only_checked(self) -> dict[str, str]:
        """Sources whose types are checked and that are in no recipe: tests. Nothing where nobody checks types."""
        if not self.options.typecheck or "tsconfig.json" not in self.service.files:
            return {}
        sources = (path for path in self.unread or () if path.endswith(node.EXTENSIONS))
        return {f"source {path}": self.service.files[path].value for path in sources}

    def _part_inputs(self) -> dict[str, str]:
        found, beside_bundle = self.service.inputs("source "), self.beside
        for part in self.packages:
            found |= part.inputs(f"package {part.folder}: ", whole=part.is_made or part.name in beside_bundle)
        return found

    def _shared_inputs(self) -> dict[str, str]:
        found = {f"lock {self.lock_name}": self.lock} | {f"types {k}": v for k, v in self.types.items()}
        return found | {f"settings {k}": v for k, v in self.settings.items()}

    def _chosen(self) -> dict[str, str]:
        """What the person asked for that is not the default."""
        values = {key: getattr(self.options, key) for key in _OPTIONS}
        return {f"option {key}": str(value) for key, value in values.items() if value != getattr(BuildOptions(), key)}
