"""What Python modules import, seen without running them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

from penstock.build import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

Weight = Literal["always", "later", "maybe"]
"""`always`: when the module is imported; `later`: when a function is called; `maybe`: its absence is provided for."""

_AT_COLUMN_0 = re.compile(
    rb"^(?:import[ \t]+(?P<modules>[^\n#;]+)"
    rb"|from[ \t]+(?P<base>[.\w]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n#;]*))",
    re.MULTILINE,
)
_BY_TEXT = frozenset({"import_module", "__import__"})
_MARKS = tuple(name.encode() for name in _BY_TEXT)
_ABSENCE = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})

_REMEMBERED = 1024
"""Modules: those of shared packages are asked for by every service that reaches them."""


@dataclass(frozen=True, slots=True)
class Import:
    """`from {dots}{module} import {names}`, or `import {module}` when there are no names. `dots` are levels up."""

    module: str
    names: tuple[str, ...]
    dots: int
    line: int
    weight: Weight


@lru_cache(maxsize=_REMEMBERED)
def exact(content: bytes) -> tuple[Import, ...]:
    """Every import of a module, weighed: statements, and calls that name a module by a text.

    Raises SyntaxError or ValueError.
    """
    try:
        found = tuple(_statements(syntax.tree(content).body, "always", by_text=any(one in content for one in _MARKS)))
    except RecursionError:  # deeper than this Python parses: Python itself shall judge it
        found = quick(content)
    return found


def quick(content: bytes) -> tuple[Import, ...]:
    """Those that begin a line, which run whenever the module does; text in a docstring may look like one."""
    found: list[Import] = []
    for match in _AT_COLUMN_0.finditer(content):
        line = content.count(b"\n", 0, match.start()) + 1
        if match["modules"] is not None:
            for part in match["modules"].split(b","):
                name = part.split()[0].decode(errors="replace") if part.split() else ""
                if name.replace(".", "").isidentifier():
                    found.append(Import(name, (), 0, line, "always"))
            continue
        base = match["base"].decode(errors="replace")
        text = re.sub(r"#[^\n]*", "", match["names"].decode(errors="replace")).strip("()\n\t ")
        names = tuple(part.split()[0] for part in text.split(",") if part.split())
        dots = len(base) - len(base.lstrip("."))
        found.append(Import(base[dots:], names, dots, line, "always"))
    return tuple(found)


@lru_cache(maxsize=_REMEMBERED)
def bound(content: bytes) -> frozenset[str] | None:
    """Every name that a module binds somewhere, `*` for those of other modules; None when it may bind any.

    Raises SyntaxError or ValueError.
    """
    if any(mark in content for mark in (b"__getattr__", b"globals()", b"sys.modules", b"setattr(", b"exec(")):
        return None
    names: set[str] = set()
    try:
        tree = syntax.tree(content)
    except RecursionError:
        return None
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case _ if type(node).__name__ == "TypeAlias":
                names.add(node.name.id)  # type: ignore[attr-defined] # Python 3.12's
    return frozenset(names)


def _statements(  # noqa: C901, PLR0912 - one case for each kind
    body: list[ast.stmt], weight: Weight, *, by_text: bool
) -> Iterator[Import]:
    inside = partial(_statements, by_text=by_text)
    for statement in body:
        match statement:
            case ast.Import(names=names):
                yield from (Import(alias.name, (), 0, statement.lineno, weight) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                listed = tuple(alias.name for alias in names)
                yield Import(module or "", listed, level, statement.lineno, weight)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from inside(statement.body, "maybe" if weight == "maybe" else "later")
            case ast.ClassDef():
                yield from inside(statement.body, weight)
            case ast.Try() | ast.TryStar():
                caught = any(_catches(handler.type) for handler in statement.handlers)
                yield from inside(statement.body, "maybe" if caught else weight)
                for handler in statement.handlers:
                    yield from inside(handler.body, "maybe" if caught else weight)
                yield from inside([*statement.orelse, *statement.finalbody], "maybe" if caught else weight)
            case ast.With() | ast.AsyncWith():
                suppressed = any(_suppresses(item.context_expr) for item in statement.items)
                yield from inside(statement.body, "maybe" if suppressed else weight)
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
                # Whether the branch is taken is for the run to say.
                yield from inside([*statement.body, *statement.orelse], "maybe")
            case ast.Match():
                for case in statement.cases:
                    yield from inside(case.body, "maybe")
            case _ if by_text:
                yield from _by_text(statement, weight)
            case _:
                pass


def _by_text(statement: ast.stmt, weight: Weight) -> Iterator[Import]:
    """`importlib.import_module("a.b")`, `import_module(".b", __package__)` and `__import__("a")` within a statement.

    With a stack of its own: a sum of a thousand texts is a thousand levels deep.
    """
    stack: list[tuple[ast.AST, Weight]] = [(statement, weight)]
    while stack:
        node, weight = stack.pop()
        if isinstance(node, ast.Call) and node.args and _called(node) in _BY_TEXT:
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if isinstance(name, str) and (not name.startswith(".") or _is_from_here(node)):
                plain = name.lstrip(".")
                yield Import(plain, (), len(name) - len(plain), node.lineno, weight)
        inner: Weight = "later" if isinstance(node, ast.Lambda) and weight == "always" else weight
        stack += [(child, inner) for child in reversed(list(ast.iter_child_nodes(node)))]


def _suppresses(manager: ast.expr) -> bool:
    """Whether a name in it speaks of suppressing."""
    return any("suppress" in getattr(one, "id", "") + getattr(one, "attr", "") for one in ast.walk(manager))


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _is_from_here(call: ast.Call) -> bool:
    """Whether a relative name begins at the module's own package."""
    given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "package")]
    return any(isinstance(one, ast.Name) and one.id == "__package__" for one in given)


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    options = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any((one.id if isinstance(one, ast.Name) else getattr(one, "attr", "")) in _ABSENCE for one in options)
