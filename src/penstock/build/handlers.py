"""Whether a handler exists, seen without running it."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.build import syntax
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_GIVEN = 2
"""Lambda calls a handler with event and context (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html)."""
_PLAIN = (
    ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.JoinedStr, ast.UnaryOp, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
_COMPILE = """
import json, sys
faults = []
for place, text in enumerate(json.load(sys.stdin)):
    try:
        compile(text.encode("latin-1"), "", "exec", dont_inherit=True)
    except SyntaxError as error:
        faults.append([place, error.msg, error.lineno or 1, (error.text or "").strip()])
    except ValueError as error:
        faults.append([place, str(error), 1, ""])
    except RecursionError:
        pass
json.dump(faults, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """What a Python has against a source: its words, the line, counted from 1, and that line's text."""

    message: str
    line: int
    text: str = ""

    def error(self, path: str, hint: str = "") -> BuildFailed:
        """The same about the file of that path."""
        what = f"{self.message}: {self.text}" if self.text else self.message
        return BuildFailed(what, where=f"{path}:{self.line}", hint=hint)


def python_handler_files(handler: str) -> tuple[str, str]:
    """The two files that `users.app.handler` may lie in: `users/app.py`, `users/app/__init__.py`."""
    module = handler.rpartition(".")[0].replace(".", "/")
    return f"{module}.py", f"{module}/__init__.py"


def check_python_handler(handler: str, files: Mapping[str, bytes], *, where: str) -> None:
    """Raise BuildFailed unless `module.name` is there: `files` holds those of the candidates that exist."""
    name = handler.rpartition(".")[2]
    candidates = python_handler_files(handler)
    path = next((path for path in candidates if path in files), None)
    if path is None:
        raise BuildFailed(
            f"handler {handler}: there is no {candidates[0]} in the ZIP",
            where=where,
            hint=f"make {candidates[0]} (below src/ in that layout), or name the right module in service.toml",
        )
    try:
        tree = syntax.tree(files[path])
    except (SyntaxError, RecursionError):
        return  # newer syntax than ours or deeper, or an error that the check of all sources tells with file and line
    names = set(_defined(tree.body))
    if (fault := _fault(tree.body, name)) is not None:
        what, hint = fault
        raise BuildFailed(f"handler {handler}: {name} in {path} {what}", where=where, hint=hint)
    if name not in names and not names & {"*", "__getattr__"}:
        raise BuildFailed(
            f"handler {handler}: {path} does not define {name}",
            where=where,
            hint=f"define {name} in {path}, or name the right one in service.toml",
        )


def syntax_fault(content: bytes, version: tuple[int, int]) -> SyntaxFault | None:
    """What this Python has against a source for Python `version`; None when it compiles, or may do so there.

    Some of it no parser sees: a `from __future__` that is not the first, a `return` outside of functions.
    """
    try:
        compile(content, "", "exec", dont_inherit=True)
        newer = syntax.newer_than(version, content) if version < sys.version_info[:2] else None
    except SyntaxError as error:
        is_newer = version > sys.version_info[:2]
        return None if is_newer else SyntaxFault(error.msg, error.lineno or 1, (error.text or "").strip())
    except ValueError as error:
        return SyntaxFault(str(error), 1)
    except RecursionError:  # deeper than it goes from here, which Python itself may well do
        return None
    return SyntaxFault(*newer) if newer else None


def syntax_command(interpreter: Path, contents: Sequence[bytes]) -> Command:
    """Ask another Python what it has against these sources."""
    told = json.dumps([content.decode("latin-1") for content in contents])
    return Command(argv=(str(interpreter), "-I", "-S", "-c", _COMPILE), stdin=told, timeout=300)


def syntax_faults(stdout: str) -> dict[int, SyntaxFault]:
    """What it said, by the places of the sources in the question. Raises ValueError when it is no answer."""
    return {place: SyntaxFault(message, line, text) for place, message, line, text in json.loads(stdout)}


def _fault(body: list[ast.stmt], name: str) -> tuple[str, str] | None:
    """Why what the name is in the end cannot be called as Lambda does, when that is plain to see, and what to do."""
    found: tuple[str, str] | None = None
    for statement in body:
        match statement:
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if _assigns(statement, name):
                found = _fault_of_value(value, name)
            case ast.FunctionDef(name=defined) | ast.AsyncFunctionDef(name=defined) if defined == name:
                # What a decorator makes of it is for the run to say.
                found = None if statement.decorator_list else _fault_of_function(statement, name)
            case _ if name in set(_defined([statement])):
                found = None
            case _:
                pass
    return found


def _assigns(statement: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(one, ast.Name) and one.id == name for one in targets)


def _fault_of_value(value: ast.expr, name: str) -> tuple[str, str] | None:
    if isinstance(value, ast.Lambda):
        return _fault_of_arguments(value.args, name)
    if isinstance(value, _PLAIN):
        return f"is {ast.unparse(value)[:40]}, which cannot be called", f"let {name} be a function of event and context"
    return None


def _fault_of_function(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> tuple[str, str] | None:
    if isinstance(function, ast.AsyncFunctionDef):
        # The runtime interface client turns the answer into JSON, and a coroutine is none.
        hint = f"def {name}(event, context): return asyncio.run(…)"
        return "is a coroutine function, which Lambda does not await", hint
    return _fault_of_arguments(function.args, name)


def _fault_of_arguments(args: ast.arguments, name: str) -> tuple[str, str] | None:
    places = [*args.posonlyargs, *args.args]
    needed = len(places) - len(args.defaults)
    takes_two = needed <= _GIVEN and (len(places) >= _GIVEN or args.vararg is not None)
    if takes_two and None not in args.kw_defaults:
        return None
    return "does not take event and context, which Lambda calls it with", f"def {name}(event, context): …"


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module's statements bind, those in `if`, `try` and `with` included."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.Assign(targets=targets):
                yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)) if statement.value is not None:
                yield name
            case ast.If() | ast.For() | ast.While():
                yield from _defined([*statement.body, *statement.orelse])
            case ast.With():
                yield from _defined(statement.body)
            case ast.Try() | ast.TryStar():
                yield from _defined([*statement.body, *statement.orelse, *statement.finalbody])
                yield from (name for handler in statement.handlers for name in _defined(handler.body))
            case _:
                pass
