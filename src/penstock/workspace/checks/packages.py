"""Folders and packages: names that can be names, given once, and no cycle among packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.workspace import graph
from penstock.workspace.catalog import KINDS, TERRAFORM_MODULES
from penstock.workspace.findings import Finding, shown
from penstock.workspace.layers import table
from penstock.workspace.source import NODE_FILE, PYTHON_FILE, ROOT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.workspace.checks.scene import Scene

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")
_PACKAGE = re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]{0,200}")


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about folders and packages."""
    yield from _service_names(scene)
    yield from _package_names(scene)
    for folder, name, manifest in graph.unknown_internal(scene.tree):
        what = f"{shown(name)} is asked of the workspace, which has no such package"
        hint = f"name its folder in packages of {ROOT_FILE}, or correct the name"
        yield Finding(f"{folder}/{manifest}", (), what, hint)
    packages = graph.packages(scene.tree)
    for language in ("python", "node"):
        edges = {one.name: one.packages for one in packages if one.language == language}
        paths = {one.name: one.path for one in packages if one.language == language}
        manifest = PYTHON_FILE if language == "python" else NODE_FILE
        for cycle in graph.cycles(edges):
            what = f"packages need each other: {' → '.join((*cycle, cycle[0]))}"
            yield Finding(f"{paths[cycle[0]]}/{manifest}", (), what, "take one dependency away")


def _service_names(scene: Scene) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    manifests = (scene.tree.root, *(service.manifest for service in scene.tree.services))
    resources = {
        f"{one}_{name}"
        for kind, one in KINDS.items()
        for manifest in manifests
        for name in table(manifest.document, kind)
    }
    for service in scene.tree.services:
        if not _NAME.fullmatch(service.name):
            what = f"the folder's name {shown(service.name)} cannot be a service's name"
            hint = "rename it: a lower-case letter, then at most 47 letters, digits, _ and -"
            if service.name == ".":
                hint = 'put penstock.toml one folder above, and name this one: services = ["FOLDER"]'
            yield Finding(service.manifest.file, (), what, hint)
        if service.name in TERRAFORM_MODULES or service.name in resources:
            what = f"{shown(service.name)} is the name of a Terraform module of Penstock's"
            yield Finding(service.manifest.file, (), what, "rename the service's folder")
        key = service.name.replace("-", "_")
        if key in seen:
            what = f"service {service.name} is also in {seen[key]}"
            yield Finding(service.manifest.file, (), what, "rename one folder: names are unique in the workspace")
        seen.setdefault(key, service.path)


def _package_names(scene: Scene) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for path, language, name, manifest in graph.declared(scene.tree):
        file = f"{path}/{manifest}"
        if name is None or not _PACKAGE.fullmatch(name):
            yield Finding(file, (), f"{shown(name)} is no package's name" if name else "no name", "give it a name")
            continue
        key = (language, graph.normalized(name) if language == "python" else name)
        if key in seen:
            yield Finding(file, (), f"package {shown(name)} is also in {seen[key]}", "rename one")
        seen.setdefault(key, path)
