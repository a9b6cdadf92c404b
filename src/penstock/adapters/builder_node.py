"""Builds a Node.js function: packages from the lock, shared packages by their own scripts, one file by esbuild."""

from __future__ import annotations

import contextlib
import posixpath
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_node_native import NativePackages
from penstock.adapters.builder_node_together import Bundled, Together
from penstock.adapters.builder_node_types import TypeCheck
from penstock.adapters.builder_proof import check_secrets
from penstock.adapters.node_tools import ESBUILD, read_package_json
from penstock.build import archive, node, node_lock, package_json, proof, python, tsconfig
from penstock.build.changes import Reach
from penstock.model.errors import BuildFailed, PenstockError
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.node_tools import NodeTools
    from penstock.build.archive import Member
    from penstock.build.package_json import PackageJson
    from penstock.build.units import Unit
    from penstock.model.artifact import Target
    from penstock.model.workspace import Workspace
    from penstock.ports import Command, Commands

BUILDER = "2"
"""Raised whenever the same inputs would give other bytes than before."""
_OPTIONS = ("bundle_sdk", "external", "unbundled", "source_maps", "reviewed")
_USUAL = BuildOptions()
_NO_MANIFEST = package_json.package_json("{}", where="")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePart:
    """The service itself, or an internal package that it reaches. `folder` is relative to the workspace."""

    name: str
    folder: str
    manifest: PackageJson
    files: Mapping[str, SourceFile]

    def inputs(self, label: str) -> dict[str, str]:
        """What its bytes depend on."""
        found = {f"{label}{path}": file.value for path, file in self.files.items() if path != "package.json"}
        return found | {f"{label}package.json": self.manifest.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What a unit is made from. `packages` come after those they depend on."""

    service: NodePart
    packages: tuple[NodePart, ...]
    top: Path
    """The folder that holds the lock and node_modules."""
    lock_name: str
    lock: str
    """Digest of the lock."""
    members: tuple[str, ...]
    """Folders of all services and packages that share node_modules."""
    settings: Mapping[str, str]
    """Digests of files outside the service that change what esbuild does."""
    options: BuildOptions = _USUAL

    def inputs(self) -> dict[str, str]:
        """The recipe's inputs that come from the workspace."""
        found = self.service.inputs("source ")
        for part in self.packages:
            found |= part.inputs(f"package {part.name}: ")
        return found | self._shared_inputs() | self._chosen()

    def type_inputs(self) -> dict[str, str]:
        """What the types depend on."""
        found = self.service.inputs("source ")
        for part in self.packages:
            found |= part.inputs(f"package {part.name}: ")
        return found | self._shared_inputs()

    def _shared_inputs(self) -> dict[str, str]:
        return {f"lock {self.lock_name}": self.lock} | {f"settings {k}": v for k, v in self.settings.items()}

    def _chosen(self) -> dict[str, str]:
        """What the person asked for that is not the default."""
        values = {key: getattr(self.options, key) for key in _OPTIONS}
        return {f"option {key}": str(value) for key, value in values.items() if value != getattr(BuildOptions(), key)}


@dataclass(frozen=True, slots=True)
class _Bundle:
    """One run of esbuild: its program, the source, a folder for results, the file's place in the ZIP."""

    esbuild: Path
    source: str
    scratch: Path
    place: str


class NodeBuilder:
    """Looks at Node.js units and builds them with esbuild."""

    def __init__(self, root: Path, commands: Commands, cache: ZipCache, files: SourceFiles, tools: NodeTools) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._files = files
        self._tools = tools
        self._types = TypeCheck(root, commands, cache, tools)
        self._natives = NativePackages(root, cache, tools)
        self._packer = archive.tools()
        self._shared_once: list[NodePart] | None = None
        self._members_once: tuple[str, ...] = ()
        self._together = Together(commands.run)
        self._plans: dict[str, tuple[Unit, Target, NodePlan]] = {}
        self._requires: dict[Path, str] = {}
        self._lock_texts: dict[str, node_lock.Lock | None] = {}
        self._one_at_a_time = threading.Lock()

    def tools(self) -> dict[str, str]:
        """Versions of what makes the bytes; esbuild's own is in the lock."""
        return {**self._packer, "tool esbuild": f"{ESBUILD}, unless the lock has one", "tool penstock": BUILDER}

    def plan(self, workspace: Workspace, folder: str, options: BuildOptions | None = None) -> NodePlan:
        """Look at a service or package in that folder. Raises BuildFailed when something is missing."""
        shared = self._shared(workspace)
        service = self._part(folder, folder, self._manifest(folder) or _NO_MANIFEST)
        top, lock_name = self._lock(folder, needed=bool(service.manifest.depends_on))
        by_name = {part.name: part for part in shared}
        names = package_json.reached(service.manifest, {name: part.manifest for name, part in by_name.items()})
        packages = tuple(
            self._part(by_name[name].folder, name, by_name[name].manifest) for name in names if name != service.name
        )
        packages += self._aliased((service, *packages))
        parts = (service, *packages)
        return NodePlan(
            service=service,
            packages=packages,
            top=top,
            lock_name=lock_name,
            lock=self._files.digest(top / lock_name) if lock_name else "",
            members=self._members(workspace, shared),
            settings=self._settings(parts, {part.name: part.folder for part in shared}, top),
            options=options or BuildOptions(),
        )

    def reach(self, plan: NodePlan, service: str) -> Reach:
        """The places of the workspace that a service depends on; of a lock its part, or all where that is not clear."""
        folders = tuple(part.folder for part in (plan.service, *plan.packages))
        locks = {}
        if plan.lock_name:
            lock = plan.top / plan.lock_name
            locks[lock.relative_to(self._root).as_posix()] = self.lock_part(plan, self._files.text(lock) or "")
        known = {path: digest for path, digest in locks.items() if digest is not None}
        return Reach(service=service, folders=folders, files=(*plan.settings, *(locks.keys() - known)), locks=known)

    def lock_part(self, plan: NodePlan, text: str) -> str | None:
        """A digest of what the plan's folders reach in a text of its lock; None when that is not clear."""
        if text not in self._lock_texts:
            self._lock_texts[text] = node_lock.parse(plan.lock_name, text)
        lock = self._lock_texts[text]
        if lock is None:
            return None
        parts = (plan.service, *plan.packages)
        top = plan.top.relative_to(self._root).as_posix()
        asked = (node_lock.package_of(module) for part in parts for module in self._imported(part))
        folders = [posixpath.relpath(part.folder, top) for part in parts]
        return node_lock.part(lock, folders, {name for name in asked if name is not None})

    def expect(self, units: Sequence[tuple[Unit, Target, NodePlan]]) -> None:
        """Say which units are about to be built, so that esbuild is asked for all of them at once."""
        self._plans = {unit.name: (unit, target, plan) for unit, target, plan in units}
        groups: dict[tuple[object, ...], dict[str, str]] = {}
        for unit, target, plan in units:
            options = plan.options
            words = (options.external, options.unbundled, options.source_maps, options.bundle_sdk)
            with contextlib.suppress(BuildFailed):
                source = posixpath.join(plan.service.folder, _entry(unit, plan).source)
                key = (plan.top, target.version, plan.service.manifest.format, *words)
                groups.setdefault(key, {})[unit.name] = source
        self._together.plan(groups.values())

    def build(self, unit: Unit, target: Target, plan: NodePlan) -> tuple[tuple[Member, ...], str]:
        """Everything that goes into the unit's ZIP, and what the bundle is made of (esbuild's metafile).

        One file, unless a package cannot be bundled.
        """
        manifest = f"{plan.service.folder}/service.toml"
        entry = _entry(unit, plan)
        self._bring(plan)
        for part in (plan.service, *plan.packages):
            check_secrets(part.folder, part.files, plan.options)
        if plan.options.typecheck:
            self._types.check(plan.service.folder, plan.type_inputs())
        esbuild = self._tools.esbuild(self._root / plan.service.folder)
        source = posixpath.join(plan.service.folder, entry.source)
        with self._cache.scratch() as scratch:
            members, meta = self._bundled(_Bundle(esbuild, source, scratch, entry.place), unit, target, plan)
            names = node.exported(meta) if plan.service.manifest.format == "esm" else None
            names = self._exported(esbuild, source, scratch) if names is None else names
            node.check_export(entry, names, self._files.text(self._root / source) or "", where=manifest)
            for part in (plan.service, *plan.packages):
                if self._part(part.folder, part.name, part.manifest).files != part.files:
                    raise changed_meanwhile(part.folder)
        proof.check_names(members, where=plan.service.folder)
        proof.check_native(members, target, where=plan.service.folder)
        return members, meta

    def _bring(self, plan: NodePlan) -> None:
        """Make what lies around the sources: node_modules and what shared packages build."""
        self.install(plan)
        for part in plan.packages:
            self.build_package(part, plan)

    def _can_join(self, name: str) -> bool:
        """Bring what another unit needs, on its behalf; its own errors it will tell itself."""
        try:
            self._bring(self._plans[name][2])
        except PenstockError:
            return False
        return True

    def _bundled(self, one: _Bundle, unit: Unit, target: Target, plan: NodePlan) -> tuple[tuple[Member, ...], str]:
        """The bundle and what lies beside it, and esbuild's metafile."""
        beside: frozenset[str] = frozenset(plan.options.unbundled)

        def command() -> Command:
            return node.bundle_command(
                one.esbuild,
                self._root,
                one.source,
                one.scratch,
                target=target,
                form=plan.service.manifest.format,
                options=plan.options,
                beside=sorted(beside),
            )

        made = self._together.take(
            unit.name,
            one.scratch,
            lambda sources, into: node.bundles_command(command(), self._root, sources, into),
            self._can_join,
        )
        while True:
            made = made or self._alone(command(), one)
            native = self._natives.found(node.packages_in(made.meta)) - beside
            if not native:
                break
            beside |= native
            made = None
        node.check_inputs(made.meta, [part.folder for part in (plan.service, *plan.packages)], where=one.source)
        code = made.code
        maps = self._source_map(made, one, unit, plan)
        if plan.options.source_maps == "inside":
            code += f"//# sourceMappingURL={posixpath.basename(one.place)}.map\n".encode()
        beside_members = self._natives.members(beside, self._root / plan.service.folder, target) if beside else ()
        return (archive.pack(one.place, code), *maps, *beside_members), made.meta

    def _alone(self, command: Command, one: _Bundle) -> Bundled:
        result = self._commands.run(command)
        if result.status != 0:
            raise node.bundle_failure(result.stderr, one.source)
        source_map = one.scratch / "bundle.map"
        return Bundled(
            code=(one.scratch / "bundle").read_bytes(),
            map=source_map.read_text(encoding="utf-8") if source_map.exists() else None,
            meta=(one.scratch / "meta.json").read_text(encoding="utf-8"),
            made_in=one.scratch.as_posix(),
        )

    def _source_map(self, made: Bundled, one: _Bundle, unit: Unit, plan: NodePlan) -> tuple[Member, ...]:
        """The map as a file of the ZIP, or nothing when it is kept apart: it weighs more than the code."""
        if made.map is None:
            return ()
        content = node.source_map(made.map, made.made_in, self._root.as_posix())
        if plan.options.source_maps == "inside":
            return (archive.pack(f"{one.place}.map", content),)
        apart = self._root / ".penstock" / "source-maps" / unit.name / f"{one.place}.map"
        with contextlib.suppress(OSError):  # the artifact is none the worse for it
            apart.parent.mkdir(parents=True, exist_ok=True)
            draft = one.scratch / "apart.map"
            draft.write_bytes(content)
            draft.replace(apart)
        return ()

    def install(self, plan: NodePlan) -> None:
        """Bring node_modules in line with the lock and the manifests of all of the workspace's members."""
        if not plan.lock_name:
            return
        if plan.top not in self._requires:
            told = plan.top.relative_to(self._root).as_posix()
            manifests = {folder: self._manifest(folder) for folder in (told, *plan.members)}
            parts = {folder: manifest.requires for folder, manifest in manifests.items() if manifest}
            beside = {f"settings {name}": self._digest_if_there(plan.top / name) for name in node.SETTINGS}
            beside = {name: digest for name, digest in beside.items() if digest}
            self._requires[plan.top] = python.key("node-modules", {**parts, **beside, "lock": plan.lock, "top": told})
        self._tools.install(plan.top, plan.lock_name, self._requires[plan.top])

    def begin(self) -> None:
        """Look at the manifests anew."""
        self._requires.clear()

    def build_package(self, part: NodePart, plan: NodePlan, *, always: bool = False) -> bool:
        """Run a package's build script when what it makes is needed and not as we left it; whether it ran.

        `always` runs it also when no entry of the package leads to what the script makes.
        """
        wanted = package_json.outputs(part.manifest, part.files)
        if part.manifest.build_script is None or not (wanted or always):
            return False
        with self._one_at_a_time:
            return self._build_package(part, plan, wanted)

    def _build_package(self, part: NodePart, plan: NodePlan, wanted: tuple[str, ...]) -> bool:
        by_name = {inner.name: inner for inner in plan.packages}
        # All that it reaches: it may take in results that have taken in others'.
        names = package_json.reached(part.manifest, {name: inner.manifest for name, inner in by_name.items()})
        below = [by_name[name] for name in names if name != part.name]
        inputs = part.inputs("") | {f"{inner.name}: {k}": v for inner in below for k, v in inner.inputs("").items()}
        # Its own, not those of the service that happens to ask first.
        found = self._settings((part, *below), {name: inner.folder for name, inner in by_name.items()}, plan.top)
        settings = {f"settings {path}": digest for path, digest in found.items()}
        key = python.key("package", inputs | settings | {"lock": plan.lock, "folder": part.folder})
        note = self._cache.note("package", key)
        if note is not None and note == self._made(part, wanted):
            return False
        with self._tools.alone():
            if self._cache.note("package", key) != self._made(part, wanted):  # else another process has just made it
                self._tools.run_build_script(self._root / part.folder, plan.top, plan.lock_name, part.name)
            made = self._made(part, wanted)
        missing = sorted(path for path, digest in made.items() if not digest)
        if missing:
            raise BuildFailed(
                f"its build script did not make {', '.join(missing)}",
                where=f"{part.folder}/package.json",
                hint="let `main` and `exports` name files that `build` makes",
            )
        self._cache.keep_note("package", key, made)
        return True

    def package_builds(self, workspace: Workspace) -> dict[str, Callable[[], bool]]:
        """How to build each shared package that has a build script, each after those it depends on."""
        shared = {part.name: part for part in self._shared(workspace)}
        manifests = {name: part.manifest for name, part in shared.items()}
        order = [
            inner for name in sorted(shared) for inner in (*package_json.reached(manifests[name], manifests), name)
        ]
        return {
            name: partial(self._build_alone, workspace, shared[name].folder)
            for name in dict.fromkeys(order)
            if manifests[name].build_script is not None
        }

    def _build_alone(self, workspace: Workspace, folder: str) -> bool:
        plan = self.plan(workspace, folder)
        self.install(plan)
        part = self._part(folder, plan.service.manifest.name, plan.service.manifest)
        return self.build_package(part, plan, always=True)

    # ---------------------------------------------------------------- what there is

    def _lock(self, folder: str, *, needed: bool) -> tuple[Path, str]:
        """Where the lock lies and what it is called; nothing of the kind for a service without any dependency."""
        for above in _upwards(folder):
            for name in node.LOCKS:
                if self._files.has(posixpath.join(above, name)):
                    return self._root / above, name
            for name in node.OTHER_LOCKS:
                if self._files.has(posixpath.join(above, name)):
                    raise BuildFailed(
                        f"{name}: only pnpm's, npm's and Yarn's locks are understood",
                        where=posixpath.join(above, name),
                        hint="pnpm import (makes a pnpm-lock.yaml from it)",
                    )
        if not needed:
            return self._root / folder, ""
        raise BuildFailed(
            "there is no pnpm-lock.yaml, package-lock.json or yarn.lock",
            where=folder,
            hint="pnpm install (or npm install, or yarn install)",
        )

    def _manifest(self, folder: str) -> PackageJson | None:
        return read_package_json(self._root / folder / "package.json", f"{folder}/package.json")

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """Within it shared packages' manifests are read once."""
        self._shared_once, self._members_once = [], ()
        try:
            yield
        finally:
            self._shared_once, self._members_once = None, ()

    def _shared(self, workspace: Workspace) -> list[NodePart]:
        if self._shared_once:
            return self._shared_once
        found = self._shared_now(workspace)
        if self._shared_once is not None:
            self._shared_once = found
        return found

    def _members(self, workspace: Workspace, shared: Sequence[NodePart]) -> tuple[str, ...]:
        if self._members_once:
            return self._members_once
        found = (
            *(each.path for each in workspace.services if each.language == "node"),
            *(part.folder for part in shared),
        )
        if self._shared_once is not None:
            self._members_once = found
        return found

    def _shared_now(self, workspace: Workspace) -> list[NodePart]:
        found = []
        for package in workspace.packages:
            manifest = self._manifest(package.path) if package.language == "node" else None
            if manifest is not None:
                found.append(NodePart(name=manifest.name, folder=package.path, manifest=manifest, files={}))
        return found

    def _part(self, folder: str, name: str, manifest: PackageJson) -> NodePart:
        keep_outputs = manifest.build_script is None
        return NodePart(
            name=name, folder=folder, manifest=manifest, files=self._files.walk(folder, outputs=keep_outputs)
        )

    def _aliased(self, parts: tuple[NodePart, ...]) -> tuple[NodePart, ...]:
        """Folders outside of all packages that `paths` of a tsconfig lead to and the sources speak of."""
        found: dict[str, NodePart] = {}
        queue = list(parts)
        while queue:
            part = queue.pop(0)
            targets: dict[str, tuple[str, ...]] = {}
            for path in self._tsconfigs(part):
                targets |= tsconfig.aliases(path, self._files.setting(path))
            if not targets:
                continue
            modules = sorted(set(self._imported(part)))
            led = (
                tsconfig.leads_to(module, alias, place)
                for module in modules
                for alias, places in targets.items()
                for place in places
            )
            for folder in sorted({folder for folder in led if folder is not None}):
                if self._is_alias(folder, (*parts, *found.values())):
                    found[folder] = self._part(folder, folder, _NO_MANIFEST)
                    queue.append(found[folder])
        return tuple(found[folder] for folder in sorted(found))

    def _tsconfigs(self, part: NodePart) -> list[str]:
        """The tsconfig.json that esbuild takes for the part, and those it extends, the strongest last."""
        places = (posixpath.join(above, "tsconfig.json") for above in _upwards(part.folder))
        first = next((place for place in places if self._files.has(place)), None)
        chain: list[str] = []
        queue = [first] if first else []
        while queue:
            path = queue.pop(0)
            if path not in chain and self._files.has(path):
                chain.append(path)
                queue += package_json.extended_by(path, self._files.setting(path), {})
        return chain[::-1]

    def _is_alias(self, folder: str, known: Iterable[NodePart]) -> bool:
        inside = any(folder == part.folder or folder.startswith(f"{part.folder}/") for part in known)
        return (
            not inside and folder not in {"", "."} and "node_modules" not in folder and (self._root / folder).is_dir()
        )

    def _imported(self, part: NodePart) -> Iterator[str]:
        """Names of modules, outside of the part, that its sources ask for."""
        for path, file in part.files.items():
            if path.endswith(node.EXTENSIONS):
                yield from self._files.fact("imports", file.path, partial(_asked_for, file))

    def _settings(self, parts: tuple[NodePart, ...], folders: Mapping[str, str], top: Path) -> dict[str, str]:
        """Digests of the package manager's settings, and of tsconfigs outside the parts that theirs extend."""
        found: dict[str, str] = {}
        relative = top.relative_to(self._root).as_posix()
        above = "" if relative == "." else relative
        for name in node.SETTINGS:
            place = posixpath.join(above, name)
            if self._files.has(place):
                found[place] = self._files.digest(top / name)
        queue = [f"{part.folder}/{path}" for part in parts for path in part.files if _is_tsconfig(path)]
        # esbuild looks for a tsconfig.json from the file upwards.
        queue += [posixpath.join(above, "tsconfig.json") for part in parts for above in _upwards(part.folder)]
        seen: set[str] = set()
        while queue:
            path = queue.pop()
            if path in seen or not self._files.has(path):
                continue
            seen.add(path)
            if not any(path.startswith(f"{part.folder}/") for part in parts):
                found[path] = self._files.digest(self._root / path)
            queue += package_json.extended_by(path, self._files.setting(path), folders)
        return found

    # ---------------------------------------------------------------- what is made

    def _made(self, part: NodePart, wanted: tuple[str, ...]) -> dict[str, str]:
        """Digests of all that lies in the folders of results; empty for an entry that is not there."""
        folders = {path.partition("*")[0].rpartition("/")[0].partition("/")[0] for path in wanted} | {"dist", "build"}
        made: dict[str, str] = {}
        for folder in sorted(folders - {""}):
            if (self._root / part.folder / folder).is_dir():
                walked = self._files.walk(posixpath.join(part.folder, folder), outputs=True)
                made |= {f"{folder}/{inner}": file.digest for inner, file in walked.items()}
        for path in wanted:
            if "*" not in path:
                made.setdefault(path, self._digest_if_there(self._root / part.folder / path))
        return made

    def _digest_if_there(self, path: Path) -> str:
        try:
            return self._files.digest(path)
        except OSError:
            return ""

    def _exported(self, esbuild: Path, source: str, scratch: Path) -> frozenset[str]:
        """What CommonJS exports; of an ES module the bundle itself tells."""
        result = self._commands.run(node.exports_command(esbuild, self._root, source, scratch))
        if result.status != 0:
            raise node.bundle_failure(result.stderr, source)
        return node.exported((scratch / "exports.json").read_text(encoding="utf-8"))


def _entry(unit: Unit, plan: NodePlan) -> node.Entry:
    (function,) = unit.functions
    manifest = f"{plan.service.folder}/service.toml"
    return node.entry(function.handler, plan.service.files, plan.service.manifest.format, where=manifest)


def _asked_for(file: SourceFile) -> list[str]:
    return node.asked_for(file.read())


def _upwards(folder: str) -> tuple[str, ...]:
    """The folder and those above it up to the workspace's root, which is the empty text."""
    parts = Path(folder).parts
    return tuple("/".join(parts[:count]) for count in range(len(parts), -1, -1))


def _is_tsconfig(path: str) -> bool:
    name = posixpath.basename(path)
    return name.startswith("tsconfig") and name.endswith(".json")
