"""Looks at a Node.js service: its files, the shared packages that it reaches, the lock and the settings around it."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.adapters.builder_node_aliases import (
    NO_MANIFEST,
    TSCONFIGS,
    NodeAliases,
    asked_for,
    not_found,
    with_asked_for,
)
from penstock.adapters.builder_node_beside import beside
from penstock.adapters.builder_node_outside import types_outside
from penstock.adapters.builder_node_parts import NodePart, NodePlan
from penstock.adapters.builder_node_results import USUAL, results
from penstock.adapters.builder_node_scripts import named_by_scripts
from penstock.adapters.builder_node_unread import unread
from penstock.build import changes, node, node_installed, node_lock, package_json
from penstock.build.folders import upwards
from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_node_machine import Machine
    from penstock.build.node_sources import Compiled
    from penstock.build.package_json import PackageJson
    from penstock.build.units import Unit
    from penstock.model.workspace import Workspace

PATCHES = ("patches", ".yarn/patches")
"""Beside the lock: what patch-package, pnpm and Yarn apply to installed packages."""


class NodePlanner:
    """Reads manifests, locks and settings of the workspace in `root`, only through `files`; runs nothing itself."""

    def __init__(self, root: Path, files: SourceFiles, machine: Machine) -> None:
        self._root = root
        self._files = files
        self._machine = machine
        self._lock_texts: dict[str, node_lock.Lock | None] = {}
        self._manifests: dict[tuple[str, str], PackageJson] = {}
        self._aliases = NodeAliases(files, self.manifest, self.part)
        self._members_of: tuple[Workspace, tuple[str, ...], tuple[str, ...]] | None = None

    def plan(self, workspace: Workspace, folder: str, options: BuildOptions | None = None) -> NodePlan:
        """Look at a service or package in that folder. Raises BuildFailed when something is missing."""
        shared = self.shared(workspace)
        is_shared = any(part.folder == folder for part in shared)
        service = self.part(folder, folder, self.manifest(folder) or NO_MANIFEST, is_shared=is_shared)
        top, lock_name = self._lock(folder, needed=bool(service.manifest.depends_on))
        by_name = {part.name: part for part in shared}
        names = package_json.reached(service.manifest, {name: part.manifest for name, part in by_name.items()})
        above, members = top.relative_to(self._root).as_posix(), self._members(workspace, shared)
        folders = {**self.links(above), **{part.name: part.folder for part in shared}}
        packages = tuple(
            self._aliases.package(by_name[name].folder, name, by_name[name].manifest, folders)
            for name in names
            if name != service.name
        )
        lying = beside(packages, options.unbundled) if options else frozenset()
        packages = tuple(self._as_it_lies(part) if part.name in lying else part for part in packages)
        packages += self._aliases.folders((service, *packages), above, folders, members)
        parts = (service, *packages)
        settings = self.settings(parts, folders, top, [part for part in packages if part.is_made])
        types = self.types(parts, folders)
        instead = self._aliases.instead(parts, above, folders)
        return NodePlan(
            workspace=workspace,
            service=service,
            packages=packages,
            top=top,
            top_folder=above,
            lock_name=lock_name,
            lock=self._files.digest(top / lock_name) if lock_name else "",
            members=members,
            settings={path: digest for path, digest in settings.items() if digest},
            types={path: digest for path, digest in types.items() if digest},
            absent=tuple(path for path, digest in (settings | types).items() if not digest),
            instead=instead,
            machine=self._of_machine(workspace, above, lock_name) if any(one.is_made for one in packages) else {},
            copies=self._copies(above, [part.folder for part in parts]),
            made_at_install=self._is_made_at_install(above, [part.folder for part in parts]),
            paths=self._aliases.paths(service, folders) | {name: (path,) for name, path in instead.items()}
            if instead
            else None,
            unread=unread(self._files, workspace, service, lambda one: self._aliases.configs(one, folders)),
            manifests_read=any(
                module.rpartition("/")[2] == "package.json"
                for part in parts
                for path, file in part.files.items()
                if path.endswith(node.EXTENSIONS)
                for module in asked_for(self._files, file)
            ),
            options=options or BuildOptions(),
        )

    def again(self, plan: NodePlan) -> NodePlan:
        """Look at the same once more, as it is now. Raises BuildFailed when something is missing."""
        return self.plan(plan.workspace, plan.service.folder, plan.options)

    def reach(self, plan: NodePlan, service: str) -> changes.Reach:
        """The places of the workspace that a service depends on; of a lock its part, or all where that is not clear."""
        folders = [part.folder for part in (plan.service, *plan.packages)]
        locks = {}
        if plan.lock_name:
            above = plan.top.relative_to(self._root).as_posix()
            folders += [posixpath.normpath(posixpath.join(above, name)) for name in PATCHES]
            lock = plan.top / plan.lock_name
            locks[lock.relative_to(self._root).as_posix()] = self.lock_part(plan, self._files.text(lock) or "")
        known = {path: digest for path, digest in locks.items() if digest is not None}
        parts = (plan.service, *plan.packages)
        left_out = [f"{part.folder}/{path}" for part in parts for path in part.files if not changes.counts(path)]
        gone = [f"{part.folder}/{path}" for part in parts for path in not_found(self._files, part.files)]
        files = (*plan.settings, *plan.types, *plan.absent, *left_out, *gone, *(locks.keys() - known))
        return changes.Reach(
            service=service, folders=tuple(folders), files=files, locks=known, has_unread=plan.unread is not None
        )

    def lock_part(self, plan: NodePlan, text: str) -> str | None:
        """A digest of what the plan's folders reach in a text of its lock; None when that is not clear."""
        lock = self._parsed(plan, text)
        return None if lock is None else node_lock.part(lock, *self._asking(plan))

    def locked(self, plan: NodePlan, text: str) -> Mapping[str, str]:
        """The same as versions by name; empty when it is not clear."""
        lock = self._parsed(plan, text)
        return (None if lock is None else node_lock.versions(lock, *self._asking(plan))) or {}

    def _parsed(self, plan: NodePlan, text: str) -> node_lock.Lock | None:
        if text not in self._lock_texts:
            self._lock_texts[text] = node_lock.parse(plan.lock_name, text)
        return self._lock_texts[text]

    def _asking(self, plan: NodePlan) -> tuple[list[str], set[str]]:
        """The folders that ask for packages, relative to the lock, and what their sources import."""
        parts = (plan.service, *plan.packages)
        top = plan.top.relative_to(self._root).as_posix()
        asked = (node_lock.package_of(module) for part in parts for module in self._aliases.imported(part))
        folders = [posixpath.relpath(part.folder, top) for part in parts]
        return folders, {name for name in asked if name is not None}

    def manifest(self, folder: str) -> PackageJson | None:
        """The package.json in that folder, or None. Raises BuildFailed when it cannot be read."""
        text = self._files.setting(f"{folder}/package.json")
        if text is None:
            return None
        key = (folder, text)
        if key not in self._manifests:
            self._manifests[key] = package_json.package_json(text, where=f"{folder}/package.json")
        return self._manifests[key]

    def shared(self, workspace: Workspace) -> list[NodePart]:
        """The shared packages of the workspace, without their files."""
        found = []
        for package in workspace.packages:
            manifest = self.manifest(package.path) if package.language == "node" else None
            if manifest is not None:
                found.append(NodePart(name=manifest.name, folder=package.path, manifest=manifest, files={}))
        return found

    def part(
        self, folder: str, name: str, manifest: PackageJson, compiled: Compiled | None = None, *, is_shared: bool = True
    ) -> NodePart:
        """A service or package with its files as they are now, without those that are made of others.

        Of a service, which is no package that others share, whatever lies there may be what its handlers name.
        """
        files = self._files.walk(folder, outputs=manifest.build_script is None)
        if compiled is not None:
            files = {path: file for path, file in files.items() if not compiled.makes(path)}
        files = with_asked_for(self._files, folder, files)
        made: tuple[str, ...] = USUAL if manifest.build_script is not None else ()
        if made and is_shared:
            made = results(self._files, folder, manifest, files)
        made += (f"{compiled.out}/",) if compiled is not None else ()
        files = {path: file for path, file in files.items() if not path.startswith(made)} if made else files
        return NodePart(name=name, folder=folder, manifest=manifest, files=files, compiled=compiled)

    def types(self, parts: tuple[NodePart, ...], folders: Mapping[str, str]) -> dict[str, str]:
        """Digests of files outside the parts that their sources ask for; no digest where such a file would lie."""
        configs = dict.fromkeys(one for part in parts for one in self._aliases.configs(part.folder, folders))
        return types_outside(self._files, parts, configs, folders)

    def _as_it_lies(self, part: NodePart) -> NodePart:
        """A package whose build script is not needed: what that may have made, an addon say, is a file like others."""
        if part.manifest.build_script is None or part.is_made:
            return part
        return self.part(part.folder, part.name, replace(part.manifest, build_script=None))

    def settings(
        self, parts: tuple[NodePart, ...], folders: Mapping[str, str], top: Path, scripted: Sequence[NodePart]
    ) -> dict[str, str]:
        """Digests of files outside the parts that count, by path; no digest where such a file would lie.

        They are the package manager's settings, the manifests of folders that have none of their own, the tsconfigs
        around the parts and those that they extend, and what the build scripts of the parts `scripted` name.
        """
        found: dict[str, str] = {}
        relative = top.relative_to(self._root).as_posix()
        above = "" if relative == "." else relative
        for name in node.SETTINGS:
            place = posixpath.join(above, name)
            found[place] = self._files.digest(top / name) if self._files.has(place) else ""
        for part in parts:
            found |= self._manifest_around(part)
        for path, digest in self.installing(above, [part.folder for part in parts]).items():
            found[path] = f"{found.get(path, '')} {digest}".strip()
        named: dict[str, str] = {}
        for part in scripted:
            named |= named_by_scripts(self._files, part, above, self.manifest)
        found |= named
        queue = [path for path in named if path.endswith(".json")]
        queue += [f"{part.folder}/{path}" for part in parts for path in part.files if _is_tsconfig(path)]
        queue += [path for part in parts for path in self._tsconfigs_around(part)]
        seen: set[str] = set()
        while queue:
            path = queue.pop()
            if path in seen:
                continue
            seen.add(path)
            is_there = self._files.has(path)
            if not any(path.startswith(f"{part.folder}/") for part in parts):
                found[path] = self._files.digest(self._root / path) if is_there else ""
            if is_there:
                text = self._files.setting(path) or ""
                queue += package_json.extended_by(path, text, folders)
                for folder in package_json.extended_packages(text, folders):
                    walked = self._files.walk(folder, outputs=True) if self._files.has_folder(folder) else ()
                    queue += [f"{folder}/{inner}" for inner in walked if inner.endswith(".json")]
        return found

    def links(self, top: str) -> dict[str, str]:
        """Folders of the workspace that lie as links in node_modules, by their packages' names, as the lock says.

        `top` is the folder of the lock, relative to the workspace. Nobody has to list them in penstock.toml.
        """
        said: dict[str, str] = self._lock_fact("links", top, node_installed.links)
        places = {name: posixpath.normpath(posixpath.join(top, place)) for name, place in said.items()}
        return {name: place for name, place in places.items() if place != "." and not place.startswith(("..", "/"))}

    def _lock_fact(self, kind: str, top: str, compute: Callable[[str, str], dict[str, str]]) -> dict[str, str]:
        """What `compute` says of the lock in a folder, by its name and text; empty when there is none."""
        name = next((one for one in node.LOCKS if self._files.has(posixpath.join(top, one))), None)
        if name is None:
            return {}
        found: dict[str, str] = self._files.text_fact(
            f"{kind} {name}", self._root / top / name, lambda text: compute(name, text)
        )
        return found

    def installing(self, top: str, folders: Sequence[str]) -> dict[str, str]:
        """Digests of what changes installed packages besides the lock, by path.

        They are scripts, files that these name, patches, and folders that are copied into node_modules.

        `top` is the folder of the lock, relative to the workspace; `folders` are those whose manifests count besides.
        """
        found: dict[str, str] = {}
        for folder in dict.fromkeys((top, *folders)):
            manifest = self.manifest(folder or ".")
            if manifest is not None and manifest.scripts:
                found[posixpath.join(folder, "package.json")] = manifest.scripts
            for word in manifest.called if manifest else ():
                self._add(found, posixpath.normpath(posixpath.join(folder, word)))
        for place in self._copies(top, folders).values():
            if place is not None:
                walked = self._files.walk(place, outputs=True)
                found |= {f"{place}/{path}": file.value for path, file in walked.items()}
        setting = self._files.setting(posixpath.join(top, "pnpm-workspace.yaml"))
        for word in package_json.patches(setting or ""):
            self._add(found, posixpath.normpath(posixpath.join(top, word)))
        for place in (posixpath.join(top, name) for name in PATCHES):
            if self._files.has_folder(place):
                found |= {f"{place}/{path}": file.value for path, file in self._files.walk(place).items()}
        return found

    def of_machine(self, plan: NodePlan) -> Mapping[str, str]:
        """What of the machine counts in what the build script of any of the plan's packages makes."""
        return self._of_machine(plan.workspace, plan.top_folder, plan.lock_name)

    def _of_machine(self, workspace: Workspace, top: str, lock_name: str) -> dict[str, str]:
        """What of the machine, and of whom it calls, counts in what build scripts make."""
        manifest, manager = self.manifest(top), node.LOCKS.get(lock_name)
        asked = manifest.package_manager if manifest else None
        found = self._machine.inputs(workspace.build_env)
        return found | ({f"tool {manager} for build scripts": asked} if manager and asked else {})

    def _copies(self, top: str, folders: Sequence[str]) -> dict[str, str | None]:
        """Folders of which there are copies in node_modules, by their packages' names; None for one that is elsewhere.

        A lock names them from its own folder, or as whoever asks for them does.
        """
        found: dict[str, str | None] = {}
        for package, place in self._lock_fact("copies", top, node_installed.copies).items():
            meant = (posixpath.normpath(posixpath.join(folder, place)) for folder in (top, *folders))
            inside = (one for one in meant if one != "." and not one.startswith(("..", "/")))
            found[package] = next((one for one in inside if self._files.has(f"{one}/package.json")), None)
        return found

    def _is_made_at_install(self, top: str, folders: Sequence[str]) -> bool:
        """Whether a script that runs at an install names a file of the workspace: what that makes it speaks for."""
        manifests = ((folder, self.manifest(folder or ".")) for folder in dict.fromkeys((top, *folders)))
        named = (
            posixpath.normpath(posixpath.join(folder, word))
            for folder, manifest in manifests
            if manifest is not None and manifest.scripts
            for word in manifest.called
            if not word.endswith((".patch", ".diff"))
        )
        return any(not path.startswith(("..", "/")) and self._files.has(path) for path in named)

    def _add(self, found: dict[str, str], path: str) -> None:
        if "node_modules" not in path and not path.startswith(("..", "/")):
            found[path] = self._files.digest(self._root / path) if self._files.has(path) else ""

    def _manifest_around(self, part: NodePart) -> dict[str, str]:
        """The package.json that esbuild takes for a part without one: its `imports` and `sideEffects` count."""
        found: dict[str, str] = {}
        for above in self._around(part.folder):
            manifest = self.manifest(above or ".")
            if above != part.folder:
                found[posixpath.join(above, "package.json")] = manifest.digest if manifest else ""
            if manifest:
                break
        return found

    def _tsconfigs_around(self, part: NodePart) -> Iterator[str]:
        """Where esbuild looks for a tsconfig.json, or else a jsconfig.json, from a part's folder upwards."""
        for above in self._around(part.folder):
            places = [posixpath.join(above, name) for name in TSCONFIGS]
            yield from places
            if above.startswith("..") and any(map(self._files.has, places)):
                return

    def _around(self, folder: str) -> Iterator[str]:
        """The folder and all above it, those above the workspace as `..`, `../..`: esbuild does not end there."""
        yield from upwards(folder)
        yield from ("/".join([".."] * count) for count in range(1, len(self._root.parts)))

    def _lock(self, folder: str, *, needed: bool) -> tuple[Path, str]:
        """Where the lock lies and what it is called; nothing of the kind for a service without any dependency."""
        for above in upwards(folder):
            for name in node.LOCKS:
                if self._files.has(posixpath.join(above, name)) and not self._is_member(above, name):
                    return self._root / above, name
            for name in node.OTHER_LOCKS:
                if self._files.has(posixpath.join(above, name)):
                    raise BuildFailed(
                        f"{name}: only pnpm's, npm's and Yarn's locks are understood",
                        where=posixpath.join(above, name),
                        hint="bun install --yarn (makes a yarn.lock from it)",
                    )
        if not needed:
            return self._root / folder, ""
        raise BuildFailed(
            "there is no pnpm-lock.yaml, package-lock.json or yarn.lock",
            where=folder,
            hint="pnpm install (or npm install, or yarn install)",
        )

    def _is_member(self, folder: str, lock_name: str) -> bool:
        """Whether npm or Yarn ignore a lock in that folder, because of a workspace above that it is a member of."""
        for above in upwards(folder)[1:]:
            manifest = self.manifest(above or ".")
            if manifest is not None and manifest.holds(posixpath.relpath(folder, above or ".")):
                return lock_name != "pnpm-lock.yaml" and self._files.has(posixpath.join(above, lock_name))
        return False

    def _members(self, workspace: Workspace, shared: Sequence[NodePart]) -> tuple[str, ...]:
        folders = tuple(part.folder for part in shared)
        known = self._members_of
        if known is None or known[0] is not workspace or known[1] != folders:
            services = (each.path for each in workspace.services if each.language == "node")
            known = self._members_of = (workspace, folders, (*services, *folders))
        return known[2]


def entry(unit: Unit, plan: NodePlan) -> node.Entry:
    """Where a unit's function begins. Raises BuildFailed when there is no such source."""
    (function,) = unit.functions
    manifest = f"{plan.service.folder}/service.toml"
    return node.entry(function.handler, plan.service.files, plan.service.manifest.format, where=manifest)


def _is_tsconfig(path: str) -> bool:
    name = posixpath.basename(path)
    return name.startswith(("tsconfig", "jsconfig")) and name.endswith(".json")
