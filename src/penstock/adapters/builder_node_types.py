"""`tsc --noEmit` of a service, as a step of its own: esbuild takes types away without looking at them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.build import python, tsconfig
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.node_tools import NodeTools
    from penstock.ports import Commands

_PATIENCE = 600.0
_SHOWN = 50
_BUILDS_WITHOUT_OUTPUT = (5, 6)
"""https://www.typescriptlang.org/docs/handbook/release-notes/typescript-5-6.html"""


class TypeCheck:
    """Checks the types of services; remembers what was right by all that the types depend on."""

    def __init__(self, root: Path, commands: Commands, cache: ZipCache, tools: NodeTools) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._tools = tools
        self._guard = threading.Lock()
        self._running: dict[str, threading.Lock] = {}
        self._wrong: dict[str, BuildFailed] = {}

    def check(self, folder: str, inputs: Mapping[str, str]) -> None:
        """Raise BuildFailed with every error of the service in that folder, with file and line.

        Nothing is checked without a tsconfig.json there, or without a TypeScript among the packages.
        """
        config = self._root / folder / "tsconfig.json"
        found = compiler(self._root, folder) if config.is_file() else None
        if found is None:
            return
        key = python.key("types", {**inputs, "folder": folder, "compiler": str(found.stat().st_size)})
        with self._guard:
            lock = self._running.setdefault(key, threading.Lock())
        with lock:  # functions of one service are checked once
            if key in self._wrong:
                raise self._wrong[key]
            if self._cache.note("types", key) is None:
                self._run(found, folder, key)
                self._cache.keep_note("types", key, {"sound": True})

    def _run(self, program: Path, folder: str, key: str) -> None:
        node = self._commands.find("node")
        content = tsconfig.read((self._root / folder / "tsconfig.json").read_text(encoding="utf-8"))
        how = ("--project", "tsconfig.json")
        if content.get("references"):
            if _version(program) < _BUILDS_WITHOUT_OUTPUT:
                return  # an older one wants to write what the other projects are made into, all over the workspace
            how = ("--build", "tsconfig.json")
        argv = (str(node or "node"), str(program), *how, "--noEmit", "--pretty", "false")
        with self._tools.step("check types", folder):
            result = self._commands.run(
                Command(argv=argv, cwd=self._root / folder, env={"NO_COLOR": "1"}, timeout=_PATIENCE)
            )
            if result.status == 0:
                return
            found = tsconfig.type_errors(result.stdout, str(self._root), folder)
            if not found:
                raise BuildFailed(f"tsc failed:\n{result.stdout}{result.stderr}".rstrip(), where=folder)
            place, _, first = found[0].partition(": ")
            more = [f"and {len(found) - _SHOWN} further errors"] if len(found) > _SHOWN else []
            lines = "\n".join([first, *found[1:_SHOWN], *more])
            self._wrong[key] = BuildFailed(lines, where=place, hint="correct it; [build] typecheck = false skips this")
            raise self._wrong[key]


def compiler(root: Path, folder: str) -> Path | None:
    """`bin/tsc` of the TypeScript that the service at `folder`, relative to the workspace, gets."""
    place = root / folder
    for above in [place, *place.parents]:
        program = above / "node_modules" / "typescript" / "bin" / "tsc"
        if program.is_file():
            return Path(os.path.realpath(program))
        if above == root:
            break
    return None


def _version(compiler: Path) -> tuple[int, ...]:
    """Of the TypeScript that `bin/tsc` belongs to; zero when its package.json does not say."""
    try:
        text = json.loads((compiler.parent.parent / "package.json").read_bytes())["version"]
        return tuple(int(part) for part in str(text).split(".")[:2])
    except (OSError, ValueError, KeyError):
        return (0,)
