"""`tsc --noEmit` of a service, as a step of its own: esbuild takes types away without looking at them."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_seen import is_as_seen
from penstock.adapters.node_tools import version
from penstock.build import python, tsconfig
from penstock.build.folders import upwards
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.node_tools import NodeTools
    from penstock.ports import Commands

_PATIENCE = 600.0
_TSCONFIG = re.compile(r"tsconfig.*\.json")
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

    def check(self, plan: NodePlan, again: Callable[[], NodePlan]) -> None:
        """Raise BuildFailed with every error of the service, with file and line. `again` gives the plan as it is then.

        Nothing is checked without a tsconfig.json in its folder, or without a TypeScript among the packages.
        """
        folder, paths = plan.service.folder, plan.paths
        config = self._root / folder / "tsconfig.json"
        found = compiler(plan.holders(self._root)) if config.is_file() else None
        if found is None:
            return
        told = {"folder": folder, "compiler": ".".join(map(str, version(found.parents[1]))), **_told(paths)}
        key = python.key("types", plan.type_inputs() | told)
        with self._guard:
            lock = self._running.setdefault(key, threading.Lock())
        with lock:  # functions of one service are checked once
            if key in self._wrong:
                raise self._wrong[key]
            if self._cache.note("types", key) is None:
                self._run(found, folder, key, paths)
                if not is_as_seen(self._root, plan.seen) or again().type_inputs() != plan.type_inputs():
                    raise changed_meanwhile(folder)
                self._cache.keep_note("types", key, {"sound": True})

    def _run(self, program: Path, folder: str, key: str, paths: Mapping[str, Sequence[str]] | None) -> None:
        node = self._commands.find("node")
        with self._cache.scratch() as scratch, contextlib.ExitStack() as stack:
            how = self._with_sources(folder, paths, scratch) if paths is not None else self._as_it_is(program, folder)
            if how is None:
                return  # and no step says that types were checked
            stack.enter_context(self._tools.step("check types", folder))
            argv = (str(node or "node"), str(program), *how, "--noEmit", "--pretty", "false")
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

    def _as_it_is(self, program: Path, folder: str) -> tuple[str, ...] | None:
        content = tsconfig.read((self._root / folder / "tsconfig.json").read_text(encoding="utf-8"))
        if not content.get("references"):
            return ("--project", "tsconfig.json")
        if version(program.parents[1]) < _BUILDS_WITHOUT_OUTPUT:
            return None  # an older one wants to write what the other projects are made into, all over the workspace
        return ("--build", "tsconfig.json")

    def _with_sources(self, folder: str, paths: Mapping[str, Sequence[str]], scratch: Path) -> tuple[str, ...]:
        """The service's project, but with the sources of packages in the place of what nothing has made of them."""
        holders = (self._root / above / "node_modules" / "@types" for above in upwards(folder))
        types = [str(holder) for holder in holders if holder.is_dir()]
        chain = [(place.parent.as_posix(), content) for place, content in chain_of(self._root, folder)]
        text = tsconfig.with_sources(self._root.as_posix(), folder, paths, types, chain)
        (scratch / "tsconfig.json").write_text(text, encoding="utf-8")
        return ("--project", str(scratch / "tsconfig.json"))


def check_extended(root: Path, plan: NodePlan) -> None:
    """Raise BuildFailed when a tsconfig that counts extends a file of the workspace that is in no recipe.

    A link in node_modules may lead anywhere; packages must be there.
    """
    parts = (plan.service, *plan.packages)
    inner = [f"{part.folder}/{path}" for part in parts for path in part.files]
    known = {*inner, *plan.settings}
    real = Path(os.path.realpath(root))
    for config in sorted(path for path in known if _TSCONFIG.fullmatch(posixpath.basename(path))):
        for place, _ in chain_of(root, posixpath.dirname(config), posixpath.basename(config)):
            lies = Path(os.path.realpath(place))
            told = lies.relative_to(real).as_posix() if lies.is_relative_to(real) else ""
            own = place.relative_to(root).as_posix() if place.is_relative_to(root) else told
            if told and known.isdisjoint((told, own)) and "node_modules" not in lies.parts:
                raise BuildFailed(
                    f"it extends {told} by a link in node_modules of which the lock says nothing: nobody would notice "
                    "when that changes",
                    where=config,
                    hint="extend it by a relative path, or name its folder in penstock.toml: packages",
                )


def chain_of(root: Path, folder: str, config: str = "tsconfig.json") -> list[tuple[Path, dict[str, Any]]]:
    """The tsconfig of a folder with all that it extends, also of packages; the strongest first."""
    found: dict[Path, dict[str, Any]] = {}
    queue = [root / folder / config]
    while queue:
        place = queue.pop(0)
        if place in found or not place.is_file():
            continue
        found[place] = tsconfig.read(place.read_text(encoding="utf-8"))
        extended = found[place].get("extends") or []
        names = [extended] if isinstance(extended, str) else extended
        above = (extended_from(root, place.parent, name) for name in reversed(names))
        queue = [one for one in above if one is not None] + queue
    return list(found.items())


def extended_from(root: Path, folder: Path, name: str) -> Path | None:
    """The tsconfig that one in the folder extends by that name; None when it is not there, or not installed."""
    holders = (folder,) if name.startswith(".") else (above / "node_modules" for above in (folder, *folder.parents))
    candidates = (holder / f"{name}{ending}" for holder in holders for ending in ("", ".json", "/tsconfig.json"))
    return next((one for one in candidates if one.is_file() and one.is_relative_to(root)), None)


def compiler(holders: Sequence[Path]) -> Path | None:
    """`bin/tsc` of the TypeScript in the first of these folders whose node_modules has one."""
    for holder in holders:
        program = holder / "node_modules" / "typescript" / "bin" / "tsc"
        if program.is_file():
            return Path(os.path.realpath(program))
    return None


def _told(paths: Mapping[str, Sequence[str]] | None) -> dict[str, str]:
    return {} if paths is None else {"paths": json.dumps(paths, sort_keys=True)}
