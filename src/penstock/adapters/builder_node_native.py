"""Puts packages that cannot be bundled into a ZIP's node_modules, with what they need, for the target."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.build import archive, node_native
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.node_tools import NodeTools
    from penstock.build.archive import Member
    from penstock.model.artifact import Target


class NativePackages:
    """Looks at packages of node_modules and packs those that must lie beside a bundle."""

    def __init__(self, root: Path, cache: ZipCache, tools: NodeTools) -> None:
        self._root = root
        self._cache = cache
        self._tools = tools

    def found(self, folders: Iterable[str]) -> frozenset[str]:
        """Names of those packages, given by their folders relative to the workspace, that load native code."""
        names = set()
        for folder in folders:
            place = self._root / folder
            manifest = _manifest(place)
            if manifest and node_native.is_native(manifest, {path.name for path in place.iterdir()}):
                names.add(str(manifest["name"]))
        return frozenset(names)

    def members(self, names: Collection[str], service: Path, target: Target) -> tuple[Member, ...]:
        """The packages and what they need, as files below node_modules/. Raises BuildFailed for one that is missing."""
        placed: dict[str, Path] = {}
        packed: dict[str, Member] = {}
        queue = [(name, service, "") for name in sorted(names)]
        while queue:
            name, asker, above = queue.pop(0)
            folder = self._resolve(name, asker) or self._fetch(name, asker, target)
            if folder is None or not node_native.fits(_manifest(folder) or {}, target):
                continue  # optional, and of no use there
            # Two versions of a package: the second lies below the one that asks for it.
            place = f"node_modules/{name}"
            if placed.get(place, folder) != folder:
                place = f"{above}/node_modules/{name}"
            if place in placed:
                continue
            placed[place] = folder
            packed |= {member.name: member for member in _files(folder, place, target)}
            manifest = _manifest(folder) or {}
            wanted = [*(manifest.get("dependencies") or {}), *(manifest.get("optionalDependencies") or {})]
            queue += [(inner, folder, place) for inner in sorted(set(wanted))]
        return tuple(packed.values())

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

    def _fetch(self, name: str, asker: Path, target: Target) -> Path | None:
        """An optional package that this machine has no use for, and the target has; None when it has none either."""
        manifest = _manifest(asker) or {}
        version = (manifest.get("optionalDependencies") or {}).get(name)
        if version is None:
            if name in (manifest.get("dependencies") or {}):
                raise BuildFailed(f"{name} is not installed", where=str(asker), hint="install the workspace's packages")
            return None
        if node_native.for_target(name, target) is not True:
            return None
        home = self._cache.folder / "tools" / "npm" / f"{name.replace('/', '+')}-{version}"
        place = home / "node_modules" / name
        if not place.is_dir():
            cpu = "arm64" if target.architecture == "arm64" else "x64"
            words = ("install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--force")
            platform = (f"--os={target.platform}", f"--cpu={cpu}", "--libc=glibc")
            self._tools.fetch_package((*words, *platform), f"{name}@{version}", home)
        found = _manifest(place)
        return place if found is not None and node_native.fits(found, target) else None


def _files(folder: Path, place: str, target: Target) -> Iterator[Member]:
    for path in sorted(_walk(folder)):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder):
            raise BuildFailed(f"{place} holds a symbolic link out of itself, {relative}", hint="do not use it")
        if path.is_file() and node_native.ships(relative, target):
            executable = os.access(path, os.X_OK)
            yield archive.pack(f"{place}/{relative}", path.read_bytes(), executable=executable)


def _walk(folder: Path) -> Iterator[Path]:
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "node_modules"]
        yield from (Path(above) / name for name in files)


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
