"""uv.lock, read without uv: what one project of it reaches, so that a recipe holds its own dependencies only.

Format: https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile (version 1). Markers are not evaluated: every
dependency that some platform may need is part of the answer. uv picks the external ones from it, and with local ones it
is told when they are meant.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import tomllib
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from penstock.build.markers import all_of
from penstock.build.requirements import name_of, normalised
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

Condition = frozenset[str]
"""Markers that all have to apply; the empty one always does. A cycle adds none that is not there yet."""
_ALWAYS: Condition = frozenset()
_ALTERNATIVES_MAX = 16
"""Conditions that are told apart for one package; one with more counts as needed everywhere, which does no harm."""
_LOCAL_SOURCES = ("editable", "virtual", "directory")


class Packages(list[dict[str, Any]]):
    """The `[[package]]` tables of a lock, with what all of its projects ask of them."""

    def __init__(self, tables: Iterable[dict[str, Any]]) -> None:
        super().__init__(tables)
        self.by_name: dict[str, list[dict[str, Any]]] = {}
        self.by_folder: dict[str, dict[str, Any]] = {}
        """The local ones, by their folders relative to the lock."""
        self._digests: dict[int, str] = {}
        for package in self:
            self.by_name.setdefault(package["name"], []).append(package)
            if (folder := _folder(package)) is not None:
                self.by_folder.setdefault(folder, package)

    def digest(self, package: dict[str, Any]) -> str:
        """Of everything that the lock says about one of them but what it was made from."""
        if id(package) not in self._digests:
            self._digests[id(package)] = _digest({key: said for key, said in package.items() if key != "metadata"})
        return self._digests[id(package)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What a project reaches in a lock.

    `packages` maps `name version` to a digest of everything that the lock says about it. `internal` maps the names of
    local packages to their folders, relative to the lock, the project itself left out; `conditions` has the markers of
    those that not every target needs, of which one has to apply.
    """

    name: str
    packages: Mapping[str, str]
    internal: Mapping[str, str]
    conditions: Mapping[str, list[str]]
    archives: list[str]
    """Wheels and packed sources that it names by their paths, relative to the lock."""
    edges: str
    """Digest of how external packages are asked for. Projects with equal edges get equal requirements from uv."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for a cache."""
        return {
            "name": self.name,
            "packages": dict(self.packages),
            "internal": dict(self.internal),
            "conditions": dict(self.conditions),
            "archives": list(self.archives),
            "edges": self.edges,
        }


def reached(
    packages: Packages,
    folder: str,
    *,
    without: Collection[str] = (),
    groups: Collection[str] = (),
    extras: Collection[str] = (),
) -> Locked | None:
    """What the project in `folder` (relative to the lock) reaches, `without` some packages and what only they need.

    `groups` and `extras` are those of the project itself that count as well.

    None when the lock has no project there.
    """
    by_name = packages.by_name
    root = packages.by_folder.get(posixpath.normpath(folder))
    if root is None:
        return None
    external: list[dict[str, Any]] = []
    internal: dict[str, str] = {}
    conditions: dict[str, set[Condition]] = {}
    edges: set[str] = set()
    seen: dict[tuple[str, str, str, str], list[Condition]] = {}
    queue: deque[tuple[dict[str, Any], str, Condition]] = deque([(root, "", _ALWAYS)])
    while queue:
        package, extra, condition = queue.popleft()
        which = (package["name"], package.get("version", ""), str(package.get("source")), extra)
        if not _is_news(condition, before := seen.setdefault(which, [])):
            continue
        condition = before[-1]
        local = _folder(package)
        if package is not root and local is not None:
            internal[package["name"]] = local
            conditions.setdefault(package["name"], set()).add(condition)
        elif package is not root:
            external.append(package)
        asked = (*groups, *extras) if package is root else ()
        for dependency in (*_dependencies(package, extra), *_asked_for(package, asked)):
            if dependency["name"] not in without:
                queue.extend(_choices(by_name, dependency, condition))
            if local is not None:
                edges |= _edge(root["name"], dependency, by_name)
    return Locked(
        name=root["name"],
        packages=_digests(packages, external),
        internal=internal,
        conditions={
            name: sorted(map(all_of, alternatives))
            for name, alternatives in conditions.items()
            if _ALWAYS not in alternatives
        },
        archives=sorted({one["source"]["path"] for one in external if "path" in one.get("source", {})}),
        edges=_digest({"edges": sorted(edges)}),
    )


def lacks(packages: Packages, name: str, dependencies: Iterable[str]) -> list[str]:
    """Those requirements of a manifest, by name and versions, that the lock was not made from.

    For want of an interpreter with which uv would say so. What only the lock has is not told: it may be dynamic.
    """
    known: dict[str, list[set[str] | None]] = {}
    for package in packages:
        if normalised(package["name"]) == normalised(name):
            for one in package.get("metadata", {}).get("requires-dist", ()):
                specifier = one.get("specifier")  # none for what comes from elsewhere than an index
                known.setdefault(normalised(one["name"]), []).append(_clauses(specifier) if specifier else None)
    found = []
    for text in dependencies:
        asked = _clauses(re.sub(r"\[[^\]]*\]", "", text.partition(";")[0].removeprefix(name_of(text))))
        there = known.get(normalised(name_of(text)), [])
        if not any(one is None or one == asked or "@" in text for one in there):
            found.append(text)
    return found


def _clauses(specifier: str) -> set[str]:
    return {clause for one in specifier.strip(" ()").split(",") if (clause := re.sub(r"\s+", "", one))}


def parse(text: str, *, where: str) -> Packages:
    """The packages of a lock, for `reached`. Raises BuildFailed when the text is not a lock."""
    try:
        content = tables(text)
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"not valid TOML: {error}", where=where, hint="uv lock") from error
    packages = content.get("package", [])
    if content.get("version") != 1 or not all(isinstance(package.get("name"), str) for package in packages):
        raise BuildFailed("this is not a lock that uv wrote (version 1)", where=where, hint="uv lock")
    return Packages(packages)


@lru_cache(maxsize=2)
def tables(text: str) -> Mapping[str, Any]:
    """A lock as TOML, for many who read the same one: it takes a while. Raises TOMLDecodeError."""
    return tomllib.loads(text)


def _is_news(condition: Condition, before: list[Condition]) -> bool:
    """Whether a package was not there yet whenever it would be by this condition, which is kept then."""
    if any(known <= condition for known in before):
        return False
    before.append(condition if len(before) < _ALTERNATIVES_MAX else _ALWAYS)
    return True


def _folder(package: Mapping[str, Any]) -> str | None:
    source = package.get("source", {})
    return next((posixpath.normpath(source[kind]) for kind in _LOCAL_SOURCES if kind in source), None)


def _dependencies(package: Mapping[str, Any], extra: str) -> Iterator[Mapping[str, Any]]:
    if extra:
        yield from package.get("optional-dependencies", {}).get(extra, ())
    else:
        yield from package.get("dependencies", ())


def _edge(root: str, dependency: Mapping[str, Any], by_name: Mapping[str, list[dict[str, Any]]]) -> set[str]:
    """What one local package's dependency says of external ones: all of it, or nothing when it leads to a local one."""
    if all(_folder(package) is None for package in by_name.get(dependency["name"], ())):
        return {json.dumps(dependency, sort_keys=True, default=str)}
    if dependency.keys() <= {"name", "version"}:
        return set()
    # With a marker or extras on the way, what is asked for depends on the way.
    return {json.dumps([root, dependency], sort_keys=True, default=str)}


def _asked_for(package: Mapping[str, Any], names: Collection[str]) -> Iterator[Mapping[str, Any]]:
    for name in names:
        yield from package.get("dev-dependencies", {}).get(name, ())
        yield from package.get("optional-dependencies", {}).get(name, ())


def _choices(
    by_name: Mapping[str, list[dict[str, Any]]], dependency: Mapping[str, Any], condition: Condition
) -> Iterator[tuple[dict[str, Any], str, Condition]]:
    """The packages that a dependency may mean (a lock can hold several versions), with each extra that it asks for.

    And when a local one is meant: `condition` is that of whoever asks.
    """
    version = dependency.get("version")
    for package in by_name.get(dependency["name"], ()):
        if version is None or package.get("version") == version:
            marker = {dependency["marker"]} if dependency.get("marker") else set()
            meant = condition | marker if _folder(package) is not None else _ALWAYS
            yield package, "", meant
            for extra in dependency.get("extra", ()):
                yield package, extra, meant


def _digests(packages: Packages, reached: Iterable[dict[str, Any]]) -> dict[str, str]:
    """By name and version, of which a lock may hold several from different indexes, for different targets."""
    found: dict[str, set[str]] = {}
    for one in reached:
        found.setdefault(f"{one['name']} {one.get('version', '')}".strip(), set()).add(packages.digest(one))
    return {key: " ".join(sorted(digests)) for key, digests in found.items()}


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
