"""What every check looks at: documents whose shape is right, merged for each environment."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.workspace.layers import (
    Document,
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from penstock.workspace.findings import KeyPath
    from penstock.workspace.source import Source
    from penstock.workspace.tree import ServiceFiles, Tree


@dataclass(frozen=True, slots=True)
class FunctionScene:
    """One function in one environment: its layers, strongest last, and what they come to."""

    service: ServiceFiles
    short: str | None
    layers: tuple[Layer, ...]
    values: Document

    @property
    def key(self) -> str:
        """The function's name within the workspace."""
        return f"{self.service.name}-{self.short}" if self.short else self.service.name

    @property
    def home(self) -> tuple[str, KeyPath]:
        """Where the function is written down."""
        return self.service.manifest.file, ("functions", self.short) if self.short else ()

    def place(self, *path: str | int) -> tuple[str, KeyPath]:
        """Where the value at this path was given: the strongest layer that has it, else the function's home."""
        for layer in reversed(self.layers):
            if layer.file and _has(layer.values, path):
                return layer.file, (*layer.path, *path)
        return self.home


@dataclass(frozen=True)
class EnvironmentScene:
    """One environment with everything merged for it."""

    name: str
    line: tuple[str, ...]
    layers: tuple[Layer, ...]
    tree: Tree

    @cached_property
    def values(self) -> Document:
        """The environment's own merged table."""
        return merged(self.layers)

    @cached_property
    def services(self) -> tuple[tuple[ServiceFiles, Document], ...]:
        """Each service's file, merged."""
        return tuple(
            (one, merged(file_layers(one.manifest.file, one.manifest.document, self.line)))
            for one in self.tree.services
        )

    @cached_property
    def functions(self) -> tuple[FunctionScene, ...]:
        """All functions, those of services with an unknown overlay function included."""
        root = self.tree.root.document
        shared = tuple(workspace_layers(root, self.line))
        defaults = merged(shared)
        found = []
        for service, document in self.services:
            manifest = service.manifest
            shorts: Iterable[str | None] = sorted(table(manifest.document, "functions")) or (None,)
            if table(document, "functions") and not table(manifest.document, "functions"):
                shorts = (None,)
            for short in shorts:
                layers = function_layers(manifest.file, manifest.document, short, self.line)
                values = merge(defaults, merged(layers))
                found.append(FunctionScene(service, short, (*shared, *layers), values))
        return tuple(found)

    def place(self, *path: str | int) -> tuple[str, KeyPath]:
        """Where the environment's value at this path was given, else the environment's own table."""
        for layer in reversed(self.layers):
            if layer.file and _has(layer.values, path):
                return layer.file, (*layer.path, *path)
        return self.tree.root.file, ("environments", self.name)


@dataclass(frozen=True)
class Scene:
    """The whole workspace. `broken` says what the shape check took away, so that nobody calls it missing."""

    source: Source
    tree: Tree
    broken: frozenset[tuple[str, KeyPath]]
    partial: bool
    """Whether some manifest could not be read at all: then nobody knows what there is not."""

    @cached_property
    def environments(self) -> tuple[EnvironmentScene, ...]:
        """One scene for each environment, in the order of the file."""
        root = self.tree.root.document
        found: list[EnvironmentScene] = []
        for name in table(root, "environments"):
            line = lineage(root, name)
            found.append(EnvironmentScene(name, line, tuple(environment_layers(root, line)), self.tree))
        return tuple(found)

    @cached_property
    def service_names(self) -> frozenset[str]:
        """Names of all services."""
        return frozenset(service.name for service in self.tree.services)

    def is_broken(self, file: str, key: str) -> bool:
        """Whether some value of that key in that file, or in the root's, was taken away by the shape check."""
        files = (file, self.tree.root.file)
        return any(one in files and key in path for one, path in self.broken)

    def may_hide(self, file: str, key: str) -> bool:
        """Whether something of that key may exist in what could not be read."""
        return self.partial or self.is_broken(file, key)


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean …?`, or what to do when nothing known comes close."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else otherwise


def function_tables(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Document]]:
    """Every table of a service's file that says something about functions."""
    parts: list[tuple[KeyPath, Mapping[str, Any]]] = [((), document)]
    parts += [(("environments", name), one) for name, one in table(document, "environments").items()]
    for path, part in parts:
        yield path, dict(part)
        for name, one in table(dict(part), "functions").items():
            yield (*path, "functions", name), one


def _has(values: Any, path: tuple[str | int, ...]) -> bool:
    for part in path:
        if (isinstance(values, dict) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]  # type: ignore[index] # a table by its key, or an array by its index
        else:
            return False
    return True
