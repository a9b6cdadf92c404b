"""Names of resources and services: given once, and there where they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.workspace.catalog import KINDS
from penstock.workspace.checks.scene import suggestion
from penstock.workspace.durations import seconds
from penstock.workspace.findings import Finding, KeyPath, shown
from penstock.workspace.layers import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.workspace.checks.scene import EnvironmentScene, FunctionScene, Scene
    from penstock.workspace.layers import Document

_MUST_EXIST = ("tables", "queues", "topics", "buckets")
_MADE_BY_USE = ("secrets", "parameters")
_DEFAULT_VISIBILITY = 60
_MAX_VISIBILITY = 43_200
_MAX_FIFO_BATCH = 10

Found = dict[str, dict[str, tuple["Document", str, KeyPath]]]


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about references."""
    for environment in scene.environments:
        found: Found = {kind: {} for kind in KINDS}
        yield from _collect(scene, environment, found)
        for kind, known in found.items():
            for name, (values, file, path) in known.items():
                yield from _resource(kind, name, values, file, path)
        for service, document in environment.services:
            yield from _uses(scene, service.manifest.file, table(document, "uses"), found)
        for function in environment.functions:
            for index, event in enumerate(function.values.get("on", ())):
                yield from _source(scene, function, index, event, found)


def _collect(scene: Scene, environment: EnvironmentScene, found: Found) -> Iterator[Finding]:
    root = scene.tree.root
    parts = [(root.file, {kind: {**table(root.document, kind), **table(environment.values, kind)} for kind in KINDS})]
    parts += [(service.manifest.file, document) for service, document in environment.services]
    variables: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for file, document in parts:
        for kind, known in found.items():
            same = variables[kind]
            for name, values in table(document, kind).items():
                path = (kind, name)
                other = same.setdefault(name.replace("-", "_"), name)
                if other in known:
                    place = known[other][1]
                    also = f"in {place}" if other == name else f"{other} in {place}, for variables' names"
                    what = f"{KINDS[kind]} {name} is also {also}"
                    yield Finding(file, path, what, "rename one: names are unique in the workspace")
                known.setdefault(name, (values, file, path))


def _resource(kind: str, name: str, values: Document, file: str, path: KeyPath) -> Iterator[Finding]:
    if kind == "tables":
        yield from _table(name, values, file, path)
    if kind == "queues" and "visibility" in values and seconds(values["visibility"]) > _MAX_VISIBILITY:
        yield Finding(file, (*path, "visibility"), "visibility is longer than 12h", 'write at most "12h"')
    if "existing" in values and (more := sorted(values.keys() & {"capacity", "dead_letter", "generate", "value"})):
        what = f"{more[0]} means nothing to an existing {KINDS[kind]}"
        yield Finding(file, (*path, more[0]), what, "take it away, or take `existing` away")


def _table(name: str, values: Document, file: str, path: KeyPath) -> Iterator[Finding]:
    if "key" not in values and "existing" not in values:
        yield Finding(file, path, f"table {name} has no key", 'add key = { id = "S" }')
    types: dict[str, str] = {}
    for place, key in (("key", table(values, "key")), *table(values, "indexes").items()):
        for attribute, one in key.items():
            if types.setdefault(attribute, one) != one:
                what = f'attribute {attribute} is "{one}" in {place} and "{types[attribute]}" elsewhere'
                yield Finding(file, (*path, "indexes", place), what, "give it one type: an item has it once")
    for side in ("read", "write"):
        units = table(values, "capacity").get(side, ())
        if list(units) != sorted(units):
            what = f"{side} = {units}: the least is more than the most"
            yield Finding(file, (*path, "capacity", side), what, "write the smaller number first")


def _uses(scene: Scene, file: str, uses: Document, found: Found) -> Iterator[Finding]:
    for kind in _MUST_EXIST:
        names: Iterable[str] = uses.get(kind, ())
        known = found[kind]
        for name in names:
            if name not in known and not scene.may_hide(file, kind):
                yield _unknown(file, ("uses", kind, name), KINDS[kind], name, known)
    for kind in _MADE_BY_USE:
        for name in uses.get(kind, ()):
            if name not in found[kind] and (close := suggestion(name, found[kind], "")) and _very_close(name, close):
                what = f"{KINDS[kind]} {shown(name)} is not declared"
                yield Finding(file, ("uses", kind), what, f"{close} If not, add [{kind}.{name}]")
    for name in uses.get("services", ()):
        if name not in scene.service_names and not scene.partial:
            hint = suggestion(name, scene.service_names, "write the name of a service's folder")
            yield Finding(file, ("uses", "services"), f"there is no service {shown(name)}", hint)


def _very_close(name: str, hint: str) -> bool:
    """A slip of the fingers: the same letters but one or two, not a longer name with the same beginning."""
    other = hint.split('"')[1]
    return sorted(name) == sorted(other) or (abs(len(name) - len(other)) <= 1 and name[:3] == other[:3])


def _source(scene: Scene, function: FunctionScene, index: int, event: Document, found: Found) -> Iterator[Finding]:
    for kind, plural in (("stream", "tables"), ("queue", "queues"), ("topic", "topics"), ("bucket", "buckets")):
        name = event.get(kind)
        if name is None:
            continue
        file, path = function.place("on", index)
        known = found[plural]
        if name not in known:
            if not scene.may_hide(file, plural):
                yield _unknown(file, (*path, kind), KINDS[plural], name, known)
            continue
        values = known[name][0]
        if kind == "stream" and "stream" not in values:
            what = f"table {name} has no stream"
            hint = f'add stream = "new-and-old-images" to [tables.{name}] in {known[name][1]}'
            yield Finding(file, (*path, kind), what, hint)
        if kind == "queue":
            yield from _queue_source(function, file, path, event, values)


def _queue_source(
    function: FunctionScene, file: str, path: KeyPath, event: Document, values: Document
) -> Iterator[Finding]:
    timeout = function.values["timeout"]
    visibility = seconds(values["visibility"]) if "visibility" in values else _DEFAULT_VISIBILITY
    if visibility < timeout and "existing" not in values:
        what = f"queue {event['queue']} shows a message again after {visibility} s; {function.key} may take {timeout} s"
        yield Finding(file, (*path, "queue"), what, f'write visibility = "{timeout * 6}s", six times the timeout')
    if values.get("fifo") and event.get("batch", 1) > _MAX_FIFO_BATCH:
        yield Finding(file, (*path, "batch"), f"batch = {event['batch']} of a FIFO queue", "write at most 10")


def _unknown(file: str, path: KeyPath, kind: str, name: str, known: Iterable[str]) -> Finding:
    hint = suggestion(name, known, f"add [{kind}s.{name}] to the service that owns it, or to penstock.toml")
    return Finding(file, path, f"there is no {kind} {shown(name)}", hint)
