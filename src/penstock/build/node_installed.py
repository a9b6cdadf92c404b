"""Which packages of a node_modules a lock speaks for, and which are copies of folders, of which it knows no hash.

A copy (pnpm's `injected`, `file:` of pnpm and Yarn, npm's `install-links`) stays as it was when the folder changes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penstock.build import node_lock, node_locked
from penstock.build.metafile import package_folder

_DIRECTORY = re.compile(r"directory:\s*([^,}]+)")
_ARCHIVES = (".tgz", ".tar.gz", ".tar")
_KINDS = ("dependencies", "devDependencies", "optionalDependencies")
_STORE = ".store"
"""Where npm (`install-strategy=linked`) and Yarn (`nodeLinker: pnpm`) put packages, under names of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What a lock speaks for: places in npm's, relative to it, or names in the others'."""

    places: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    text: str = ""
    """Of a lock of a form that is not understood: a name that stands in it counts."""

    def speaks_for(self, path: str) -> bool:
        """Whether a file (relative to the lock) of a node_modules is one of the lock's."""
        folder = package_folder(path)
        if folder is None:
            return False
        above, _, name = folder.rpartition("node_modules/")
        if folder in self.places or name in self.names or (name == _STORE and (self.names or self.places)):
            return True
        if self.places and f"{_STORE}/" in above:
            return any(place.endswith(f"node_modules/{name}") for place in self.places)
        if self.text and f'{name}"' in self.text:
            return True
        owner = package_folder(above)
        # npm names each package that another one brings along; those of the others come with who brings them.
        return owner is not None and not (self.places and above == f"{owner}/") and self.speaks_for(above)


@lru_cache(maxsize=8)
def locked(lock_name: str, text: str) -> Locked:
    """What the lock in a file of that name speaks for."""
    lock = _parse(lock_name, text)
    if lock is None:
        return Locked(text=text)
    if "npm" in lock:
        return Locked(places=frozenset(key for key in lock["packages"] if "node_modules/" in key))
    if "yarn" in lock:
        return Locked(names=frozenset(key[: key.index("@", 1)] for key in lock["yarn"] if "@" in key[1:]))
    named = {_pnpm_name(key, about) for key, about in lock.get("packages", {}).items()}
    asking = (*(lock.get("importers") or {".": lock}).values(), *lock.get("packages", {}).values())
    asking += tuple(lock.get("snapshots", {}).values())
    aliases = {
        name
        for about in asking
        for kind in _KINDS
        for name, said in _table(_table(about).get(kind)).items()
        if not str(said.get("version", "") if isinstance(said, dict) else said).startswith("link:")
    }
    return Locked(names=frozenset((named | aliases) - {""}))


def copies(lock_name: str, text: str) -> dict[str, str]:
    """Folders of which a lock wants copies, by the names of their packages, as it says where they lie."""
    lock = _parse(lock_name, text)
    found: dict[str, str] = {}
    if lock is None:
        return found
    if "npm" in lock:
        for key, about in lock["packages"].items():
            resolved = str(about.get("resolved", ""))
            if resolved.startswith("file:") and not about.get("link") and not resolved.endswith(_ARCHIVES):
                found[key.rpartition("node_modules/")[2]] = resolved.removeprefix("file:")
    elif "yarn" in lock:
        for key in lock["yarn"]:
            name, _, place = key.partition("@file:")
            place = re.split(r"[:#]", place)[0]
            if place and not place.endswith(_ARCHIVES):
                found[name] = place
    else:
        for key, about in lock.get("packages", {}).items():
            match = _DIRECTORY.search(str(_table(about).get("resolution", "")))
            if match:
                found[_pnpm_name(key, about)] = match[1].strip("'\" ")
    return found


def links(lock_name: str, text: str) -> dict[str, str]:
    """Folders (relative to the lock) that a lock has links to in node_modules, by the names of their packages.

    Yarn 1 says nothing of them.
    """
    lock = _parse(lock_name, text)
    if lock is None:
        return {}
    if "npm" in lock:
        linked = ((key, about) for key, about in lock["packages"].items() if about.get("link"))
        return {key.rpartition("node_modules/")[2]: str(about.get("resolved", "")) for key, about in linked}
    if "yarn" in lock:
        resolutions = (about.get("resolution", "").partition("@workspace:") for about in lock["yarn"].values())
        return {name: place for name, _, place in resolutions if place}
    return {
        name: posixpath.normpath(posixpath.join(importer, version.removeprefix("link:")))
        for importer, about in (lock.get("importers") or {".": lock}).items()
        for kind in _KINDS
        for name, said in _table(_table(about).get(kind)).items()
        if (version := str(said.get("version", "") if isinstance(said, dict) else said)).startswith("link:")
    }


def _parse(lock_name: str, text: str) -> node_lock.Lock | None:
    return node_locked.parse("package-lock.json" if lock_name == "npm-shrinkwrap.json" else lock_name, text)


def _pnpm_name(key: str, about: Any) -> str:
    said = _table(about).get("name")
    named = node_lock.pnpm_named(key)
    return (
        str(said) if said else key.lstrip("/").partition("@file:")[0] if "@file:" in key else named[0] if named else ""
    )


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
