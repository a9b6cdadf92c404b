"""Puts packages that cannot be bundled into a ZIP's node_modules, with what they need, for the target."""

from __future__ import annotations

import json
import os
import posixpath
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.adapters.builder_files import is_executable
from penstock.adapters.builder_node_beside import OwnFiles
from penstock.adapters.builder_node_foreign import ForeignPackages
from penstock.build import archive, elf, metafile, node, node_addon, node_native, node_reach, proof
from penstock.build.limits import check_size
from penstock.build.node_locked import Asker
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.node_tools import NodeTools
    from penstock.build.archive import Member
    from penstock.model.artifact import Target

_HEAD = 64
_Lack = Literal["script", "misfit", "split"]
"""Native code that no install script has made; that another machine or Node.js can load; that lies in no package."""


@dataclass(slots=True, kw_only=True)
class _Placed:
    """A package of the ZIP's node_modules. `optional`: nobody relies on it."""

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    optional: bool
    members: list[Member] = field(default_factory=list)
    addons: int = 0
    """How many of its addons the target can load."""
    misfits: dict[str, str] = field(default_factory=dict)
    """Addons that it cannot load, with what they are made for."""
    beside: list[str] = field(default_factory=list)
    """Places of the optional packages that it asked for."""


@dataclass(slots=True)
class _Asked:
    """A package that somebody asks for, and the place in the ZIP of who does (empty for the service)."""

    name: str
    asker: Path
    above: str
    optional: bool


class NativePackages:
    """Looks at packages of node_modules and packs those that must lie beside a bundle."""

    def __init__(self, root: Path, cache: ZipCache, tools: NodeTools) -> None:
        self._root = root
        self._cache = cache
        self._foreign = ForeignPackages(root, cache, tools)
        self._native: dict[tuple[str, int], str | None] = {}
        self._looking = threading.Lock()

    def found(self, folders: Iterable[str]) -> frozenset[str]:
        """Names of those packages, given by their folders relative to the workspace, that load native code."""
        names = (self._native_name(os.path.join(self._root, folder)) for folder in folders)  # noqa: PTH118 - many
        return frozenset(name for name in names if name is not None)

    def _native_name(self, place: str) -> str | None:
        """The package's name when it loads native code.

        Looked for once: functions that are bundled at the same time ask about the same packages.
        """
        try:
            key = (place, os.stat(f"{place}/package.json").st_mtime_ns)  # noqa: PTH116 - of each function's packages
        except OSError:
            return None
        with self._looking:
            if key not in self._native:
                folder = Path(place)
                manifest = _manifest(folder)
                is_native = manifest and (
                    node_native.is_native(manifest, {path.name for path in folder.iterdir()}) or _has_addon(folder)
                )
                self._native[key] = str(manifest["name"]) if manifest and is_native else None
            return self._native[key]

    def members(self, asked: Mapping[str, Collection[str]], plan: NodePlan, target: Target) -> tuple[Member, ...]:
        """The packages and what they need, as files below node_modules/; `asked` are they, with the files that ask.

        Raises BuildFailed for one that is missing, or that has no native code for the target.
        """
        with self._cache.scratch() as scratch:
            placed = self._placed(asked, plan, target, scratch)
            for place, package in list(placed.items()):
                lack = _lack(package, placed, target)
                if lack and package.name not in plan.options.provided:
                    if not package.optional:
                        raise _refused(package, lack, target, self._told(package.folder))
                    del placed[place]  # as npm leaves it out where it cannot be installed
            return tuple(member for package in placed.values() for member in package.members)

    def _placed(
        self, wanted: Mapping[str, Collection[str]], plan: NodePlan, target: Target, scratch: Path
    ) -> dict[str, _Placed]:
        """Packages by their places in the ZIP."""
        placed: dict[str, _Placed] = {}
        service = self._root / plan.service.folder
        queue = [self._asked_by_bundle(name, files, service) for name, files in sorted(wanted.items())]
        while queue:
            asked = queue.pop(0)
            installed = self._resolve(asked.name, asked.asker)
            own = self._own(asked.name, installed, plan) if installed else None
            folder = installed or self._fetch(asked, plan, target, scratch)
            manifest = _manifest(folder) if folder else None
            if folder is None or not node_native.fits(manifest or {}, target):
                continue  # optional, and of no use there
            # Two versions of a package: the second lies below the one that asks for it.
            place = f"node_modules/{asked.name}"
            if place in placed and placed[place].folder != folder:
                place = f"{asked.above}/node_modules/{asked.name}"
            if asked.optional and asked.above:
                placed[asked.above].beside.append(place)
            if place in placed:
                placed[place].optional &= asked.optional
                continue
            package = _Placed(name=asked.name, folder=folder, manifest=manifest or {}, optional=asked.optional)
            placed[place] = _pack(package, place, target, own)
            optional = {*_kind(manifest, "optional"), *_optional_peers(package.manifest)}
            needed = sorted({*_kind(manifest, ""), *_kind(manifest, "optional"), *self._peers(folder, manifest, plan)})
            queue += [_Asked(inner, folder, place, asked.optional or inner in optional) for inner in needed]
        return placed

    def shared(self, wanted: Collection[str], plan: NodePlan) -> frozenset[str]:
        """Peers of the packages `wanted`, and of what these need: whoever else asks for one means the very same."""
        found: set[str] = set()
        queue = [(name, self._root / plan.service.folder) for name in sorted(wanted)]
        seen: set[Path] = set()
        while queue:
            name, asker = queue.pop()
            folder = self._resolve(name, asker)
            if folder is None or folder in seen:
                continue
            seen.add(folder)
            manifest = _manifest(folder)
            peers = self._peers(folder, manifest, plan)
            found |= peers
            needed = sorted({*_kind(manifest, ""), *_kind(manifest, "optional"), *peers})
            queue += [(inner, folder) for inner in needed]
        return frozenset(found)

    def _peers(self, folder: Path, manifest: Mapping[str, Any] | None, plan: NodePlan) -> set[str]:
        """The peers of a package that are there; those that it can do without only when somebody of ours wants them.

        Else compilers, which are there for development, would ship.
        """
        if not _kind(manifest, "peer"):
            return set()
        parts = (_manifest(self._root / part.folder) for part in (plan.service, *plan.packages))
        ours = {name for one in parts for kind in ("", "optional", "peer") for name in _kind(one, kind)}
        optional = _optional_peers(manifest or {})
        supplied = tuple(pattern.removesuffix("*") for pattern in node.supplied(plan.options))
        elsewhere = {*plan.options.provided, *plan.options.external}
        return {
            name
            for name in _kind(manifest, "peer")
            if (name not in optional or name in ours)
            and name not in elsewhere
            and not name.startswith((*supplied, "@types/"))
            and self._resolve(name, folder) is not None
        }

    def _asked_by_bundle(self, name: str, files: Collection[str], service: Path) -> _Asked:
        """What a bundle asks for; of several versions there can only be one beside it."""
        askers = sorted({self._owner(path) for path in files}) or [service]
        found = {folder: asker for asker in askers if (folder := self._resolve(name, asker))}
        versions = sorted({str((_manifest(folder) or {}).get("version", "")) for folder in found})
        if len(versions) > 1:
            raise BuildFailed(
                f"the bundle asks for {name} in several versions ({', '.join(versions)}), and one only can be there",
                where=self._told(service),
                hint="bring them to one version, by `overrides` (npm, pnpm) or `resolutions` (Yarn) in package.json",
            )
        optional = bool(files) and all(_does_without(_manifest(asker) or {}, name) for asker in askers)
        return _Asked(name, next(iter(found.values()), askers[0]), "", optional)

    def _owner(self, path: str) -> Path:
        """The folder of the package that a bundled file is of."""
        for package in metafile.packages_of([path]):
            return self._root / package
        folder = (self._root / path).parent
        while not (folder / "package.json").is_file() and folder != self._root:
            folder = folder.parent
        return folder

    def _resolve(self, name: str, asker: Path) -> Path | None:
        """Where Node.js would find the package from a folder."""
        real = Path(os.path.realpath(asker))
        for above in (real, *real.parents):
            place = above / "node_modules" / name
            if above.name != "node_modules" and (place / "package.json").is_file():
                return Path(os.path.realpath(place))
            if above == Path(os.path.realpath(self._root)):
                break
        return None

    def _own(self, name: str, folder: Path, plan: NodePlan) -> OwnFiles | None:
        """What ships of a package of the workspace; None for one that the lock speaks for.

        Raises BuildFailed for a folder that is neither.
        """
        place = posixpath.relpath(folder.as_posix(), os.path.realpath(self._root))
        if "node_modules" in place.split("/"):
            if plan.is_locked(f"{place}/package.json"):
                return None
            raise node_reach.unlocked(f"{place}/package.json", plan.service.folder)
        for part in (plan.service, *plan.packages):
            ships = part.name in plan.beside if place == part.folder else place.startswith(f"{part.folder}/")
            if ships:
                return OwnFiles(part, posixpath.relpath(place, part.folder), plan.options)
        raise BuildFailed(
            f"{name} is to lie beside the bundle, and {place} is in no recipe: nobody would notice when it changes",
            where=plan.service.folder,
            hint="name it in the service's package.json, and in service.toml: [build] unbundled, as it calls itself",
        )

    def _fetch(self, asked: _Asked, plan: NodePlan, target: Target, scratch: Path) -> Path | None:
        """An optional package that this machine has no use for, and the target has; None when it has none either."""
        manifest = _manifest(asked.asker) or {}
        wanted = _kind(manifest, "optional").get(asked.name)
        if wanted is None:
            if not asked.optional and (asked.name in _kind(manifest, "") or not asked.above):
                raise BuildFailed(
                    f"{asked.name} is not installed",
                    where=self._told(asked.asker),
                    hint="install the workspace's packages",
                )
            return None
        if asked.name in plan.options.provided:
            return None
        inside = asked.asker.is_relative_to(plan.top) and not asked.asker.is_relative_to(self._cache.folder)
        asker = Asker(
            name=str(manifest.get("name", "")),
            version=str(manifest.get("version", "")),
            folder=asked.asker.relative_to(plan.top).as_posix() if inside else None,
        )
        return self._foreign.fetch(asked.name, str(wanted), asker, plan, target, scratch)

    def _told(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix() if folder.is_relative_to(self._root) else folder.name


def _pack(package: _Placed, place: str, target: Target, own: OwnFiles | None) -> _Placed:
    """The package with those of its files that the target has a use for; of one of the workspace what `own` lets."""
    folder = package.folder
    found = sorted(Path(above) / name for above, name in _walk(folder))
    paths = {path.relative_to(folder).as_posix(): path for path in found}
    check_size(place, ((one, 0) for one in paths if node_native.ships(one, target)))  # how many, before they are read
    for relative, path in paths.items():
        if proof.secret_file(relative) or not (own is None or own.takes(relative)):
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder):
            raise BuildFailed(f"{place} holds a symbolic link out of itself, {relative}", hint="do not use it")
        ships = node_native.ships(relative, target)
        if not path.is_file() or node_native.is_chaff(relative) or not (ships or node_addon.is_addon(relative)):
            continue
        content = path.read_bytes()
        if own is not None:
            own.check(relative, content)
        if node_addon.is_addon(relative):
            misfit = node_addon.made_for(relative, content, target) or ("" if ships else "another machine")
            if misfit:
                package.misfits[relative] = misfit
                continue
            package.addons += 1
        elif node_native.is_for_another(relative, elf.system(content[:_HEAD]), target):
            continue
        executable = is_executable(path.stat())
        package.members.append(archive.pack(f"{place}/{relative}", content, executable=executable))
    return package


def _lack(package: _Placed, placed: Mapping[str, _Placed], target: Target) -> _Lack | None:
    """What keeps a package from doing its work on the target; None when nothing does."""
    beside = [placed[place] for place in package.beside if place in placed]
    if package.addons or any(one.addons or node_native.for_target(one.name, target) for one in beside):
        return None
    if package.misfits:
        return "misfit"
    files = {path.name for path in package.folder.iterdir()}
    if node_native.is_compiled(package.manifest, files):
        return "script"
    return "split" if node_native.is_split(package.manifest) else None


def _refused(package: _Placed, lack: _Lack, target: Target, where: str) -> BuildFailed:
    told = f"{package.name} {package.manifest.get('version', '')}".strip()
    hint = (
        f"take a version of it that has a prebuilt binary for {target.platform} {target.architecture} (glibc), "
        "or build on such a machine"
    )
    match lack:
        case "script":
            reason = "its native code is not there: its install script has not run"
            hint = f"let it run (pnpm approve-builds, npm rebuild {package.name})"
        case "split":
            reason = "none of the packages with its native code is for it"
        case "misfit":
            path, misfit = node_addon.closest(package.misfits)
            reason = f"{path} is made for {misfit}"
            if node_addon.is_other_node(misfit):
                hint = f"install the packages with Node.js {target.version}, or take a version of it that uses Node-API"
    return BuildFailed(
        f"{told} cannot be loaded on {target}: {reason}",
        where=where,
        hint=f'{hint}; if it can do without, in service.toml: [build] provided = ["{package.name}"]',
    )


def _has_addon(folder: Path) -> bool:
    """Whether the package holds an addon that nothing in its package.json tells of."""
    found = (os.path.join(above, name) for above, name in _walk(folder) if node_addon.is_addon(name))  # noqa: PTH118
    return not all(node_native.is_chaff(Path(path).relative_to(folder).as_posix()) for path in found)


def _walk(folder: Path) -> Iterator[tuple[str, str]]:
    """Folder and name of each file; not as `Path`: packages have thousands of files."""
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "node_modules"]
        yield from ((above, name) for name in files)


def _does_without(manifest: Mapping[str, Any], name: str) -> bool:
    """Whether a package says that it can do without another one."""
    about = (manifest.get("peerDependenciesMeta") or {}).get(name) or {}
    return name in _kind(manifest, "optional") or (name not in _kind(manifest, "") and bool(about.get("optional")))


def _optional_peers(manifest: Mapping[str, Any]) -> set[str]:
    about = manifest.get("peerDependenciesMeta") or {}
    return {name for name in _kind(manifest, "peer") if (about.get(name) or {}).get("optional")}


def _kind(manifest: Mapping[str, Any] | None, kind: Literal["", "optional", "peer"]) -> Mapping[str, Any]:
    """What a package.json names under `dependencies`, `optionalDependencies`, `peerDependencies`."""
    key = f"{kind}Dependencies" if kind else "dependencies"
    return (manifest or {}).get(key) or {}


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
