"""Which file says what, weakest first, and how it merges: tables merge, arrays and plain values replace.

A function's settings come from, each over the one before:

1. Penstock's defaults
2. `[defaults]` of penstock.toml, then `[environments.E.defaults]`
3. the top level of service.toml, then `[environments.E]` of it
4. `[functions.F]` of service.toml, then `[environments.E.functions.F]`

So environment goes over base within one place, and function over service over workspace between places. Where `E`
extends another environment, the other one's layer stands right before `E`'s own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.workspace.catalog import ENVIRONMENT_DEFAULTS, FUNCTION_DEFAULTS, LOCAL_REGION
from penstock.workspace.source import ROOT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Document = dict[str, Any]

INHERITED = (
    "architecture",
    "concurrency",
    "env",
    "ephemeral",
    "layers",
    "log_retention",
    "memory",
    "runtime",
    "timeout",
    "tracing",
)
"""Keys that a service hands down to its functions."""

OWN = ("handler", "health", "on", "routes", "verify")
"""Keys that belong to one function only."""

FUNCTION_KEYS = frozenset((*INHERITED, *OWN))


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says. `file` is empty for Penstock's own defaults; `path` leads to the table in the file."""

    file: str
    path: tuple[str, ...]
    values: Mapping[str, Any]


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """`over` laid on `under`: tables merge key by key, everything else replaces. Neither is changed."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def merged(layers: Iterable[Layer]) -> Document:
    """All layers in one document."""
    result: Document = {}
    for layer in layers:
        result = merge(result, layer.values)
    return result


def lineage(root: Mapping[str, Any], environment: str) -> tuple[str, ...]:
    """The environment and those that it extends, the most distant first. A cycle ends where it closes."""
    known = table(root, "environments")
    found: list[str] = []
    name: object = environment
    while isinstance(name, str) and name in known and name not in found:
        found.append(name)
        name = table(known, name).get("extends")
    return tuple(reversed(found))


def environment_layers(root: Mapping[str, Any], line: tuple[str, ...]) -> list[Layer]:
    """What is said about an environment itself; `line` is its lineage."""
    known = table(root, "environments")
    own = [Layer(ROOT_FILE, ("environments", name), table(known, name)) for name in line]
    endpoint = next((layer.values["endpoint"] for layer in reversed(own) if "endpoint" in layer.values), None)
    region = {"region": LOCAL_REGION} if endpoint == "local" else {}
    synthetic = table(root, "synthetic")
    everywhere = [Layer(ROOT_FILE, (), {"synthetic": synthetic})] if synthetic else []
    return [Layer("", (), {**ENVIRONMENT_DEFAULTS, **region}), *everywhere, *own]


def workspace_layers(root: Mapping[str, Any], line: tuple[str, ...]) -> list[Layer]:
    """What is said about every function, service files apart."""
    known = table(root, "environments")
    layers = [Layer("", (), FUNCTION_DEFAULTS), Layer(ROOT_FILE, ("defaults",), table(root, "defaults"))]
    for name in line:
        values = table(table(known, name), "defaults")
        if values:
            layers.append(Layer(ROOT_FILE, ("environments", name, "defaults"), values))
    return layers


def file_layers(file: str, document: Mapping[str, Any], line: tuple[str, ...]) -> list[Layer]:
    """One file's base, then its environments'."""
    known = table(document, "environments")
    base = {key: value for key, value in document.items() if key != "environments"}
    return [
        Layer(file, (), base),
        *(Layer(file, ("environments", name), table(known, name)) for name in line if name in known),
    ]


def function_layers(file: str, document: Mapping[str, Any], name: str | None, line: tuple[str, ...]) -> list[Layer]:
    """What a service's file says about its function; None: the service is one function, written at the top level."""
    places = file_layers(file, document, line)
    keys = FUNCTION_KEYS if name is None else frozenset(INHERITED)
    layers = [
        Layer(place.file, place.path, {key: value for key, value in place.values.items() if key in keys})
        for place in places
    ]
    if name is not None:
        layers += [
            Layer(place.file, (*place.path, "functions", name), table(table(place.values, "functions"), name))
            for place in places
        ]
    return [layer for layer in layers if layer.values]


def table(document: Mapping[str, Any], key: str) -> Document:
    """The table under a key; empty when there is none, or when something else stands there (shape.py says so)."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}
