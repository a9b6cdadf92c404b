"""What a Python handler is in the end, and why Lambda cannot call it, where that is plain to see without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.build import bindings, syntax
from penstock.build.imports import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_GIVEN = 2
"""Lambda calls a handler with event and context (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html)."""
_PLAIN = (
    ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.JoinedStr, ast.UnaryOp, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A module: its file in the ZIP, and what is in that."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Uncallable:
    """What cannot be called with event and context: `name` in the file `path`, why, and what to do."""

    path: str
    name: str
    what: str
    hint: str


def uncallable(
    module: str, name: str, find: Callable[[str], Source | None], seen: frozenset[tuple[str, str]] = frozenset()
) -> Uncallable | None:
    """Why what `module.name` is in the end cannot be called as Lambda does; None when it can, or nobody can tell.

    Followed are plain assignments and imports, into the modules that `find` knows. Whatever is bound in a branch or a
    loop, by a call or with a decorator is for the run to say.
    """
    source = find(module)
    if source is None or (module, name) in seen or bindings.may_be_rebound(source.content):
        return None
    try:
        body = syntax.tree(source.content).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    name, statement = _definition(source.content, body, name)
    fault = None
    match statement:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if _assigns(statement, name):
            fault = _of_value(value, source.path, name)
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            fault = _of_function(statement, source.path)
        case ast.ImportFrom(module=base, names=names, level=level):
            inner = next((one.name for one in names if (one.asname or one.name) == name), "*")
            found = Import(base or "", (), level, statement.lineno, "always").base(module, source.path)
            fault = uncallable(found, inner, find, seen | {(module, name)})
        case _:
            pass
    return fault


def _definition(content: bytes, body: Sequence[ast.stmt], name: str) -> tuple[str, ast.stmt | None]:
    """What the name stands for after plain assignments, and the statement that binds that; None where it is unsure."""
    unsure = bindings.globally(content, body)
    never = bindings.never_true(content, body)
    while name not in unsure:
        place, statement = _last(body, name, never)
        match statement:
            case ast.Assign(value=ast.Name(id=other)) | ast.AnnAssign(value=ast.Name(id=other)) if _assigns(
                statement, name
            ):
                body, name = body[:place], other  # what that was by then
            case _:
                return name, statement
    return name, None


def _last(body: Sequence[ast.stmt], name: str, never: frozenset[str]) -> tuple[int, ast.stmt | None]:
    """The last of the statements that may bind the name, or take it away."""
    for place in reversed(range(len(body))):
        if not {name, "*"}.isdisjoint(bindings.stored([body[place]], never)) or _deletes(body[place], name):
            return place, body[place]
    return 0, None


def _deletes(statement: ast.stmt, name: str) -> bool:
    return any(
        isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Del) for one in ast.walk(statement)
    )


def _assigns(statement: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(one, ast.Name) and one.id == name for one in targets)


def _of_value(value: ast.expr, path: str, name: str) -> Uncallable | None:
    if isinstance(value, ast.Lambda):
        return _of_arguments(value.args, path, name)
    if isinstance(value, _PLAIN):
        what = f"is {ast.unparse(value)[:40]}, which cannot be called"
        return Uncallable(path, name, what, f"let {name} be a function of event and context")
    return None


def _of_function(function: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> Uncallable | None:
    if isinstance(function, ast.AsyncFunctionDef):
        # The runtime interface client turns the answer into JSON, and a coroutine is none.
        what = "is a coroutine function, which Lambda does not await"
        return Uncallable(path, function.name, what, f"def {function.name}(event, context): return asyncio.run(…)")
    return _of_arguments(function.args, path, function.name)


def _of_arguments(args: ast.arguments, path: str, name: str) -> Uncallable | None:
    places = [*args.posonlyargs, *args.args]
    needed = len(places) - len(args.defaults)
    takes_two = needed <= _GIVEN and (len(places) >= _GIVEN or args.vararg is not None)
    if takes_two and None not in args.kw_defaults:
        return None
    what = "does not take event and context, which Lambda calls it with"
    return Uncallable(path, name, what, f"def {name}(event, context): …")
