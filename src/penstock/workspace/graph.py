"""Who reaches whom: packages of the workspace, and the services that are made from them."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from penstock.model.workspace import Package
from penstock.workspace.source import NODE_FILE, PYTHON_FILE, REQUIREMENTS_FILE, ROOT_FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from penstock.model.workspace import Language, Workspace
    from penstock.workspace.tree import Folder, Tree

_REQUIREMENT_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_SHIPPED_TABLES = ("dependencies", "optionalDependencies", "peerDependencies")
_NODE_TABLES = (*_SHIPPED_TABLES, "devDependencies")

_SHARED: Mapping[Language, frozenset[str]] = MappingProxyType(
    {
        "python": frozenset((ROOT_FILE, PYTHON_FILE, "uv.lock", REQUIREMENTS_FILE)),
        "node": frozenset(
            (
                ROOT_FILE,
                NODE_FILE,
                "pnpm-lock.yaml",
                "pnpm-workspace.yaml",
                "package-lock.json",
                "npm-shrinkwrap.json",
                "yarn.lock",
                ".yarnrc.yml",
                ".npmrc",
            )
        ),
    }
)
"""Files of the root that every service of a language is made from."""


def packages(tree: Tree) -> tuple[Package, ...]:
    """The workspace's packages, sorted by name, each with the internal packages that it needs directly."""
    named = _named(tree)
    paths = {(language, path): name for (language, name), path in named.items()}
    found = []
    for folder in tree.folders:
        for language in _languages(folder):
            if (name := paths.get((language, folder.path))) is not None:
                needs = tuple(sorted(_needs(folder, language, named) - {name}))
                found.append(Package(name=name, path=folder.path, language=language, packages=needs))
    return tuple(sorted(found, key=lambda package: (package.name, package.language)))


def reach(tree: Tree, known: Iterable[Package]) -> dict[str, tuple[str, ...]]:
    """For each service's path, the names of the internal packages it reaches, directly or not, sorted."""
    named = _named(tree)
    graphs: dict[Language, dict[str, tuple[str, ...]]] = {"python": {}, "node": {}}
    for package in known:
        graphs[package.language][package.name] = package.packages
    found: dict[str, tuple[str, ...]] = {}
    services = {service.path for service in tree.services}
    for folder in tree.folders:
        if folder.path in services:
            names: set[str] = set()
            for language in _languages(folder):
                names |= closure(graphs[language], _needs(folder, language, named))
            found[folder.path] = tuple(sorted(names))
    return found


def closure(edges: Mapping[str, Collection[str]], start: Iterable[str]) -> set[str]:
    """All names that can be reached from `start`, itself included. Cycles do no harm."""
    found: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(edges.get(name, ()))
    return found


def affected(workspace: Workspace, changed: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Services that the changed files (paths below the root) reach, by name, each with those files, sorted.

    A service is reached by its own folder, by the folders of its packages, and by what all services of its language
    share. This is what *may* have changed; whether bytes change is the recipe's to say.
    """
    owners = {package.path: (package.name, package.language) for package in workspace.packages}
    found: dict[str, set[str]] = {}
    for path in set(changed):
        owner = _owner(path, owners)
        for service in workspace.services:
            if (
                _below(path, service.path)
                or (owner is not None and owner[1] == service.language and owner[0] in service.packages)
                or path in _SHARED[service.language]
            ):
                found.setdefault(service.name, set()).add(path)
    return {name: tuple(sorted(paths)) for name, paths in sorted(found.items())}


def cycles(edges: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """One cycle through each knot of names that need each other, from its first name on."""
    found: list[tuple[str, ...]] = []
    knotted: set[str] = set()
    for start in sorted(edges):
        if start in knotted:
            continue
        trail = _way_back(edges, start)
        if trail:
            found.append(trail)
            knotted.update(trail)
    return found


def declared(tree: Tree) -> list[tuple[str, Language, str | None, str]]:
    """What the package folders call themselves: path, language, name (None: it has none) and manifest.

    A pyproject.toml that says nothing of a project is left out: of setup.cfg, setup.py or nothing is the folder's name.
    """
    found: list[tuple[str, Language, str | None, str]] = []
    for folder in tree.folders:
        if folder.path in tree.package_paths:
            name = _python_name(folder)
            if name is not None or "project" in _dict(folder.python):
                found.append((folder.path, "python", name, PYTHON_FILE))
            if folder.node is not None:
                found.append((folder.path, "node", _name(folder.node), NODE_FILE))
    return found


def unknown_internal(tree: Tree) -> list[tuple[str, str, str]]:
    """Dependencies that say they come from the workspace, and do not: folder, name and manifest.

    Not those for development, such as a package of tsconfigs: where such a one lies, the package manager's own settings
    say, and what of it a bundle takes in is refused.
    """
    named = _named(tree)
    services = {service.path for service in tree.services}
    members = {
        normalized(name)
        for folder in tree.folders
        if (name := _project(folder).get("name")) and folder.path in services
    }
    found = []
    for folder in tree.folders:
        tool = _dict(_dict(folder.python).get("tool"))
        for name, source in _dict(_dict(tool.get("uv")).get("sources")).items():
            known = ("python", normalized(name)) in named or normalized(name) in members
            if _dict(source).get("workspace") is True and not known:
                found.append((folder.path, name, PYTHON_FILE))
        for key in _SHIPPED_TABLES:
            for name, version in _dict(_dict(folder.node).get(key)).items():
                known = ("node", name) in named or name == tree.node_root
                if isinstance(version, str) and version.startswith("workspace:") and not known:
                    found.append((folder.path, name, NODE_FILE))
    return found


def normalized(name: str) -> str:
    """A Python distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _owner(path: str, owners: Mapping[str, tuple[str, Language]]) -> tuple[str, Language] | None:
    return next((owner for folder, owner in owners.items() if _below(path, folder)), None)


def _below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _way_back(edges: Mapping[str, Collection[str]], start: str) -> tuple[str, ...]:
    """The shortest way from a name to itself, without the return; empty when there is none."""
    trails: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for trail in trails:
        for name in sorted(edges.get(trail[-1], ())):
            if name == start:
                return trail
            if name not in seen:
                seen.add(name)
                trails.append((*trail, name))
    return ()


def _languages(folder: Folder) -> tuple[Language, ...]:
    found: list[Language] = []
    if folder.python is not None or folder.requirements is not None:
        found.append("python")
    if folder.node is not None:
        found.append("node")
    return tuple(found)


def _named(tree: Tree) -> dict[tuple[Language, str], str]:
    """Paths of the packages by language and name."""
    found: dict[tuple[Language, str], str] = {}
    for folder in tree.folders:
        if folder.path not in tree.package_paths:
            continue
        if (name := _python_name(folder)) is not None:
            found.setdefault(("python", normalized(name)), folder.path)
        if (name := _name(folder.node)) is not None:
            found.setdefault(("node", name), folder.path)
    return found


def _needs(folder: Folder, language: Language, named: Mapping[tuple[Language, str], str]) -> set[str]:
    wanted = _python_needs(folder) if language == "python" else _node_needs(folder)
    return {name for name in wanted if (language, name) in named}


def _python_needs(folder: Folder) -> set[str]:
    project = _dict(_dict(folder.python).get("project"))
    poetry = _dict(_dict(_dict(_dict(folder.python).get("tool")).get("poetry")).get("dependencies"))
    lines = [*_strings(project.get("dependencies")), *(folder.requirements or "").splitlines(), *poetry]
    found = set()
    for line in lines:
        if match := _REQUIREMENT_NAME.match(line):
            found.add(normalized(match[1]))
    return found


def _node_needs(folder: Folder) -> set[str]:
    document = _dict(folder.node)
    return {name for key in _NODE_TABLES for name in _dict(document.get(key))}


def _project(folder: Folder) -> dict[str, Any]:
    project = _dict(_dict(folder.python).get("project"))
    return project if isinstance(project.get("name"), str) else {}


def _python_name(folder: Folder) -> str | None:
    """The name in `[project]`, or else in Poetry's table."""
    document = _dict(folder.python)
    return _name(document.get("project")) or _name(_dict(document.get("tool")).get("poetry"))


def _name(value: object) -> str | None:
    name = _dict(value).get("name")
    return name if isinstance(name, str) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
