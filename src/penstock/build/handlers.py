"""Whether a handler exists, seen without running it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.build import bindings, syntax
from penstock.build.handler_values import Source, Uncallable, uncallable
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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
    module, source = handler.rpartition(".")[0].replace("/", "."), Source(path, files[path])
    if (fault := uncallable(module, name, lambda wanted: source if wanted == module else None)) is not None:
        raise cannot_be_called(handler, fault, where=where)
    try:
        names = bindings.bound(source.content)
    except (SyntaxError, ValueError):
        return  # newer syntax than ours, or an error that the check of all sources tells with file and line
    if names is not None and names.isdisjoint({name, "*"}):
        raise BuildFailed(
            f"handler {handler}: {path} does not define {name}",
            where=where,
            hint=f"define {name} in {path}, or name the right one in service.toml",
        )


def cannot_be_called(handler: str, fault: Uncallable, *, where: str) -> BuildFailed:
    """The error about a handler that leads to such a thing."""
    return BuildFailed(f"handler {handler}: {fault.name} in {fault.path} {fault.what}", where=where, hint=fault.hint)


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
