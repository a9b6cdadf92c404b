"""Handlers of Node.js: whether a module exports what Lambda is to call, and something that can be called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.build.node import Entry

_TEXT = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`""", re.DOTALL)
_SIMPLE = {
    _TEXT: "a text",
    re.compile(r"[-+]?(?:0[xbo][\da-f_]+|[\d_]*\.?[\d_]+(?:e[-+]?\d+)?)n?\b", re.IGNORECASE): "a number",
    re.compile(r"(?:true|false)\b"): "a boolean",
    re.compile(r"(?:abstract\s+)?class\b"): "a class",
}
_GOES_ON = re.compile(r"\s*(?:[.\[(?|&+*/%=<>-]|as\s+(?!const\b)|in\b|instanceof\b)")
"""What makes another value of one: a call, a property, an operator."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_EXPORTS_AS_A_WHOLE = re.compile(r"\bexports\s*[\[,)=]")
_OPENS, _CLOSES = "{[(", "}])"


def may_export(name: str, source: str) -> bool:
    """Whether a source file may export that name, by its text: True for whatever is not plain to see."""
    if re.search(r"\bexport\s*\*|\bmodule\.exports\b|\bexports\b\s*[.\[=]|\bexport\s*=", source):
        return True
    word = re.escape(name)
    declared = rf"\bexport\s+(default\s+)?(declare\s+)?(async\s+)?(const|let|var|function\s*\*?|class)\s*{word}\b"
    listed = rf"\bexport\s*(const|let|var)?\s*\{{[^}}]*\b{word}\b[^}}]*\}}"
    return bool(re.search(declared, source) or re.search(listed, source))


def check_export(found: Entry, names: Collection[str], source: str, *, where: str) -> None:
    """Raise BuildFailed unless the module exports the handler; CommonJS is looked at as text."""
    assigned = re.search(rf"exports\.{re.escape(found.export)}\b|module\.exports\s*=", source)
    if found.export not in names and not assigned:
        raise BuildFailed(
            f"{found.source} does not export {found.export}",
            where=where,
            hint=f"export {found.export} there, or name the right one in service.toml",
        )


def check_callable(found: Entry, source: str, *, where: str) -> None:
    """Raise BuildFailed when the export is plainly nothing that Lambda can call; what is not plain is believed."""
    values = [] if found.inside else list(_values(found.export, source))
    kinds = [_plain(value) for value in values]
    if not kinds or None in kinds:
        return
    raise BuildFailed(
        f"{found.source}: {found.export} is {kinds[-1]}, which cannot be called",
        where=where,
        hint=f"let {found.export} be a function of event and context",
    )


def _values(name: str, source: str) -> Iterator[str]:
    """The source from each place on where the export is given what it is; none where that may happen elsewhere."""
    word, text = re.escape(name), _COMMENT.sub("", source)
    places = [
        rf"^export\s+const\s+{word}\s*(?::[^=\n]+)?=(?![=>])\s*",
        rf"^export\s+(?=(?:abstract\s+)?class\s+{word}\b)",
    ]
    places += [r"^export\s+default\s+"] if name == "default" else []
    if not _EXPORTS_AS_A_WHOLE.search(text):
        places += [rf"\bexports\.{word}\s*=(?![=>])\s*"]
    for match in re.finditer("|".join(places), text, re.MULTILINE):
        yield text[match.end() :]


def _plain(value: str) -> str | None:
    """What a value is that begins there, when that is plain to see and no function."""
    for pattern, kind in _SIMPLE.items():
        match = pattern.match(value)
        if match is not None:
            return None if _GOES_ON.match(value, match.end()) else kind
    end = _closed(value) if value.startswith(("{", "[")) else 0
    return None if end == 0 or _GOES_ON.match(value, end) else {"{": "an object", "[": "a list"}[value[0]]


def _closed(value: str) -> int:
    """Where the bracket that a value begins with is closed again; 0 when it is not."""
    depth, at = 0, 0
    while at < len(value):
        text = _TEXT.match(value, at)
        if text is not None:
            at = text.end()
            continue
        depth += (value[at] in _OPENS) - (value[at] in _CLOSES)
        at += 1
        if depth == 0:
            return at
    return 0
