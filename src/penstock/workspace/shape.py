"""The errors of the schema, in a person's words."""

from __future__ import annotations

import copy
import functools
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from penstock.workspace.fields import WORDS
from penstock.workspace.findings import Finding, KeyPath, dotted, shown
from penstock.workspace.schema import RootFile, ServiceFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

    from penstock.workspace.layers import Document

FileKind = Literal["root", "service"]

MAX_FINDINGS = 50
"""Per file. A file with more is not a manifest with mistakes but something else."""

MAX_SHOWN_PATH = 120

_NO_IMAGES = "container images are not built yet (later)"
_NO_LAYERS = "layers of your own are not built yet (later)"
LATER: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("container", "dockerfile", "image", "image_uri", "package_type"), _NO_IMAGES),
        **dict.fromkeys(("layer", "layers"), _NO_LAYERS),
    }
)
"""Keys that people look for, and what there is instead. `layers` of a function is a key: ARNs of layers."""

_TYPES = {
    "string_type": ("a string", "put it in quotes"),
    "int_type": ("a whole number", "write digits without quotes"),
    "int_from_float": ("a whole number", "write it without a fraction"),
    "float_type": ("a number", "write digits without quotes"),
    "bool_type": ("true or false", "write true or false without quotes"),
    "list_type": ("an array", 'write ["…"]'),
    "dict_type": ("a table", "write { key = value }"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "is too small", "at least"),
    "greater_than": ("gt", "is too small", "more than"),
    "less_than_equal": ("le", "is too large", "at most"),
    "less_than": ("lt", "is too large", "less than"),
}


def check_shape(kind: FileKind, file: str, document: Document) -> tuple[list[Finding], Document]:
    """What does not fit the schema, and a copy of the document without it, for the checks that follow."""
    try:
        _adapter(kind).validate_python(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
    else:
        return [], document
    findings, paths = [], set()
    for detail in details[:MAX_FINDINGS]:
        path = _real_path(document, detail)
        # A table that lacks what it needs is of no use to the checks that follow; [workspace] alone still is.
        paths.add(path[:-1] if detail["type"] == "missing" and path[0] != "workspace" else path)
        findings.append(_finding(kind, file, path, detail))
    if len(details) > MAX_FINDINGS:
        findings.append(Finding(file, (), f"and {len(details) - MAX_FINDINGS} further problems", "correct these first"))
    return findings, _without(document, paths)


@functools.cache
def _adapter(kind: FileKind) -> TypeAdapter[Any]:
    return TypeAdapter(RootFile if kind == "root" else ServiceFile)


@functools.cache
def _json_schema(kind: FileKind) -> dict[str, Any]:
    return _adapter(kind).json_schema()


def _real_path(document: Document, detail: ErrorDetails) -> KeyPath:
    """Pydantic's location without what is not in the file: names of union members, marks of keys."""
    here: Any = document
    path: list[str | int] = []
    location = [part for part in detail["loc"] if part != "[key]"]
    for part in location:
        if (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
            here = here[part]  # type: ignore[index] # a table by its key, or an array by its index
            path.append(part)
    if detail["type"] == "missing":
        path.append(location[-1])
    return tuple(path)


def _finding(kind: FileKind, file: str, path: KeyPath, detail: ErrorDetails) -> Finding:
    what, hint = _words(kind, path, detail)
    return Finding(file, path, what, hint)


def _words(kind: FileKind, path: KeyPath, detail: ErrorDetails) -> tuple[str, str]:
    name, value, error = _readable(path), detail["input"], detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    if error in ("extra_forbidden", "missing"):
        return _unknown(kind, path) if error == "extra_forbidden" else (f"{name} is missing", _addition(kind, path))
    if error in _TYPES:
        what, hint = _TYPES[error]
        return f"{name} must be {what}, not {_kind_of(value)}", hint
    if error in _BOUNDS:
        bound, what, words = _BOUNDS[error]
        return f"{name} = {shown(value)} {what}", f"write {words} {context[bound]}"
    if error == "string_pattern_mismatch":
        what, hint = WORDS[context["pattern"]]
        return f"{name}: {shown(value)} {what}", hint
    if error == "literal_error":
        return f"{name} = {shown(value)} is unknown", f"write {str(context['expected']).replace(chr(39), chr(34))}"
    return f"{name} {_fault(error, detail)}", _limit(context) or _description(kind, path)


def _fault(error: str, detail: ErrorDetails) -> str:
    if error.endswith("too_short"):
        return "is too short"
    return "is too long" if error.endswith("too_long") else f"is wrong: {detail['msg'].lower()}"


def _limit(context: dict[str, Any]) -> str:
    if "min_length" in context:
        return f"write at least {context['min_length']}"
    return f"write at most {context['max_length']}" if "max_length" in context else ""


def _readable(path: KeyPath) -> str:
    text = dotted(path)
    return text if text.isprintable() and len(text) <= MAX_SHOWN_PATH else shown(text)


def _unknown(kind: FileKind, path: KeyPath) -> tuple[str, str]:
    key = str(path[-1])
    known = sorted(_table_schema(kind, path[:-1]).get("properties", {}))
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    place = f" in [{dotted(path[:-1])}]" if len(path) > 1 else ""
    if key in LATER:
        return f"{shown(key)}{place}: {LATER[key]}", 'ship ZIPs, and name layers that exist: layers = ["arn:…"]'
    what = f"unknown key {shown(key)}{place}"
    if close:
        return what, f'did you mean "{close[0]}"?'
    if path[0] == "environments" and len(path) == 3 and key in _table_schema(kind, ("defaults",)).get("properties", {}):  # noqa: PLR2004 - environments, its name, the key
        return what, f"write it in [{dotted(path[:-1])}.defaults]"
    return what, f"known here: {', '.join(known)}"


def _addition(kind: FileKind, path: KeyPath) -> str:
    words = _description(kind, path)
    return f"add {path[-1]}: {words[:1].lower()}{words[1:]}"


def _kind_of(value: object) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a fraction",
        str: "a string",
        list: "an array",
        dict: "a table",
    }
    return kinds.get(type(value), "a date or time")


def _description(kind: FileKind, path: KeyPath) -> str:
    return str(_table_schema(kind, path).get("description", "")).rstrip(".").replace("`", '"')


def _table_schema(kind: FileKind, path: KeyPath) -> dict[str, Any]:
    """What the schema says about a place: its reference followed, its description kept."""
    top = _json_schema(kind)
    here: dict[str, Any] = top
    for part in path:
        here = _followed(top, here)
        if isinstance(part, int):
            here = here.get("items", {})
        else:
            further = here.get("additionalProperties") or next(iter(here.get("patternProperties", {}).values()), None)
            here = here.get("properties", {}).get(part) or (further if isinstance(further, dict) else {})
    return _followed(top, here)


def _followed(top: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    options = here.get("anyOf") or here.get("oneOf") or ()
    for option in (here, *options):
        if isinstance(reference := option.get("$ref"), str):
            return {**top["$defs"][reference.rpartition("/")[2]], **here}
    return here


def _without(document: Document, paths: Iterable[KeyPath]) -> Document:
    """A copy without the values at those paths; an array loses itself, as its other elements would move."""
    result = copy.deepcopy(document)
    for path in sorted(paths, key=len, reverse=True):
        while path and isinstance(path[-1], int):
            path = path[:-1]  # noqa: PLW2901 - the array, not its element
        here: Any = result
        for part in path[:-1]:
            inside = (isinstance(here, dict) and part in here) or (isinstance(here, list) and isinstance(part, int))
            here = here[part] if inside else {}
        if path and isinstance(here, dict):
            here.pop(path[-1], None)
    return result
