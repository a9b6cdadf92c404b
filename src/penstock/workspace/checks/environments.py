"""Environments: what they extend, and what each needs in the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.workspace.catalog import NAMING
from penstock.workspace.checks.scene import suggestion
from penstock.workspace.findings import Finding, shown
from penstock.workspace.layers import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.workspace.checks.scene import EnvironmentScene, Scene

_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("workspace", "environment", "service", "function")


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about environments."""
    yield from _extends(scene)
    yield from _overlays(scene)
    yield from _naming(scene)
    for environment in scene.environments:
        yield from _required(scene, environment)
        yield from _smoke(scene, environment)


def _extends(scene: Scene) -> Iterator[Finding]:
    file = scene.tree.root.file
    known = table(scene.tree.root.document, "environments")
    for name, values in known.items():
        parent = values.get("extends")
        if parent is None:
            continue
        path = ("environments", name, "extends")
        if parent not in known:
            hint = suggestion(parent, known, f"take one of {', '.join(known)}")
            yield Finding(file, path, f"extends an unknown environment {shown(parent)}", hint)
            continue
        chain = [name]
        while isinstance(parent, str) and parent in known and parent not in chain:
            chain.append(parent)
            parent = known[parent].get("extends")
        if parent == name:
            yield Finding(file, path, f"extends itself: {' → '.join((*chain, name))}", "take one `extends` away")


def _overlays(scene: Scene) -> Iterator[Finding]:
    known = table(scene.tree.root.document, "environments")
    if scene.is_broken(scene.tree.root.file, "environments") and not known:
        return
    for service in scene.tree.services:
        manifest = service.manifest
        base = table(manifest.document, "functions")
        for name, part in table(manifest.document, "environments").items():
            if name not in known:
                hint = suggestion(name, known, f"write one of {', '.join(known)}, or add it to penstock.toml")
                yield Finding(manifest.file, ("environments", name), f"unknown environment {shown(name)}", hint)
            for function in table(part, "functions"):
                if function not in base:
                    path = ("environments", name, "functions", function)
                    hint = suggestion(function, base, f"write [functions.{function}] as well")
                    yield Finding(manifest.file, path, f"unknown function {shown(function)}", hint)


def _naming(scene: Scene) -> Iterator[Finding]:
    naming = table(scene.tree.root.document, "workspace").get("naming")
    if naming is None:
        return
    path = ("workspace", "naming")
    fields = _FIELD.findall(naming)
    for field in fields:
        if field not in _FIELDS:
            hint = f"take {', '.join(f'{{{one}}}' for one in _FIELDS)}"
            yield Finding(scene.tree.root.file, path, f"workspace.naming has an unknown field {{{field}}}", hint)
    if re.search(r"[{}]", _FIELD.sub("", naming)):
        yield Finding(scene.tree.root.file, path, "workspace.naming has an unpaired brace", f'write it as "{NAMING}"')
    for field in ("environment", "function"):
        if field not in fields:
            what = f"workspace.naming has no {{{field}}}, so that names would be given twice"
            yield Finding(scene.tree.root.file, path, what, f'write it as "{NAMING}"')


def _required(scene: Scene, environment: EnvironmentScene) -> Iterator[Finding]:
    file, path = scene.tree.root.file, ("environments", environment.name)
    values = environment.values
    parent = table(table(scene.tree.root.document, "environments"), environment.line[0]).get("extends")
    if parent is not None:
        return  # an unknown one or a cycle; what it would have given is not known
    if "account" not in values and not scene.is_broken(file, "account"):
        what = f"environment {environment.name} has no account"
        yield Finding(file, path, what, 'add account = "111111111111", its 12 digits')
    broken = any(one == file and place[:2] == path for one, place in scene.broken)
    if "region" not in values and not broken:
        what = f"environment {environment.name} is on AWS and has no region"
        yield Finding(file, path, what, 'add region = "eu-west-1", or endpoint = "local" for the embedded AWS')


def _smoke(scene: Scene, environment: EnvironmentScene) -> Iterator[Finding]:
    for index, script in enumerate(table(environment.values, "after").get("smoke", ())):
        if script not in scene.source.listing:
            file, path = environment.place("after", "smoke", index)
            yield Finding(file, path, f"there is no script {shown(script)}", "write it, or correct the path")
