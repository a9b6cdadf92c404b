"""What Python modules import, seen without running them."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from penstock.build import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Weight = Literal["always", "later", "maybe"]
"""`always`: when the module is imported; `later`: when a function is called; `maybe`: its absence is provided for."""

_AT_COLUMN_0 = re.compile(
    rb"^(?:import[ \t]+(?P<modules>[^\n#;]+)"
    rb"|from[ \t]+(?P<base>[.\w]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n#;]*))",
    re.MULTILINE,
)
_IMPORT_MODULE, _BUILTIN = "import_module", "__import__"
_MARKS = (_IMPORT_MODULE.encode(), _BUILTIN.encode())
_ABSENCE = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_OTHERS = (
    frozenset(name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException))
    - _ABSENCE
)
"""What Python raises for other reasons."""
_LETS_THROUGH = frozenset({"catch_warnings", "open"})
"""Managers of contexts that hold no error back. Whatever else a program enters may be its own, or suppress, renamed."""

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

    def base(self, name: str, path: str) -> str:
        """The full name of what it begins at in the module `name` of that file; empty when above all packages."""
        if not self.dots:
            return self.module
        is_package = path.endswith("/__init__.py") or path == "__init__.py"
        above = name.split(".") if is_package else name.split(".")[:-1]
        above = above[: len(above) - self.dots + 1]
        return ".".join([*above, self.module] if self.module else above) if above else ""


@lru_cache(maxsize=_REMEMBERED)
def exact(content: bytes) -> tuple[Import, ...]:
    """Every import of a module, weighed: statements, and calls that name a module by a text.

    Raises SyntaxError or ValueError.
    """
    try:
        tree = syntax.tree(content)
        importers = _importers(tree) if any(one in content for one in _MARKS) else frozenset()
        found = tuple(_statements(tree.body, "always", importers))
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


def _statements(  # noqa: C901, PLR0912 - one case for each kind
    body: list[ast.stmt], weight: Weight, importers: frozenset[str]
) -> Iterator[Import]:
    inside = partial(_statements, importers=importers)
    for statement in body:
        if importers:
            parts = _outside_of_body(statement, weight)
            yield from (one for part, how in parts for one in _by_text(part, how, importers))
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
                perhaps: Weight = "maybe" if statement.handlers else weight
                sure = _not_skipped(statement.body)
                yield from inside(statement.body[:sure], "maybe" if caught else weight)
                yield from inside([*statement.body[sure:], *statement.orelse], perhaps)
                for handler in statement.handlers:
                    yield from inside(handler.body, perhaps)
                yield from inside(statement.finalbody, weight)
            case ast.With() | ast.AsyncWith():
                suppressed = any(_may_suppress(item.context_expr) for item in statement.items)
                yield from inside(statement.body, "maybe" if suppressed else weight)
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
                # Whether the branch is taken is for the run to say.
                yield from inside([*statement.body, *statement.orelse], "maybe")
            case ast.Match():
                for case in statement.cases:
                    yield from inside(case.body, "maybe")
            case _:
                pass


def _outside_of_body(statement: ast.stmt, weight: Weight) -> Iterator[tuple[ast.AST, Weight]]:
    """What a statement evaluates besides the statements that it holds; all of it when it holds none."""
    found: list[ast.expr] = []
    match statement:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            # Annotations may never be evaluated.
            found = [*statement.decorator_list, *args.defaults, *(one for one in args.kw_defaults if one is not None)]
        case ast.ClassDef():
            found = [*statement.decorator_list, *statement.bases, *(word.value for word in statement.keywords)]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                yield item.context_expr, weight
                weight = "maybe" if _may_suppress(item.context_expr) else weight
        case ast.If(test=one) | ast.While(test=one) | ast.Match(subject=one):
            found = [one]
        case ast.For(iter=one) | ast.AsyncFor(iter=one):
            found = [one]
        case ast.Try() | ast.TryStar():
            pass
        case _:
            yield statement, weight
    yield from ((one, weight) for one in found)


def _not_skipped(body: Sequence[ast.stmt]) -> int:
    """How many statements of a `try` no error that is handled can leave out: its imports, and what follows them."""
    leading = sum(1 for _ in takewhile(lambda one: isinstance(one, (ast.Import, ast.ImportFrom)), body))
    is_begun = any(isinstance(one, (ast.With, ast.AsyncWith)) for one in body[leading : leading + 1])
    return leading if is_begun else leading + 1


def _importers(tree: ast.Module) -> frozenset[str]:
    """How a module calls what imports by a text: `importlib.import_module`, or what it names that, and `__import__`.

    A name that it gives to anything else too, wherever, may be that where it is called.
    """
    ways = {_BUILTIN: _BUILTIN}
    others: set[str] = set()
    for node in ast.walk(tree):
        for name, way in _given(node):
            if way:
                ways[name] = way
            else:
                others.add(name)
    return frozenset(way for name, way in ways.items() if name not in others)


def _given(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that a node gives to something, each with how importlib's function is called by it, if it is."""
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                top, _, part = alias.name.partition(".")
                name = alias.asname or top
                is_it = top == "importlib" and not (part and alias.asname)
                yield name, f"{name}.{_IMPORT_MODULE}" if is_it else ""
        case ast.ImportFrom(module=module, names=aliases, level=level):
            for alias in aliases:
                name = alias.asname or alias.name
                yield name, name if (module, level, alias.name) == ("importlib", 0, _IMPORT_MODULE) else ""
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, ""
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name, ""
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name, ""
        case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store(), attr=attr) if attr == _IMPORT_MODULE:
            yield name, ""
        case _:
            pass


def _by_text(statement: ast.AST, weight: Weight, importers: frozenset[str]) -> Iterator[Import]:
    """`importlib.import_module("a.b")`, `import_module(".b", __package__)` and `__import__("a")` within a statement.

    With a stack of its own: a sum of a thousand texts is a thousand levels deep.
    """
    stack: list[tuple[ast.AST, Weight]] = [(statement, weight)]
    while stack:
        node, weight = stack.pop()
        if isinstance(node, ast.Call) and node.args and _called(node) in importers:
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if isinstance(name, str) and (not name.startswith(".") or _is_from_here(node)):
                plain = name.lstrip(".")
                yield Import(plain, (), len(name) - len(plain), node.lineno, weight)
        inner: Weight = "later" if isinstance(node, ast.Lambda) and weight == "always" else weight
        perhaps = _perhaps(node)
        stack += [
            (child, "maybe" if any(child is one for one in perhaps) else inner)
            for child in reversed(list(ast.iter_child_nodes(node)))
        ]


def _perhaps(node: ast.AST) -> Sequence[ast.AST]:
    """What of an expression is evaluated in some cases only."""
    found: Sequence[ast.AST] = ()
    match node:
        case ast.IfExp():
            found = [node.body, node.orelse]
        case ast.BoolOp(values=[_, *others]) | ast.Compare(comparators=[_, *others]):
            found = others
        case ast.ListComp(elt=one) | ast.SetComp(elt=one) | ast.GeneratorExp(elt=one):
            found = [one, *node.generators[1:]]
        case ast.DictComp():
            found = [node.key, node.value, *node.generators[1:]]
        case ast.comprehension():
            found = node.ifs
        case ast.Assert(msg=ast.expr() as message):
            found = [message]
        case _:
            pass
    return found


def _may_suppress(manager: ast.expr) -> bool:
    """Whether errors of its body may be none behind it: any but those that are known to let them through may do so."""
    call = manager.func if isinstance(manager, ast.Call) else manager
    return getattr(call, "attr", "") not in _LETS_THROUGH and getattr(call, "id", "") not in _LETS_THROUGH


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return f"{name}.{attr}"
        case _:
            return ""


def _is_from_here(call: ast.Call) -> bool:
    """Whether a relative name begins at the module's own package."""
    given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "package")]
    return any(isinstance(one, ast.Name) and one.id == "__package__" for one in given)


def _catches(kind: ast.expr | None) -> bool:
    """Whether a handler may be one of an import that finds nothing; of what is no built-in's name nobody can tell."""
    if kind is None:
        return True
    options = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return not all(isinstance(one, ast.Name) and one.id in _OTHERS for one in options)
