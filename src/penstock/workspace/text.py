"""Bytes of a manifest to a document, with limits; whatever is wrong becomes a finding with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from penstock.workspace.findings import Finding
from penstock.workspace.source import MAX_FILE_BYTES

MAX_DEPTH = 24
"""Levels of nesting; the deepest key that means anything lies on level 6."""

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_STRINGS = re.compile(r"\"(?:[^\"\\]|\\.)*+\"?|'[^']*+'?")
"""Strings of one line. Possessive, and content with no closing quote, so that no text takes more than one pass."""


Parse = Callable[[str, "str | bytes"], "tuple[dict[str, Any], str] | Finding"]
"""`parse_toml`, or what knows its answers."""


def parse_toml(file: str, raw: str | bytes) -> tuple[dict[str, Any], str] | Finding:
    """The document and its text (LF line ends, no byte order mark), or why there is none."""
    text = toml_text(file, raw)
    if isinstance(text, Finding):
        return text
    for number, line in enumerate(text.split("\n"), 1):
        # tomllib's time grows with the square of a dotted key's length, so such a key must not reach it.
        if line.count(".") > MAX_DEPTH and _STRINGS.sub("", line).partition("#")[0].count(".") > MAX_DEPTH:
            return Finding(file, (), "too many dots", f"nest at most {MAX_DEPTH} levels", number)
    try:
        document = tomllib.loads(text)
    except RecursionError:
        return _too_deep(file)
    except ValueError as error:
        return _syntax(file, text, str(error))
    return _too_deep(file) if _deeper_than(document, MAX_DEPTH) else (document, text)


def toml_text(file: str, raw: str | bytes) -> str | Finding:
    """The text of a TOML document (LF line ends, no byte order mark), or why there is none."""
    text = decode(file, raw)
    return text if isinstance(text, Finding) else text.replace("\r\n", "\n")


def parse_json(file: str, raw: str | bytes) -> Any | Finding:
    """The JSON value, or why there is none."""
    text = decode(file, raw)
    if isinstance(text, Finding):
        return text
    try:
        document = json.loads(text)
    except RecursionError:
        return _too_deep(file)
    except json.JSONDecodeError as error:
        return Finding(file, (), f"not JSON: {error.msg}, column {error.colno}", "correct the syntax", error.lineno)
    except ValueError as error:
        return Finding(file, (), f"not JSON: {error}", "correct the syntax")
    return document


def decode(file: str, raw: str | bytes) -> str | Finding:
    """UTF-8 without byte order mark and NUL, at most `MAX_FILE_BYTES`."""
    if len(raw) > MAX_FILE_BYTES:
        return Finding(file, (), "larger than 1 MB", "a manifest is written by hand; move data out of it")
    if isinstance(raw, bytes):
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            return Finding(file, (), f"not UTF-8: byte 0x{raw[error.start]:02x}", "save the file as UTF-8", line)
    else:
        text = raw
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Finding(file, (), "contains a NUL byte", "save the file as plain UTF-8 text", line)
    return text.removeprefix("\ufeff")


def _syntax(file: str, text: str, message: str) -> Finding:
    place = _TOML_PLACE.search(message)
    what = _TOML_PLACE.sub("", message)
    hint = "give each key once" if "overwrite" in what or "Cannot declare" in what else "correct the TOML syntax"
    if place is None:
        return Finding(file, (), f"not TOML: {what}", hint)
    if place[1] is None:
        return Finding(file, (), f"not TOML: {what} at the end of the file", hint, text.count("\n") + 1)
    return Finding(file, (), f"not TOML: {what}, column {place[2]}", hint, int(place[1]))


def _too_deep(file: str) -> Finding:
    return Finding(file, (), "nested too deeply", f"nest at most {MAX_DEPTH} levels")


def _deeper_than(document: object, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
