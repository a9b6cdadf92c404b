"""Documents put in their places: the root's manifest, the services found by its patterns, the packages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from penstock.workspace.findings import Finding, KeyPath, shown
from penstock.workspace.layers import table
from penstock.workspace.source import (
    MAX_SERVICES,
    NODE_FILE,
    PYTHON_FILE,
    REQUIREMENTS_FILE,
    ROOT_FILE,
    SERVICE_FILE,
    Source,
)
from penstock.workspace.text import decode, parse_json, parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.workspace.layers import Document
    from penstock.workspace.text import Parse

Kind = Literal["services", "packages"]

_PATTERN_SEGMENT = re.compile(r"[@A-Za-z0-9._*?-]+")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One TOML file of ours: where it lies, what it says, and the text that lines are looked up in."""

    file: str
    document: Document
    text: str


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """A service's folder. Its name is the folder's."""

    name: str
    path: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What the language's own manifests of a service or package say: raw, checked where it is used."""

    path: str
    python: Document | None = None
    node: Document | None = None
    requirements: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All documents of a workspace."""

    root: Manifest
    services: tuple[ServiceFiles, ...]
    folders: tuple[Folder, ...] = field(default=())
    """Folders of packages and services that have a manifest of their language, sorted by path."""
    package_paths: frozenset[str] = frozenset()
    node_root: str | None = None
    """What the workspace's own package.json calls itself: pnpm and Yarn let a service depend on it."""


def plant(source: Source, parse: Parse = parse_toml) -> tuple[Tree | None, list[Finding]]:
    """The tree, and what could not be read. None when there is no penstock.toml to start from.

    `parse` does what `parse_toml` does; it may have done so before.
    """
    raw = source.files.get(ROOT_FILE)
    if raw is None:
        if any(problem.file == ROOT_FILE for problem in source.problems):
            return None, []
        return None, [Finding(ROOT_FILE, (), "not found", "run this in a workspace, or begin one with `penstock init`")]
    parsed = parse(ROOT_FILE, raw)
    if isinstance(parsed, Finding):
        return None, [parsed]
    root = Manifest(ROOT_FILE, *parsed)
    findings = _bad_patterns(root.document)
    services = _services(source, root, findings, parse)
    package_paths = frozenset(
        folder
        for name in (PYTHON_FILE, NODE_FILE)
        for folder in _folders(source.files, name)
        if matches(folder, patterns(root.document, "packages"))
    )
    paths = sorted({*package_paths, *(service.path for service in services)})
    folders = tuple(_folder(source, path, findings, parse) for path in paths)
    top = _node_root(source)
    tree = Tree(root=root, services=services, folders=folders, package_paths=package_paths, node_root=top)
    return tree, findings


def patterns(document: Document, kind: Kind) -> tuple[str, ...]:
    """The well-formed patterns of penstock.toml that say where services or packages lie."""
    found = table(document, "workspace").get(kind)
    return tuple(text for text in found if _pattern_fault(text) is None) if isinstance(found, list) else ()


def matches(folder: str, wanted: Iterable[str]) -> bool:
    """Whether one of the patterns names the folder. `*` and `?` stay within one segment."""
    segments = folder.split("/")
    for pattern in wanted:
        parts = pattern.split("/")
        if len(parts) == len(segments) and all(map(fnmatchcase, segments, parts)):
            return True
    return False


def _services(source: Source, root: Manifest, findings: list[Finding], parse: Parse) -> tuple[ServiceFiles, ...]:
    wanted = patterns(root.document, "services")
    paths = sorted(folder for folder in _folders(source.files, SERVICE_FILE) if matches(folder, wanted))
    if len(paths) > MAX_SERVICES:
        what = f"more than {MAX_SERVICES:,} services, the most that Penstock takes in a workspace"
        findings.append(Finding(ROOT_FILE, ("workspace", "services"), what, "split the workspace"))
        return ()
    for index, pattern in enumerate(wanted):
        if not source.problems and not any(matches(path, (pattern,)) for path in paths):
            what = f"{shown(pattern)} matches no folder with a {SERVICE_FILE}"
            findings.append(Finding(ROOT_FILE, ("workspace", "services", index), what, "correct the pattern"))
    services = []
    for path in paths:
        file = f"{path}/{SERVICE_FILE}"
        parsed = parse(file, source.files[file])
        if isinstance(parsed, Finding):
            findings.append(parsed)
        else:
            services.append(ServiceFiles(path.rpartition("/")[2], path, Manifest(file, *parsed)))
    return tuple(services)


def _node_root(source: Source) -> str | None:
    """None also for a package.json that cannot be read: whoever runs the package manager is told by it."""
    document: Any = parse_json(NODE_FILE, source.files.get(NODE_FILE, b"{}"))
    name = document.get("name") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None


def _folder(source: Source, path: str, findings: list[Finding], parse: Parse) -> Folder:
    python: Document | None = None
    if (raw := source.files.get(file := f"{path}/{PYTHON_FILE}")) is not None:
        parsed = parse(file, raw)
        if isinstance(parsed, Finding):
            findings.append(parsed)
        else:
            python = parsed[0]
    node: Any = None
    if (raw := source.files.get(file := f"{path}/{NODE_FILE}")) is not None:
        node = parse_json(file, raw)
        if not isinstance(node, dict):
            findings.append(node if isinstance(node, Finding) else Finding(file, (), "not a JSON object", "write {}"))
            node = None
    requirements: str | None = None
    if (raw := source.files.get(file := f"{path}/{REQUIREMENTS_FILE}")) is not None:
        text = decode(file, raw)
        if isinstance(text, Finding):
            findings.append(text)
        else:
            requirements = text
    return Folder(path=path, python=python, node=node, requirements=requirements)


def _folders(files: Iterable[str], name: str) -> set[str]:
    end = f"/{name}"
    return {file[: -len(end)] for file in files if file.endswith(end)}


def _bad_patterns(document: Document) -> list[Finding]:
    findings = []
    for kind in ("services", "packages"):
        found = table(document, "workspace").get(kind)
        for index, text in enumerate(found if isinstance(found, list) else ()):
            if isinstance(text, str) and (fault := _pattern_fault(text)):
                path: KeyPath = ("workspace", kind, index)
                what = f"{shown(text)} {fault}"
                findings.append(Finding(ROOT_FILE, path, what, f'write folders below the workspace, as "{kind}/*"'))
    return findings


def _pattern_fault(text: object) -> str | None:
    if not isinstance(text, str):
        return "is not a string"
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        return "is an absolute path"
    segments = text.split("/")
    if ".." in segments:
        return "leaves the workspace"
    if "**" in text:
        return "uses **, which is not supported"
    if not all(_PATTERN_SEGMENT.fullmatch(segment) for segment in segments):
        return "is not a folder pattern"
    return None
