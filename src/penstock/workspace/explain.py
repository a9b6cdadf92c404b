"""Where a value came from: the value, and every place that gives it, strongest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from penstock.model.errors import UsageError
from penstock.workspace.layers import (
    FUNCTION_KEYS,
    Layer,
    environment_layers,
    file_layers,
    function_layers,
    lineage,
    merge,
    merged,
    table,
    workspace_layers,
)
from penstock.workspace.lines import line_of, locate
from penstock.workspace.load import known_environment, sound_tree
from penstock.workspace.resolve import RESOURCES
from penstock.workspace.source import ROOT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.workspace.source import Source
    from penstock.workspace.tree import ServiceFiles, Tree

_PENSTOCK = "Penstock's default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One place that gives the value. `file` is empty for Penstock's own default.

    A table is put together from all its origins; of anything else the first one counts and shadows the rest.
    """

    file: str
    line: int | None
    table: str
    """The TOML table it stands in, as `environments.production.defaults`; empty at the top level."""
    value: Any
    shadowed: bool

    @property
    def where(self) -> str:
        """`penstock.toml:12`, or that it is Penstock's default."""
        if not self.file:
            return _PENSTOCK
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A key's value in an environment as the files write it, and where it came from, strongest first."""

    key: str
    environment: str
    value: Any
    origins: tuple[Origin, ...]


def explain(source: Source, key: str, environment: str) -> Explanation:
    """Where a value came from.

    Keys: `user_service.memory`, `mail_service.worker.timeout` (or `mail_service-worker.timeout`),
    `mail_service.uses.tables`, `environment.rollout.bake`, `workspace.naming`, `tables.users.key`.
    Raises WorkspaceInvalid; UsageError for a key or an environment that there is not.
    """
    tree = sound_tree(source)
    known_environment(tree, environment)
    subject = _subject(tree, key, environment)
    parts = tuple(key.split("."))
    for taken, layers in subject:
        path = parts[taken:]
        found = [(layer, value) for layer in layers for value in _at(layer.values, path)]
        if found:
            return _explanation(tree, key, environment, path, found)
    raise _no_such_key(tree, key, environment, subject)


def _explanation(
    tree: Tree, key: str, environment: str, path: tuple[str, ...], found: list[tuple[Layer, Any]]
) -> Explanation:
    value: Any = None
    for _, one in found:
        value = merge(value, one) if isinstance(value, dict) and isinstance(one, dict) else one
    origins = []
    strongest = True
    for layer, one in reversed(found):
        origins.append(
            Origin(
                file=layer.file,
                line=_line(tree, layer, path),
                table=".".join(layer.path),
                value=one,
                shadowed=not strongest and not (isinstance(value, dict) and isinstance(one, dict)),
            )
        )
        strongest = False
    return Explanation(key=key, environment=environment, value=value, origins=tuple(origins))


def _subject(tree: Tree, key: str, environment: str) -> list[tuple[int, list[Layer]]]:
    """What the key may speak about: how many of its parts name the thing, and the thing's layers, weakest first."""
    root = tree.root.document
    line = lineage(root, environment)
    first, *rest = key.split(".")
    if first == "environment":
        return [(1, environment_layers(root, line))]
    if first in ("workspace", "defaults"):
        layers = workspace_layers(root, line) if first == "defaults" else []
        return [(1, layers or [Layer(ROOT_FILE, ("workspace",), table(root, "workspace"))])]
    if first in RESOURCES:
        places = [*file_layers(ROOT_FILE, root, line)]
        for service in tree.services:
            places += file_layers(service.manifest.file, service.manifest.document, line)
        return [(0, places)]
    for service in tree.services:
        if first == service.name:
            return _service_subject(tree, service, tuple(rest), line)
        for short in table(service.manifest.document, "functions"):
            if first == f"{service.name}-{short}":
                return [(1, _function(tree, service, short, line))]
    return []


def _service_subject(
    tree: Tree, service: ServiceFiles, rest: tuple[str, ...], line: tuple[str, ...]
) -> list[tuple[int, list[Layer]]]:
    document, file = service.manifest.document, service.manifest.file
    shorts = table(document, "functions")
    own = [(1, file_layers(file, document, line))]
    if not shorts:
        return [(1, _function(tree, service, None, line)), *own] if rest[:1] and rest[0] in FUNCTION_KEYS else own
    if rest[:1] == ("build",):
        common = table(tree.root.document, "build")
        return [(1, [Layer(ROOT_FILE, (), {"build": common}), *file_layers(file, document, line)])]
    if rest[:1] and rest[0] in shorts:
        return [(2, _function(tree, service, rest[0], line)), *own]
    if rest[:1] == ("functions",) and rest[1:2] and rest[1] in shorts:
        return [(3, _function(tree, service, rest[1], line)), *own]
    if rest[:1] and rest[0] in FUNCTION_KEYS:
        return [(1, [*workspace_layers(tree.root.document, line), *file_layers(file, document, line)])]
    return own


def _function(tree: Tree, service: ServiceFiles, short: str | None, line: tuple[str, ...]) -> list[Layer]:
    manifest = service.manifest
    own = function_layers(manifest.file, manifest.document, short, line)
    return [*workspace_layers(tree.root.document, line), *own]


def _at(values: Any, path: Sequence[str]) -> Iterator[Any]:
    """The value at the path, if there is one."""
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return
        values = values[part]
    yield values


def _line(tree: Tree, layer: Layer, path: tuple[str, ...]) -> int | None:
    for manifest in (tree.root, *(service.manifest for service in tree.services)):
        if manifest.file == layer.file:
            return line_of(locate(manifest.text), (*layer.path, *path))
    return None


def _no_such_key(tree: Tree, key: str, environment: str, subject: list[tuple[int, list[Layer]]]) -> UsageError:
    known = [f"{service.name}.memory" for service in tree.services]
    known += [f"environment.{one}" for one in ("account", "region", "rollout.strategy", "trigger")]
    for taken, layers in subject:
        before = key.split(".")[:taken]
        known += [".".join((*before, *inner)) for inner in _keys(merged(layers))]
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"?' if close else "name a service and a key of it, as user_service.memory"
    return UsageError(f"nothing gives {key!r} a value in {environment}", hint=hint)


def _keys(values: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from _keys(value, (*before, key))
