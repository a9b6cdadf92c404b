"""Which names a Python module binds, seen without running it."""

from __future__ import annotations

import ast
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from penstock.build import syntax

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

_REBINDS = (
    b"globals", b"locals(", b"vars(", b"__dict__", b"sys.modules", b"import modules", b"exec(", b"_getframe",
    b"f_globals", b"global_enum", b"_convert_",
)  # fmt: skip
"""Ways to bind a name of the module that no statement shows; `enum` has two of them."""
_BINDS_ANY = (*_REBINDS, b"__getattr__", b"setattr(")
_FROM_OUTSIDE = (b"setattr", b"__dict__", b"vars(")
_FRAMES = (b"f_globals", b"f_locals", b"_getframe", b"currentframe", b"getmodule")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_TYPING = frozenset({"typing", "typing_extensions"})
_FLAG = "TYPE_CHECKING"

_REMEMBERED = 1024
"""Modules: those of shared packages are asked for by every service that reaches them."""


@lru_cache(maxsize=_REMEMBERED)
def bound(content: bytes) -> frozenset[str] | None:
    """Every name that a module may have once it has run, `*` for those of others; None when it may bind any.

    Raises SyntaxError or ValueError.
    """
    if any(mark in content for mark in _BINDS_ANY):
        return None
    try:
        body = syntax.tree(content).body
    except RecursionError:
        return None
    never = never_true(content, body)
    names: set[str] = set()
    for place, statement in enumerate(body):
        if isinstance(statement, ast.Delete):
            names.difference_update(_surely_gone(body[:place], statement))
        names.update(stored([statement], never))
    return frozenset(names) | globally(content, body)


def stored(body: Iterable[ast.stmt], never: Collection[str] = ()) -> Iterator[str]:
    """Names that statements of a module bind in it; those of functions and classes are their own.

    `never` are conditions under which nothing runs. With a stack of its own: see `imports`.
    """
    stack: list[ast.AST] = list(reversed([*body]))
    while stack:
        node = stack.pop()
        yield from _names(node)
        if isinstance(node, _COMPREHENSIONS):
            # Its variables are its own, but for those of `:=`.
            assigned = (one.target for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
            yield from (target.id for target in assigned)
        else:
            stack += [*_of_the_module(node, never)][::-1]


def globally(content: bytes, body: Iterable[ast.stmt]) -> frozenset[str]:
    """Names that functions or classes declare to be the module's: whether and when they are bound, a run would tell."""
    if b"global" not in content:
        return frozenset()
    declared = (node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Global))
    return frozenset(chain.from_iterable(node.names for node in declared))


def never_true(content: bytes, body: Sequence[ast.stmt]) -> frozenset[str]:
    """How a module writes typing's TYPE_CHECKING, which is never true where it runs."""
    if _FLAG.encode() not in content:
        return frozenset()
    found = []
    for statement in body:
        match statement:
            case ast.ImportFrom(module=str(module), names=names, level=0) if module in _TYPING:
                found += [alias.asname or alias.name for alias in names if alias.name == _FLAG]
            case ast.Import(names=names):
                found += [f"{alias.asname or alias.name}.{_FLAG}" for alias in names if alias.name in _TYPING]
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=False)) if name == _FLAG:
                found.append(name)
            case _:
                pass
    every = list(stored(body))
    return frozenset(one for one in found if every.count(one.partition(".")[0]) == 1)


def may_be_rebound(content: bytes) -> bool:
    """Whether a module may bind its names in a way that its statements do not show."""
    return any(mark in content for mark in _REBINDS)


def sets_of_another(content: bytes, name: str) -> bool:
    """Whether a module may bind the name in another one: `config.name = …`."""
    if name.encode() not in content:
        return False
    if any(mark in content for mark in _FROM_OUTSIDE):
        return True
    try:
        nodes = [node for statement in syntax.tree(content).body for node in ast.walk(statement)]
    except (SyntaxError, ValueError, RecursionError):
        return True
    return any(isinstance(one, ast.Attribute) and one.attr == name and isinstance(one.ctx, ast.Store) for one in nodes)


def may_bind_for_callers(content: bytes) -> bool:
    """Whether a module looks at the frames of its callers, and so may bind any name in theirs."""
    return any(mark in content for mark in _FRAMES)


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case _:
            pass


def _of_the_module(node: ast.AST, never: Collection[str]) -> Iterable[ast.AST]:
    """What is below a node and runs, or stands for itself, in the module's own scope."""
    found = ast.iter_child_nodes(node)
    match node:
        case ast.FunctionDef(args=args, returns=returns) | ast.AsyncFunctionDef(args=args, returns=returns):
            found = iter([*node.decorator_list, args, *([returns] if returns else [])])
        case ast.ClassDef():
            found = iter([*node.decorator_list, *node.bases, *node.keywords])
        case ast.Lambda():
            found = iter([node.args])
        case ast.AnnAssign(value=None, target=ast.Name()):
            found = iter([node.annotation])
        case ast.If(test=ast.Name() | ast.Attribute()) if never and ast.unparse(node.test) in never:
            found = iter(node.orelse)
        case _ if type(node).__name__ == "TypeAlias":
            found = iter([node.name])  # type: ignore[attr-defined] # Python 3.12's
        case _:
            pass
    return found


def _surely_gone(before: Sequence[ast.stmt], statement: ast.Delete) -> Iterator[str]:
    """Names that it takes away before any other module can have asked for them."""
    for target in statement.targets:
        if isinstance(target, ast.Name):
            first = next((place for place, one in enumerate(before) if target.id in set(stored([one]))), None)
            if first is not None and not any(map(_may_import, before[first:])):
                yield target.id


def _may_import(statement: ast.stmt) -> bool:
    kinds = (ast.Import, ast.ImportFrom, ast.Call)
    return any(isinstance(node, kinds) for node in ast.walk(statement))
