"""Reads what a build has put into an artifact: the components of its SBOM."""

from __future__ import annotations

import hashlib
import posixpath
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from penstock.adapters.builder_node_parts import NodePlan
from penstock.build import lockfile, metafile, node, node_locked, package_json, python, sbom
from penstock.build.requirements import normalised, pinned_versions, plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_python_parts import PythonPlan
    from penstock.build.archive import Member
    from penstock.build.metafile import Metafile
    from penstock.build.node_lock import Lock
    from penstock.build.sbom import Component
    from penstock.model.artifact import Target

Chosen = Callable[["PythonPlan", "Target"], "Mapping[str, Mapping[str, str]]"]
"""File name → hash, by `name version`."""
Contents = tuple[str, "tuple[Component, ...]"]
"""The service's own version (empty without one), and the packages."""


class SbomReader:
    """Tells what is in an artifact. What it learns of locks is kept in the cache."""

    def __init__(self, root: Path, cache: ZipCache, files: SourceFiles, chosen: Chosen) -> None:
        """`chosen` tells which files were installed where a listing gives several hashes for each."""
        self._chosen = chosen
        self._root = root
        self._cache = cache
        self._files = files
        self._guard = threading.Lock()
        self._locks: dict[str, Any] = {}
        self._hashes: dict[str, Mapping[str, str]] = {}
        """What locks of Node.js have them for, by the digests of these."""
        self._distributions: dict[tuple[str, int, int], Component] = {}
        self._components: dict[tuple[object, ...], Component] = {}
        self._ours: tuple[tuple[str, ...], frozenset[str]] = ((), frozenset())
        self._foreign: dict[str, Path | None] = {}
        """Where folders of packages really lie; None for the workspace's own."""
        self._packages: dict[tuple[str, str, str], Component] = {}

    def begin(self) -> None:
        """Forget where packages lie: what follows is another build."""
        self._foreign = {}

    def text(
        self,
        unit: str,
        digest: str,
        target: Target,
        plan: PythonPlan | NodePlan,
        made: tuple[Iterable[Member], Metafile],
    ) -> str:
        """The SBOM of the artifact with that digest; `made` are its members and esbuild's metafile (Node.js)."""
        members, meta = made
        if isinstance(plan, NodePlan):
            version, components = self._of_node(plan, members, meta)
        else:
            version, components = self._of_python(plan, members, target)
        return sbom.document(unit, digest, target, components, version=version)

    # ---------------------------------------------------------------- Python

    def _of_python(self, plan: PythonPlan, members: Iterable[Member], target: Target) -> Contents:
        """What the ZIP's own dist-info folders say, with hashes from the lock."""
        infos: dict[str, dict[str, Member]] = {}
        for member in members:
            if not member.name.endswith(("/METADATA", "/WHEEL")):
                continue
            folder, _, name = member.name.partition("/")
            if folder.endswith(".dist-info") and "/" not in name:
                infos.setdefault(folder, {})[name] = member
        lock = self._lock_facts(plan, target)
        internal = {normalised(part.name) for part in (plan.service, *plan.packages)}
        found: dict[str, Component] = {normalised(part.name): _internal(part.name) for part in plan.packages}
        version = ""
        for parts in infos.values():
            if "METADATA" not in parts:
                continue
            plain = self._distribution(parts["METADATA"])
            name = normalised(plain.name)
            if name == normalised(plan.service.name):
                version = plain.version
            elif name in internal:
                found[name] = plain
            else:
                wheels = lock["wheels"].get(f"{name} {plain.version}", {})
                listed = plan.listing.hashes.get(f"{name}=={plain.version}", "")
                found[name] = self._locked_component(plain, parts["METADATA"], parts.get("WHEEL"), wheels, listed)
        supplied = (
            sbom.Component(name=name, version=locked, index="pypi", supplied=True)
            for name, locked in lock["supplied"].items()
            if name not in found
        )
        return version, (*found.values(), *supplied)

    def _distribution(self, metadata: Member) -> Component:
        """A package by its METADATA, which services that share it read once."""
        key = (metadata.name, metadata.crc, metadata.size)
        if key not in self._distributions:
            self._distributions[key] = sbom.distribution(_text(metadata), index=None)
        return self._distributions[key]

    def _locked_component(
        self, plain: Component, metadata: Member, wheel: Member | None, wheels: Mapping[str, str], listed: str
    ) -> Component:
        """A locked package with the hash of what was installed; services that share it have it looked up once."""
        key = (metadata.name, metadata.crc, wheel and wheel.crc, tuple(wheels.items()), listed)
        if key not in self._components:
            tags = sbom.wheel_tags(_text(wheel)) if wheel else frozenset[str]()
            hashes = sbom.wheel_of(tags, wheels) or sbom.only_hash(listed)
            self._components[key] = replace(plain, index="pypi", hashes=hashes)
        return self._components[key]

    def _lock_facts(self, plan: PythonPlan, target: Target) -> Mapping[str, Any]:
        """`wheels`: file name → hash by `name version`; `supplied`: what the runtime has, with the locked version."""
        if plan.export is None:
            return (
                self._poetry_facts(plan)
                if plan.listing.where.endswith("/poetry.lock")
                else self._listed_facts(plan, target)
            )
        path = plan.export[0] / "uv.lock"
        return _facts(self._read_lock(path), plan)

    def _read_lock(self, path: Path) -> list[_LockedPackage]:
        """The packages of a uv.lock; a big one takes a while, and services that share it have it read once."""
        content = path.read_bytes()  # not by the digest of a look: it may be another one by now
        digest = hashlib.sha256(content).hexdigest()
        with self._guard:
            if digest not in self._locks:
                key = python.key("wheels", {"lock": digest})
                known = self._cache.note("wheels", key)
                if known is None:
                    packages = lockfile.tables(content.decode()).get("package", [])
                    known = {"packages": list(map(_locked_package, packages))}
                    self._cache.keep_note("wheels", key, known)
                self._locks[digest] = known["packages"]
            found: list[_LockedPackage] = self._locks[digest]
        return found

    def _poetry_facts(self, plan: PythonPlan) -> Mapping[str, Any]:
        lock = self._root / plan.service.folder / "poetry.lock"
        packages = self._files.text_fact("packages of Poetry", lock, sbom.poetry_packages)
        out, groups = set(python.supplied(plan.options)), {"main", *plan.options.groups}
        versions = dict(key.split(" ", 1) for key, about in packages.items() if groups & set(about["groups"]))
        return {
            "wheels": {key: about["wheels"] for key, about in packages.items()},
            "supplied": {name: version for name, version in versions.items() if name in out},
        }

    def _listed_facts(self, plan: PythonPlan, target: Target) -> Mapping[str, Any]:
        """Of requirements.txt: its hashes are in the plan, without the names of their files, which uv knows."""
        text = self._files.text(self._root / plan.service.folder / "requirements.txt") or ""
        out = set(python.supplied(plan.options))
        pinned = pinned_versions("".join(f"{line}\n" for line in plain_lines(text)))
        wheels = self._chosen(plan, target)
        return {"wheels": wheels, "supplied": {name: version for name, version in pinned.items() if name in out}}

    # ---------------------------------------------------------------- Node.js

    def _of_node(self, plan: NodePlan, members: Iterable[Member], meta: Metafile) -> Contents:
        """What esbuild took code from, and packages that lie beside the bundle; what was left to the runtime."""
        integrities = self._integrities(plan)
        if self._ours[0] is not plan.members:
            self._ours = (plan.members, frozenset(map(posixpath.normpath, plan.members)))
        found = [_internal(part.name) for part in plan.packages]
        for folder, name in metafile.bundled(meta).items():
            if folder not in self._foreign:
                self._foreign[folder] = self._outside(folder, self._ours[1])
            real = self._foreign[folder]
            if real is None:
                continue  # a package of the workspace, linked into node_modules
            text = self._files.text(real / "package.json") or "{}"
            key = (name, plan.lock, text)
            if key not in self._packages:
                self._packages[key] = sbom.npm_package(text, name, integrities=integrities)
            found.append(self._packages[key])
        found += [
            sbom.npm_package(_text(member), package, integrities=integrities)
            for member in members
            if (package := sbom.installed(member.name))
        ]
        left = metafile.left_external(meta, node.SUPPLIED_BY_LAMBDA)
        asking = metafile.asked_of(meta, left)
        versions = {name: self._left_version(plan, name, asking.get(name, ())) for name in left}
        supplied = (sbom.Component(name=name, version=versions[name], index="npm", supplied=True) for name in left)
        return "", (*found, *supplied)

    def _left_version(self, plan: NodePlan, name: str, files: Sequence[str]) -> str:
        """The version that the lock has of a package that is left to the runtime; `files` ask for it."""
        lock = self._lock(plan)
        if lock is None:
            return ""
        parts = (plan.service, *plan.packages)
        asking = [part for part in parts if any(path.startswith(f"{part.folder}/") for path in files)]
        for part in asking:
            manifest = self._files.text(self._root / part.folder / "package.json") or "{}"
            asker = node_locked.Asker(
                name=part.name, version="", folder=posixpath.relpath(part.folder, plan.top_folder or ".")
            )
            locked = node_locked.find(lock, asker, name, package_json.range_of(manifest, name))
            if locked is not None:
                return locked.version
        return node_locked.only_version(lock, name)

    def _outside(self, folder: str, ours: frozenset[str]) -> Path | None:
        real = (self._root / folder).resolve()
        is_ours = real.is_relative_to(self._root) and real.relative_to(self._root).as_posix() in ours
        return None if is_ours else real

    def _integrities(self, plan: NodePlan) -> Mapping[str, str]:
        lock = self._lock(plan)
        if lock is None:
            return {}
        with self._guard:
            if plan.lock not in self._hashes:
                self._hashes[plan.lock] = node_locked.integrities(lock)
        return self._hashes[plan.lock]

    def _lock(self, plan: NodePlan) -> Lock | None:
        if not plan.lock_name:
            return None
        with self._guard:
            if plan.lock not in self._locks:
                text = (plan.top / plan.lock_name).read_text(encoding="utf-8")
                self._locks[plan.lock] = node_locked.parse(plan.lock_name, text)
        found: Lock | None = self._locks[plan.lock]
        return found


class _LockedPackage(TypedDict):
    """A package of a lock: the names that it asks for, and file name → hash of its wheels."""

    name: str
    version: str
    asks: list[str]
    wheels: dict[str, str]


def _locked_package(package: Mapping[str, Any]) -> _LockedPackage:
    return {
        "name": package["name"],
        "version": package.get("version", ""),
        "asks": [dependency["name"] for dependency in package.get("dependencies", ())],
        "wheels": {_file(wheel): wheel["hash"] for wheel in package.get("wheels", ()) if "hash" in wheel},
    }


def _facts(packages: Sequence[_LockedPackage], plan: PythonPlan) -> dict[str, Any]:
    ours = {plan.service.name, *(part.name for part in plan.packages)} | ({plan.export[1]} if plan.export else set())
    reached = [
        each for each in packages if each["name"] in ours or f"{each['name']} {each['version']}".strip() in plan.locked
    ]
    asked = {name for each in reached for name in each["asks"]}
    wheels: dict[str, dict[str, str]] = {}
    for each in reached:  # of one version there may be wheels of several indexes
        wheels.setdefault(f"{normalised(each['name'])} {each['version']}", {}).update(each["wheels"])
    return {
        "wheels": wheels,
        "supplied": {
            each["name"]: each["version"]
            for each in packages
            if each["name"] in asked and each["name"] in python.SUPPLIED_BY_LAMBDA
        },
    }


def _file(wheel: Mapping[str, Any]) -> str:
    """Its name: a wheel of an index has a URL, one of a flat index may have a path, one beside the lock only this."""
    place = next((wheel[key] for key in ("url", "path", "filename") if key in wheel), "")
    return str(place).rpartition("/")[2]


def _internal(name: str) -> Component:
    return sbom.Component(name=name)


def _text(member: Member) -> str:
    return member.content().decode("utf-8", "replace")
