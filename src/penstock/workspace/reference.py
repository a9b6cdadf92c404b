"""docs/reference/configuration.md, from the types that validate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.workspace.catalog import RUNTIMES, RUNTIMES_REVIEWED
from penstock.workspace.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
<!-- Generated from the schema by penstock.workspace.reference.reference(). Do not edit. -->
# Configuration

Two files: `penstock.toml` at the workspace's root, and a `service.toml` in each service's folder, whose name is the
service's. Tables merge, arrays replace. In one file, what stands under `[environments.E]` goes over what stands
without; between places a function goes over its service, the service over `[defaults]`, those over Penstock's own.
An environment that `extends` another one goes over it. `penstock explain KEY -e ENVIRONMENT` shows how a value came
about, `penstock schema` prints the JSON Schema for your editor, `penstock validate` tells all problems at once.

Durations are written as `90s`, `5m`, `1h` or `1h30m`.
"""

_RULES = """\
## What follows by itself

- **Names on AWS** (workspace `shop`, environment `dev`): functions by `naming`; roles, tables, queues and topics
  `shop-dev-NAME`; secrets `shop/dev/NAME`; parameters `/shop/dev/NAME`; buckets `shop-dev-NAME-ACCOUNT`, with `-` for
  `_`. With `existing`, the name you give.
- **Health.** `health` joins the routes. Without it, `GET /FIRST-SEGMENT/health` is taken where the routes answer it.
- **Secrets and parameters** need not be declared: using one is enough. Tables, queues, topics and buckets must be.
- **Handlers** are looked for in the service's folder and in its `src/`: `users.app.handler` is `users/app.py` or
  `src/users/app.py`; `app.handler` of a Node runtime is `app.ts`, `app.js` or their like.
- **Packages** are found by `pyproject.toml` and `package.json` in the folders of `packages`; a service reaches those
  that it depends on by name, directly or not.
- **Rollouts.** What a strategy does not know is left out, so an environment that extends another one may change the
  strategy alone.
"""


def reference() -> str:
    """docs/reference/configuration.md."""
    files = (line for name, schema in json_schema().items() for line in _file(name, schema))
    return "\n".join([_HEAD, *files, _RULES, *_runtimes()])


def _runtimes() -> Iterator[str]:
    yield "## Runtimes\n"
    yield f"As AWS had announced it on {RUNTIMES_REVIEWED}. A runtime that had ended by then is refused.\n"
    yield "| runtime | deprecated on |"
    yield "| --- | --- |"
    for name, end in RUNTIMES.items():
        yield f"| `{name}` | {end}{', refused' if end <= RUNTIMES_REVIEWED else ''} |"
    yield ""


def _file(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{schema['description']}\n"
    yield from _rows(schema, schema)
    done: set[str] = set()
    for path, inner in _tables(schema, schema, (), done):
        yield f"### {name}: `[{path}]`\n"
        yield f"{inner['description']}\n"
        yield from _rows(schema, inner)


def _tables(
    top: dict[str, Any], here: dict[str, Any], before: tuple[str, ...], done: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables below, each kind where it first appears."""
    for key, value in here["properties"].items():
        for end, reference in _references(value):
            name = reference.rpartition("/")[2]
            if name not in done:
                done.add(name)
                path = (*before, f"{key}{end}")
                yield ".".join(path), top["$defs"][name]
                yield from _tables(top, top["$defs"][name], path, done)


def _references(value: dict[str, Any], end: str = "") -> Iterator[tuple[str, str]]:
    if "$ref" in value:
        yield end, value["$ref"]
    for option in (*value.get("oneOf", ()), *value.get("anyOf", ())):
        yield from _references(option, end)
    if isinstance(value.get("items"), dict):
        yield from _references(value["items"], end)
    for inner in _values(value):
        yield from _references(inner, f"{end}.NAME")


def _values(value: dict[str, Any]) -> list[dict[str, Any]]:
    further = value.get("additionalProperties")
    return [*value.get("patternProperties", {}).values(), *([further] if isinstance(further, dict) else [])]


def _rows(top: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    yield "| key | type | meaning |"
    yield "| --- | --- | --- |"
    required = here.get("required", ())
    for key, value in sorted(here["properties"].items(), key=lambda one: one[0] not in required):
        needed = " **Required.**" if key in required else ""
        inner = top["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else {}
        meaning = (value.get("description") or inner.get("description", "")).replace("|", "\\|")
        yield f"| `{key}` | {_type(top, value)} | {meaning}{needed} |"
    yield ""


def _type(top: dict[str, Any], value: dict[str, Any]) -> str:
    """In words, with bounds."""
    options = [*value.get("oneOf", ()), *value.get("anyOf", ())]
    if options:
        return " or ".join(_type(top, one) for one in options)
    if "$ref" in value:
        return "table"
    if "enum" in value or "const" in value:
        known = value.get("enum", [value.get("const")])
        return ", ".join(f"`{'true' if one is True else one}`" for one in known)
    if value["type"] == "array":
        return f"array of {_type(top, value['items'])}"
    if value["type"] == "object":
        inner = [_type(top, one) for one in _values(value)]
        return f"table of {inner[0]}" if inner and inner[0] != "table" else "table"
    return f"{_PLAIN_TYPES[value['type']]}{_bounds(value)}"


_PLAIN_TYPES = {"string": "string", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def _bounds(value: dict[str, Any]) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if "exclusiveMinimum" in value and "exclusiveMaximum" in value:
        return f", between {value['exclusiveMinimum']:g} and {value['exclusiveMaximum']:g}"
    return ""
