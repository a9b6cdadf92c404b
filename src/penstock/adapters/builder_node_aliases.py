"""What sources reach by other names than those of packages in node_modules: `paths`, `baseUrl`, the workspace's root.

Also which modules are taken from a package's TypeScript instead of what `tsc` would make of it.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from penstock.build import node, node_lock, node_reach, node_sources, package_json, tsconfig
from penstock.build.folders import upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePart
    from penstock.build.node_sources import Compiled
    from penstock.build.package_json import PackageJson

    ReadManifest = Callable[[str], PackageJson | None]
    ReadPart = Callable[[str, str, PackageJson, Compiled | None], NodePart]

TSCONFIGS = ("tsconfig.json", "jsconfig.json")
"""The second counts for esbuild where the first is not there."""
NO_MANIFEST = package_json.package_json("{}", where="")


class NodeAliases:
    """Follows names through tsconfigs; reads only through `files`."""

    def __init__(self, files: SourceFiles, manifest: ReadManifest, part: ReadPart) -> None:
        self._files = files
        self._manifest = manifest
        self._part = part

    def package(self, folder: str, name: str, manifest: PackageJson, folders: Mapping[str, str]) -> NodePart:
        """A shared package; `folders` are those of all shared packages by name."""
        part = self._part(folder, name, manifest, None)
        compiled = self._compiled(part, folders)
        return part if compiled is None else self._part(folder, name, manifest, compiled)

    def folders(
        self, parts: tuple[NodePart, ...], top: str, folders: Mapping[str, str], members: Collection[str]
    ) -> tuple[NodePart, ...]:
        """Folders outside of all packages that names in the parts' sources lead to, as parts of their own.

        Args:
            parts: the service and the packages that it reaches.
            top: the folder of the lock, relative to the workspace: `.` is the workspace itself.
            folders: those of all shared packages by name.
            members: folders of all services and packages.
        """
        found: dict[str, NodePart] = {}
        queue = list(parts)
        while queue:
            part = queue.pop(0)
            for candidates in self._led(part, top, folders):
                known = [each.folder for each in (*parts, *found.values())]
                folder = next((one for one in candidates if not _holds(one, members)), "")
                if self._is_new(folder, known):
                    # Whoever speaks of a folder means what lies there: nothing is run to make it.
                    manifest = replace(self._manifest(folder) or NO_MANIFEST, build_script=None)
                    found[folder] = self.package(folder, folder, manifest, folders)
                    queue.append(found[folder])
        return tuple(found[folder] for folder in sorted(found))

    def instead(self, parts: tuple[NodePart, ...], top: str, folders: Mapping[str, str]) -> dict[str, str]:
        """Sources, relative to the workspace, by the modules whose place they take: no `tsc` has made those."""
        found: dict[str, str] = {}
        packages = {part.folder: part for part in parts if part.compiled is not None}
        for part in parts:
            targets = self._targets(part, top, folders)
            for module in self.imported(part):
                for package, subpath in self._asked(module, targets, parts, packages, folders):
                    source = _source(package, subpath)
                    if source is not None:
                        found.setdefault(module, f"{package.folder}/{source}")
        return found

    def _asked(
        self,
        module: str,
        targets: Mapping[str, tuple[str, ...]],
        parts: tuple[NodePart, ...],
        packages: dict[str, NodePart],
        folders: Mapping[str, str],
    ) -> Iterator[tuple[NodePart, str]]:
        """The packages that a module may be of, and what is asked of them: `.` or `./x`."""
        meant = (tsconfig.means(module, alias, place) for alias, places in targets.items() for place in places)
        for folder in meant:
            # `libs/*` leads to a folder that holds packages, each with a tsconfig of its own.
            if folder and folder not in packages and any(folder.startswith(f"{part.folder}/") for part in parts):
                manifest = self._manifest(folder)
                if manifest is not None:
                    packages[folder] = self.package(folder, folder, manifest, folders)
            if folder in packages:
                yield packages[folder], "."
        name = node_lock.package_of(module)
        for package in packages.values():
            if name is not None and name == package.manifest.name:
                yield package, f".{module[len(name) :]}"

    def paths(self, part: NodePart, folders: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """`paths` and `baseUrl` of the part's tsconfigs: patterns of modules' names to patterns of places."""
        found: dict[str, tuple[str, ...]] = {}
        for path, home in self.configs(part.folder, folders):
            found |= tsconfig.aliases(path, self._files.setting(path) or "", home)
        return found

    def imported(self, part: NodePart) -> Iterator[str]:
        """Names of modules, outside of the part, that its sources ask for."""
        for path, file in part.files.items():
            if path.endswith(node.EXTENSIONS):
                yield from (name for name in asked_for(self._files, file) if not name.startswith("."))

    def tsconfigs(self, folder: str, folders: Mapping[str, str]) -> list[str]:
        """The tsconfig.json that esbuild takes for a folder, and those it extends, the strongest last."""
        places = (posixpath.join(above, name) for above in upwards(folder) for name in TSCONFIGS)
        first = next((place for place in places if self._files.has(place)), None)
        chain: list[str] = []
        queue = [first] if first else []
        while queue:
            path = queue.pop(0)
            if path not in chain and self._files.has(path):
                chain.append(path)
                queue += package_json.extended_by(path, self._files.setting(path) or "", folders)
        return chain[::-1]

    def configs(self, folder: str, folders: Mapping[str, str]) -> list[tuple[str, str]]:
        """The same, each with the folder of the one that extends all others: `${configDir}` means that."""
        chain = self.tsconfigs(folder, folders)
        return [(path, posixpath.dirname(chain[-1])) for path in chain]

    def _compiled(self, part: NodePart, folders: Mapping[str, str]) -> Compiled | None:
        """Where `tsc` would put the package's results, when its entries are such results and nothing makes them."""
        if part.manifest.build_script is not None or "tsconfig.json" not in part.files:
            return None
        chain = self.tsconfigs(part.folder, folders)
        found = node_sources.compiled(part.folder, [(path, self._read(path)) for path in chain])
        if found is None:
            return None
        made = {path for paths in part.manifest.given.values() for path in paths}
        leads = any(found.source(path, part.files) or ("*" in path and found.makes(path)) for path in made)
        return found if leads else None

    def _led(self, part: NodePart, top: str, folders: Mapping[str, str]) -> list[tuple[str, ...]]:
        """The folders that names in a part's sources may mean, each with what may be meant instead."""
        targets = self._targets(part, top, folders)
        modules = sorted(set(self.imported(part))) if targets else []
        led = {
            tsconfig.leads_to(module, alias, place)
            for module in modules
            for alias, places in targets.items()
            for place in places
        }
        return sorted(led - {()})

    def _targets(self, part: NodePart, top: str, folders: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Patterns of modules' names to patterns of places."""
        found: dict[str, tuple[str, ...]] = {}
        root = self._manifest(top)
        if root is not None and root.name in part.manifest.depends_on:
            main = (posixpath.normpath(posixpath.join(top, path)) for path in root.given.get(".", ()))
            found |= {root.name: tuple(main), f"{root.name}/*": (posixpath.normpath(posixpath.join(top, "*")),)}
        return found | self.paths(part, folders)

    def _is_new(self, folder: str, known: Iterable[str]) -> bool:
        inside = any(folder == one or folder.startswith(f"{one}/") for one in known)
        return (
            not inside and folder not in {"", "."} and "node_modules" not in folder and self._files.has_folder(folder)
        )

    def _read(self, path: str) -> dict[str, object]:
        return tsconfig.read(self._files.setting(path) or "")


def _source(package: NodePart, subpath: str) -> str | None:
    """The file that is bundled for what is asked of a package; None leaves it to esbuild."""
    given = node_sources.asked(subpath, package.manifest.given)
    made = (package.compiled.source(path, package.files) for path in given) if package.compiled else ()
    found = next((source for source in made if source is not None), None)
    return found or next((path for path in map(posixpath.normpath, given) if path in package.files), None)


def _holds(folder: str, members: Collection[str]) -> bool:
    """Whether services or packages lie below the folder: all of them would be taken for part of one."""
    return any(member.startswith(f"{folder}/") for member in members)


def asked_for(files: SourceFiles, file: SourceFile) -> list[str]:
    """Names of modules that a source file asks for."""
    found: list[str] = files.known("asks 3", file, partial(_asked_for, file))
    return found


def with_asked_for(files: SourceFiles, folder: str, found: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
    """The files of a folder, and those among what is left out of it that they ask for: `./events/created`."""
    known = dict(found)
    queue = [path for path in known if path.endswith(node.EXTENSIONS)]
    while queue:
        source = queue.pop()
        for module in asked_for(files, known[source]):
            places = node_reach.may_mean(module, source) if module.startswith(".") else ()
            if any(place in known for place in places):
                continue
            for place in places:
                if place.startswith("..") or "node_modules/" in place:
                    continue
                if (file := files.file(f"{folder}/{place}")) is not None:
                    known[place] = file
                    queue += [place] if place.endswith(node.EXTENSIONS) else []
    return dict(sorted(known.items()))


def not_found(files: SourceFiles, found: Mapping[str, SourceFile]) -> Iterator[str]:
    """Where a part's sources ask by relative paths for files that are not there."""
    for source, file in found.items():
        for module in asked_for(files, file) if source.endswith(node.EXTENSIONS) else ():
            places = node_reach.may_mean(module, source) if module.startswith(".") else ()
            if not any(place in found for place in places):
                yield from (place for place in places if not place.startswith(".."))


def _asked_for(file: SourceFile) -> list[str]:
    return node_reach.asked_for(file.read())
