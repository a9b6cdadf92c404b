"""Handlers of Node.js: whether a module exports what Lambda is to call, and something that can be called."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from penstock.build import metafile
from penstock.build.node import EXTENSIONS
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from penstock.build.metafile import Metafile
    from penstock.build.node import Entry

_QUOTED = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_TEXT = re.compile(rf"{_QUOTED}|`(?:[^`\\$]|\\.|\$(?!{{))*`", re.DOTALL)
"""Of templates those without values: in `${…}` there may be further ones."""
_SIMPLE = {
    _TEXT: "a text",
    re.compile(r"[-+]?(?:0[xbo][\da-f_]+|[\d_]*\.?[\d_]+(?:e[-+]?\d+)?)n?\b", re.IGNORECASE): "a number",
    re.compile(r"(?:true|false)\b"): "a boolean",
    re.compile(r"(?:abstract\s+)?class\b"): "a class",
    re.compile(r"undefined\b"): "undefined",
    re.compile(r"null\b"): "null",
}
_GOES_ON = re.compile(r"\s*(?:[.\[(?|&+*/%=<>-]|as\s+(?!const\b)|in\b|instanceof\b)")
"""What makes another value of one: a call, a property, an operator."""
_COMMENT = re.compile(rf"({_QUOTED}|`(?:[^`\\]|\\.)*`|//[^\n]*)|(?<![\\\[])/\*.*?\*/", re.DOTALL)
"""Or what may hold the signs of one, which is to stay: a path such as '/api/*'. A regular expression has them after a
backslash or a bracket."""
_EXPORTS_AS_A_WHOLE = re.compile(r"\bexports\s*[\[,)=]")
_OPENS, _CLOSES, _UNPLAIN = "{[(", "}])", "/`'\""
_NEW = re.compile(r"new\s+([\w$]+)\s*(?=\()")
_NAMED = re.compile(r"([\w$]+)(?:\s+as\s+([\w$]+))?")
_LIST = re.compile(r"""^(export|import)\s*\{([^}]*)\}(?:\s*from\s*["']([^"'\n]+)["'])?""", re.MULTILINE)
# A bundle has some hundred thousand letters: what begins with a plain word is found fast, so its bound comes after it.
_EXPORTED = re.compile(rb"""export(?<![\w$]export)\s*\{((?:[^}"']|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')*)\}""")
_ALL_OF_ANOTHER = re.compile(rb"""export(?<![\w$]export)\s*\*\s*from\b""")


def may_export(name: str, source: str) -> bool:
    """Whether a source file may export that name, by its text: True for whatever is not plain to see."""
    if re.search(r"\bexport\s*\*|\bmodule\.exports\b|\bexports\b\s*[.\[=]|\bexport\s*=", source):
        return True
    word = re.escape(name)
    declared = rf"\bexport\s+(default\s+)?(declare\s+)?(async\s+)?(const|let|var|function\s*\*?|class)\s*{word}\b"
    listed = rf"\bexport\s*(const|let|var)?\s*\{{[^}}]*\b{word}\b[^}}]*\}}"
    return bool(re.search(declared, source) or re.search(listed, source))


def check_esm_export(found: Entry, names: Collection[str], bundle: bytes, *, where: str) -> None:
    """Raise BuildFailed unless the ES module exports the handler.

    The metafile told `names` of the bundle: of TypeScript these hold what the module gives on of others, whether it is
    there or not.
    """
    if not _is_exported(found.export, names, bundle):
        raise not_exported(found, names, where=where)


def check_commonjs_export(found: Entry, names: Collection[str], source: str, bundle: bytes, *, where: str) -> None:
    """Raise BuildFailed unless the module, whose text is `source`, exports the handler.

    It may be written as an ES module: `bundle` is one made of it, of which the metafile told `names`.
    """
    assigned = re.search(rf"exports\.{re.escape(found.export)}\b|module\.exports\s*=", source)
    if assigned and not _is_left_out(found.export, source):
        return
    check_esm_export(found, names, bundle, where=where)


def not_exported(found: Entry, names: Collection[str] = (), *, where: str) -> BuildFailed:
    """What is said of a module that does not export the handler; `names` are those that it seems to export."""
    hint = f"export {found.export} there, or name the right one in service.toml"
    if found.export in names:
        hint = f"export {found.export} where that is taken from; a type is nothing that can be called"
    return BuildFailed(f"{found.source} does not export {found.export}", where=where, hint=hint)


def _is_left_out(name: str, source: str) -> bool:
    """Whether `module.exports = {…}` is all that a source exports, and plainly speaks of no such name."""
    text = _uncommented(source)
    begins = re.search(r"\bmodule\.exports\s*=\s*(?=\{)", text)
    if begins is None or any(len(re.findall(rf"\b{word}\b", text)) > 1 for word in ("module", "exports")):
        return False
    literal = text[begins.end() :]
    literal = literal[: _closed(literal)]
    # What was taken for comments may have been none: the name shall be in nothing that follows, as it is written.
    _, is_there, rest = source.partition("module.exports")
    speaks = not is_there or _counts(name, rest) > 0
    return bool(literal) and not speaks and "..." not in literal and "[" not in literal


def _is_exported(name: str, names: Collection[str], bundle: bytes) -> bool:
    begin = max(bundle.find(b"export"), 0)  # quicker than any pattern, and most of a bundle lies before it
    if _ALL_OF_ANOTHER.search(bundle, begin):
        return True
    if name not in names or name == "default" or not name.isascii():
        return name in names
    word = re.compile(rb"(?<![\w$])" + re.escape(name.encode()) + rb"(?![\w$])")
    return any(word.search(listed[1]) for listed in _EXPORTED.finditer(bundle, begin))


def check_followed(found: Entry, path: str, meta: Metafile, read: Callable[[str], str | None], *, where: str) -> None:
    """The same as `check_callable`, and of the module that the handler is taken from, where that is plain to see.

    `path` is the source that the handler names, from the workspace, as is what `read` gives the text of.
    """
    seen: set[tuple[str, str]] = set()
    text = read(path)
    while text is not None and not found.inside and (path, found.export) not in seen:
        seen.add((path, found.export))
        check_callable(found, text, where=where)
        name, module = taken_from(found.export, text) or ("", "")
        path = metafile.meant(meta, path, module) if module else ""
        text = read(path) if path.endswith(EXTENSIONS) else None
        found = replace(found, source=path, export=name)


def taken_from(name: str, source: str) -> tuple[str, str] | None:
    """Name and module of what a source exports under a name, if it plainly takes that from another module."""
    local, module = _listed("export", name, source)
    if module:
        return (local, module) if _counts(name, source) == 1 else None
    inner, module = _listed("import", local, source)
    return (inner, module) if module and _counts(local, source) == 2 else None  # noqa: PLR2004 - in both lists


def _listed(word: str, name: str, source: str) -> tuple[str, str]:
    """What `export { x as name } from "module"`, or an import of this form, calls a name, and the module, if any."""
    for match in _LIST.finditer(_uncommented(source)):
        for each in match[2].split(",") if match[1] == word else ():
            named = _NAMED.fullmatch(each.strip())
            if named is not None and (named[2] or named[1]) == name:
                return named[1], match[3] or ""
    return "", ""


@lru_cache(maxsize=16)
def _uncommented(source: str) -> str:
    return _COMMENT.sub(r"\1", source)


def _counts(name: str, source: str) -> int:
    """How often a name is in a text, comments included: where nobody else speaks of it, nobody gives it a value."""
    return len(re.findall(rf"(?<![\w$]){re.escape(name)}(?![\w$])", source))


def check_callable(found: Entry, source: str, *, where: str) -> None:
    """Raise BuildFailed when the export is plainly nothing that Lambda can call; what is not plain is believed."""
    values = [] if found.inside else list(_values(found.export, source))
    kinds = [_plain(value, source) for value in values]
    if not kinds or None in kinds:
        return
    raise BuildFailed(
        f"{found.source}: {found.export} is {kinds[-1]}, which cannot be called",
        where=where,
        hint=f"let {found.export} be a function of event and context",
    )


def _values(name: str, source: str) -> Iterator[str]:
    """The source from each place on where the export is given what it is; none where that may happen elsewhere."""
    word, text = re.escape(name), _uncommented(source)
    places = [
        rf"^export\s+const\s+{word}\s*(?::[^=\n]+)?=(?![=>])\s*",
        rf"^export\s+(?=(?:abstract\s+)?class\s+{word}\b)",
    ]
    places += [r"^export\s+default\s+"] if name == "default" else []
    if not _EXPORTS_AS_A_WHOLE.search(text):
        places += [rf"\bexports\.{word}\s*(?:\?\?|\|\||&&)?=(?![=>])\s*"]
    for match in re.finditer("|".join(places), text, re.MULTILINE):
        yield text[match.end() :]
    yield from _given_once(name, text, source)


def _given_once(name: str, text: str, source: str) -> Iterator[str]:
    """The same of `export let x` and `export { y as x }`, where the source speaks of it nowhere else."""
    local, module = _listed("export", name, source)
    word, given = re.escape(local or name), r"\s*(?::[^=;\n]+)?=(?![=>])\s*"
    if local and not module and _counts(local, source) == 2:  # noqa: PLR2004 - where it is made, and in the list
        for match in re.finditer(rf"^(?:(?:const|let|var)\s+{word}{given}|(?=class\s+{word}\b))", text, re.MULTILINE):
            yield text[match.end() :]
    if not local and _counts(name, source) == 1:
        for match in re.finditer(rf"^export\s+(?:let|var)\s+{word}{given}", text, re.MULTILINE):
            yield text[match.end() :]
        if re.search(rf"^export\s+(?:let|var)\s+{word}\s*(?::(?:[^=;\n]|=>)+)?;?[ \t]*$", text, re.MULTILINE):
            yield "undefined"


def _plain(value: str, source: str) -> str | None:
    """What a value is that begins there, when that is plain to see and no function."""
    for pattern, kind in _SIMPLE.items():
        match = pattern.match(value)
        if match is not None:
            return None if _GOES_ON.match(value, match.end()) else kind
    made = _NEW.match(value)
    begin = made.end() if made is not None and _makes_objects(made[1], source) else 0
    end = begin + _closed(value[begin:]) if begin or value.startswith(("{", "[")) else 0
    return None if end == begin or _GOES_ON.match(value, end) else "a list" if value[0] == "[" else "an object"


def _makes_objects(name: str, source: str) -> bool:
    """Whether that is plainly a class of the source's own, of which `new` gives nothing that can be called."""
    plain = re.search(rf"^class\s+{re.escape(name)}\s*\{{", source, re.MULTILINE)
    rest = "constructor" in source or "@" in source
    return plain is not None and not rest and _counts(name, source) == 2  # noqa: PLR2004 - there, and after `new`


def _closed(value: str) -> int:
    """Where the bracket that a value begins with is closed again; 0 when it is not, or that is not plain.

    A slash may begin a regular expression or a comment, and other texts than plain ones hold code: brackets in these
    count for nothing, or for something.
    """
    depth, at = 0, 0
    while at < len(value):
        text = _TEXT.match(value, at)
        if text is not None:
            at = text.end()
            continue
        if value[at] in _UNPLAIN:
            break
        depth += (value[at] in _OPENS) - (value[at] in _CLOSES)
        at += 1
        if depth == 0:
            return at
    return 0
