"""Routes of all services of an API: each request has one answer, and API Gateway can hold them together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.workspace.findings import Finding, KeyPath, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.workspace.checks.scene import FunctionScene, Scene

_PARAMETER = re.compile(r"\{[^{}+]+(\+?)\}")


def check(scene: Scene) -> Iterator[Finding]:
    """Duplicates, and parameters with two names in one place."""
    for environment in scene.environments:
        taken: dict[str, tuple[str, str]] = {}
        parameters: dict[str, tuple[str, str]] = {}
        for function in environment.functions:
            for text, (file, path) in _routes(function):
                yield from _duplicate(function, text, file, path, taken)
                yield from _second_name(text, file, path, parameters)


def _routes(function: FunctionScene) -> Iterator[tuple[str, tuple[str, KeyPath]]]:
    routes = function.values.get("routes", ())
    for index, text in enumerate(routes):
        yield text, function.place("routes", index)
    health = function.values.get("health")
    if health is not None and health not in routes:
        yield health, function.place("health")


def _duplicate(
    function: FunctionScene, text: str, file: str, path: KeyPath, taken: dict[str, tuple[str, str]]
) -> Iterator[Finding]:
    shape = _PARAMETER.sub(r"{\1}", text)
    if shape not in taken:
        taken[shape] = (text, function.key)
        return
    other, owner = taken[shape]
    place = "twice here" if owner == function.key else f"in {owner} as well"
    what = f"route {shown(text)} is {place}" if other == text else f"route {shown(text)} is {shown(other)} of {owner}"
    yield Finding(file, path, what, "keep one: a request must have one answer")


def _second_name(text: str, file: str, path: KeyPath, parameters: dict[str, tuple[str, str]]) -> Iterator[Finding]:
    """API Gateway knows one variable child of a resource, whatever the method."""
    above = ""
    seen = set()
    for segment in text.partition(" ")[2].split("/")[1:]:
        if segment.startswith("{"):
            if segment in seen:
                yield Finding(file, path, f"route {shown(text)} has {segment} twice", "give each its own name")
            seen.add(segment)
            first, route = parameters.setdefault(above, (segment, text))
            if first != segment:
                what = f"route {shown(text)} calls {segment} what {shown(route)} calls {first}"
                yield Finding(file, path, what, f"write {first}: API Gateway knows one name in one place")
        above = f"{above}/{_PARAMETER.sub('{}', segment)}"
