"""Node's tools: the package manager that a workspace asks for, never installed globally, and its packages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.builder_room import TOOLS
from penstock.adapters.node_alone import Alone
from penstock.build import node
from penstock.build.package_json import PackageJson, package_json
from penstock.model.errors import BuildFailed, ToolMissing
from penstock.model.events import Note, StepFinished, StepStarted
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from penstock.adapters.builder_cache import ZipCache
    from penstock.build.node import Manager
    from penstock.ports import Clock, CommandResult, Commands, EventSink

ESBUILD = "0.28.2"
"""What bundles the code of a workspace that has no esbuild of its own, or one that is too old."""
_OLDEST_ESBUILD = (0, 17)
"""It knows all that is asked of it; `alias` came with 0.16.5: https://github.com/evanw/esbuild/blob/main/CHANGELOG-2022.md
"""
TYPESCRIPT = "6.0.3"
"""What knows the types of a workspace that has no TypeScript which can be called: 7 cannot."""
_NEWEST_YARN_1 = "1.22.22"
_NEWEST_YARN = "4"
_INSTALL_PATIENCE = 600.0
_ITS_OWN = re.compile(r"npm (error|ERR!)(\s+at .*|\s*$|.* complete log of this run .*)")
"""Where in npm's own code it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """How to call a package manager: the first words, and what its scripts need on the path."""

    program: tuple[str, ...]
    env: Mapping[str, str]


class NodeTools:
    """Finds or fetches pnpm, installs a workspace's packages when they do not fit its lock, finds esbuild.

    Calls from several threads are served one after the other; other processes are kept out by a file lock.
    """

    def __init__(self, root: Path, commands: Commands, cache: ZipCache, events: EventSink, clock: Clock) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._events = events
        self._clock = clock
        self._lock = threading.RLock()
        self._tools: dict[tuple[Manager, str], Tool] = {}
        self._installed: set[tuple[Path, str]] = set()
        self._refused: dict[tuple[Path, str], BuildFailed] = {}
        self.alone = Alone(
            cache.folder,
            commands,
            clock,
            lambda: self.step("wait", "for another build of this workspace, or what a killed one left running"),
        )
        """Who installs packages and runs their scripts, one build at a time."""
        self._warned: set[str] = set()

    def install(self, folder: Path, lock_name: str, requires: str, *, changed: bool, check: Callable[[], None]) -> None:
        """Make `folder/node_modules` fit the lock; `requires` is a digest of lock and manifests.

        `check` raises ChangedMeanwhileError when they are not what that digest is of, before the package manager reads
        them or afterwards.
        `changed` says that scripts or patches of the workspace change what is installed: then it is made from nothing,
        also for a build from nothing.
        Raises BuildFailed with the package manager's words, or the command to type when the lock is stale.
        """
        manager = node.LOCKS[lock_name]
        kind = "changed-modules" if changed else "node-modules"
        with self._lock:
            if (folder, requires) in self._installed or self._fits(folder, lock_name, kind, requires):
                self._installed.add((folder, requires))
                return
            if (folder, requires) in self._refused:  # whoever asks next would wait for the same answer
                raise self._refused[folder, requires]
            with self.alone.hold():
                if not self._fits(folder, lock_name, kind, requires):
                    check()
                    try:
                        if changed and manager != "npm":  # which does so by itself
                            shutil.rmtree(folder / "node_modules", ignore_errors=True)
                        self._install(folder, manager)
                    except BuildFailed as error:
                        self._refused[folder, requires] = error
                        raise
                    check()
                    self._cache.keep_note(kind, requires, self._left(folder, lock_name))
            self._installed.add((folder, requires))

    def run_build_script(self, folder: Path, top: Path, lock_name: str, name: str, passed: Sequence[str] = ()) -> None:
        """Run a package's own `build` script, which sees the variables `passed`. Raises BuildFailed with its output."""
        manager = node.LOCKS[lock_name]
        tool = self.tool(manager, top)
        with self.step(f"{manager} run build", name):
            variables = {*passed, *self._named_variables(top)}
            result = self.alone.run(node.script_command(tool.program, folder, tool.env, variables))
            if result.status != 0:
                raise BuildFailed(
                    f"its build script failed:\n{said(result)}",
                    where=self._told(folder / "package.json"),
                    hint="it sees only variables of the machine that penstock.toml names: [workspace] build_env",
                )

    @staticmethod
    def _named_variables(top: Path) -> frozenset[str]:
        """Those without which a package manager might refuse to do anything, for its settings ask for them."""
        places = [top / name for name in node.SETTINGS] + [Path.home() / name for name in (".npmrc", ".yarnrc.yml")]
        found: set[str] = set()
        for place in places:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found |= node.named_variables(place.read_text(encoding="utf-8"))
        return frozenset(found)

    def esbuild(self, holders: Sequence[Path]) -> Path:
        """The esbuild program of the first of these folders whose node_modules has one, or else ours."""
        wanted = node.binary_package(sys.platform, platform.machine())
        for above in holders:
            package = above / "node_modules" / "esbuild"
            if package.is_dir():
                real = Path(os.path.realpath(package))
                if version(real) < _OLDEST_ESBUILD:
                    break
                candidates = (real.parent / wanted, real / "node_modules" / wanted, above / "node_modules" / wanted)
                for candidate in candidates:
                    if (candidate / "bin" / "esbuild").is_file():
                        return candidate / "bin" / "esbuild"
                raise BuildFailed(
                    f"esbuild is there, but not its program for this machine ({wanted})",
                    where=self._told(package),
                    hint="pnpm install (or npm install), with optional dependencies",
                )
        return self._own_esbuild(wanted)

    @staticmethod
    def esbuild_library(program: Path) -> Path:
        """What Node.js loads of the esbuild that a program belongs to."""
        packages = program.parents[3]  # <packages>/@esbuild/<machine>/bin/esbuild
        inner = packages.parent / "lib" / "main.js"
        return inner if inner.is_file() else packages / "esbuild" / "lib" / "main.js"

    def _own_esbuild(self, binary: str) -> Path:
        """An esbuild of ours, for a workspace that has none among its packages."""
        home = self._cache.fetched(TOOLS, f"esbuild-{ESBUILD}")
        program = home / "node_modules" / binary / "bin" / "esbuild"
        with self._lock:
            if not program.is_file():
                self._fetch("esbuild", f"esbuild@{ESBUILD}", home)
        return program

    def typescript(self) -> Path:
        """A TypeScript of ours, as Node.js loads it."""
        home = self._cache.fetched(TOOLS, f"typescript-{TYPESCRIPT}")
        library = home / "node_modules" / "typescript" / "lib" / "typescript.js"
        with self._lock:
            if not library.is_file():
                self._fetch("typescript", f"typescript@{TYPESCRIPT}", home)
        return library

    def _fits(self, folder: Path, lock_name: str, kind: str, requires: str) -> bool:
        """Whether we saw these packages installed from this lock, and nobody has touched them since."""
        note = self._cache.note(kind, requires)
        left = self._left(folder, lock_name)
        return note == left and None not in left["times"]

    def _left(self, folder: Path, lock_name: str) -> dict[str, Any]:
        """What tells whether anybody has installed something else since.

        pnpm's own copy of the lock need not be the lock: it has no comments, and members that the lock left out.
        """
        left: dict[str, Any] = {"times": self._marks(folder)}
        if lock_name == "pnpm-lock.yaml":
            with contextlib.suppress(OSError):
                left["lock"] = hashlib.sha256((folder / "node_modules/.pnpm/lock.yaml").read_bytes()).hexdigest()
        return left

    @staticmethod
    def _marks(folder: Path) -> list[int | None]:
        """When the package manager last wrote its own notes."""
        names = (".modules.yaml", ".package-lock.json", ".yarn-integrity", ".yarn-state.yml")
        times: list[int | None] = []
        for name in names:
            with contextlib.suppress(OSError):
                times.append((folder / "node_modules" / name).stat().st_mtime_ns)
        return times or [None]

    def _install(self, folder: Path, manager: Manager) -> None:
        tool = self.tool(manager, folder)
        with self.step(f"{manager} install", self._told(folder)):
            result = self.alone.run(node.install_command(manager, tool.program, folder, tool.env))
            if result.status == 0:
                return
            if node.stale_lock(result.stdout + result.stderr):
                there = self._told(folder)
                raise BuildFailed(
                    "the lock does not fit the manifests any more",
                    where=self._told(folder / "package.json"),
                    hint=f"{manager} install" if there == "." else f"cd {there} && {manager} install",
                )
            raise BuildFailed(
                f"{manager} could not install the locked packages:\n{said(result)}",
                where=self._told(folder / "package.json"),
            )

    def tool(self, manager: Manager, folder: Path) -> Tool:
        """How to call the package manager that the workspace at `folder` asks for."""
        with self._lock:
            wanted = _wanted_version(folder, manager)
            if (manager, wanted) not in self._tools:
                if manager == "yarn":
                    self._tools[manager, wanted] = self._yarn(folder, wanted)
                else:
                    self._tools[manager, wanted] = self._npm() if manager == "npm" else self._pnpm(wanted)
            return self._tools[manager, wanted]

    def _npm(self) -> Tool:
        found = self._commands.find("npm")
        if found is None:
            raise ToolMissing("npm is not on this machine", hint="install Node.js 20 or later: https://nodejs.org")
        return Tool(program=(str(found),), env={})

    def _pnpm(self, wanted: str) -> Tool:
        """The pnpm on the path when it is of the wanted major version, else one of our own in the cache."""
        found = self._commands.find("pnpm")
        if found is not None:
            self._cache.folder.mkdir(parents=True, exist_ok=True)  # outside of any workspace that asks for another one
            result = self._commands.run(Command(argv=(str(found), "--version"), cwd=self._cache.folder, timeout=60))
            if result.status == 0 and result.stdout.strip().partition(".")[0] == wanted.partition(".")[0]:
                return Tool(program=(str(found),), env={})
        return self._fetched("pnpm", "pnpm", wanted, "bin/pnpm.cjs", "bin/pnpm.js")

    def _yarn(self, folder: Path, wanted: str) -> Tool:
        """The Yarn that the workspace carries (`yarnPath`) or asks for, from the cache or npm."""
        lock = (folder / "yarn.lock").read_text(encoding="utf-8")
        if not node.is_berry(lock):
            version = wanted if wanted.startswith("1") else _NEWEST_YARN_1
            return self._fetched("yarn", "yarn", version, "bin/yarn.js")
        settings = folder / ".yarnrc.yml"
        text = settings.read_text(encoding="utf-8") if settings.is_file() else ""
        if re.search(r"^nodeLinker:\s*[\"']?(node-modules|pnpm)", text, re.MULTILINE) is None:
            raise BuildFailed(
                "Yarn's Plug'n'Play is not understood: esbuild and tsc look into node_modules",
                where=self._told(settings),
                hint="write nodeLinker: node-modules there, then: yarn install",
            )
        env = {"PENSTOCK_YARN": "berry", "YARN_ENABLE_TELEMETRY": "0"}
        own = re.search(r"^yarnPath:\s*[\"']?([^\s\"']+)", text, re.MULTILINE)
        if own is not None and (folder / own[1]).is_file():
            return Tool(program=(str(self.node()), str(folder / own[1])), env=env)
        version = wanted if re.match(r"[2-9]", wanted) else _NEWEST_YARN
        tool = self._fetched("yarn", "@yarnpkg/cli-dist", version, "bin/yarn.js")
        return Tool(program=tool.program, env={**tool.env, **env})

    def node(self) -> Path:
        """Node.js itself. Raises ToolMissing."""
        found = self._commands.find("node")
        if found is None:
            raise ToolMissing("node is not on this machine", hint="install Node.js 20 or later: https://nodejs.org")
        return found

    def _fetched(self, name: str, package: str, version: str, *programs: str) -> Tool:
        """A package manager of our own in the cache, fetched by npm when it is not there.

        `programs` are the places in the package where its script may lie.
        """
        home = self._cache.fetched(TOOLS, f"{name}-{version}")
        scripts = [home / "node_modules" / package / program for program in programs]
        if not any(script.is_file() for script in scripts):
            self._fetch(name, f"{package}@{version}", home)
        script = next((script for script in scripts if script.is_file()), scripts[0])
        path = f"{home / 'node_modules/.bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        return Tool(program=(str(self.node()), str(script)), env={"PATH": path})

    def _fetch(self, name: str, package: str, home: Path) -> None:
        """Let npm put a package (`name@version`) below `home`."""
        with self.step(f"fetch {name}", package.rpartition("@")[2]), self._cache.scratch() as scratch:
            plain = ("install", "--no-save", "--no-audit", "--no-fund")
            words = (*plain, *node.NPM_ALL_KINDS, "--prefix", str(scratch / "home"))
            self._npm_fetches(package, words, scratch)
            home.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # another process was first, and its copy is as good
                (scratch / "home").rename(home)

    def pack(self, package: str, folder: Path, into: Path, *, fresh: bool) -> Path:
        """Bring a package's archive (`name@version`) from the registry that `folder` is set to; where it lies.

        npm takes what it has kept, unless it is to be `fresh`.
        """
        name, _, version = package.rpartition("@")
        words = (
            "pack",
            "--prefer-online" if fresh else "--prefer-offline",
            "--ignore-scripts",
            "--workspaces=false",
            f"--pack-destination={into}",
        )
        with self.step(f"fetch {name}", version):
            self._npm_fetches(package, words, folder)
        return next(into.glob("*.tgz"))

    def _npm_fetches(self, package: str, words: tuple[str, ...], folder: Path) -> None:
        argv = (*self._npm().program, *words, package)
        result = self._commands.run(Command(argv=argv, cwd=folder, timeout=_INSTALL_PATIENCE))
        if result.status != 0:
            raise BuildFailed(f"npm could not fetch {package}:\n{said(result)}", hint="is the registry in reach?")

    @contextlib.contextmanager
    def step(self, step: str, detail: str) -> Iterator[None]:
        """Tell that a step begins and ends."""
        began = self._clock.monotonic()
        self._events.emit(StepStarted(step=step, detail=detail))
        try:
            yield
        except BaseException:
            seconds = self._clock.monotonic() - began
            self._events.emit(StepFinished(step=step, seconds=seconds, detail=detail, failed=True))
            raise
        self._events.emit(StepFinished(step=step, seconds=self._clock.monotonic() - began, detail=detail))

    def warn(self, text: str) -> None:
        """Tell of something that is not right, once."""
        with self._lock:
            if text not in self._warned:
                self._warned.add(text)
                self._events.emit(Note(text=text, level="warning"))

    def _told(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else str(path)


def read_package_json(path: Path, told: str) -> PackageJson | None:
    """The manifest at that path, or None. Raises BuildFailed when it cannot be read."""
    try:
        return package_json(path.read_text(encoding="utf-8"), where=told)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise BuildFailed("not UTF-8", where=told) from error


def _wanted_version(folder: Path, manager: Manager) -> str:
    """The version in `packageManager`, else one that understands the lock."""
    manifest = read_package_json(folder / "package.json", str(folder / "package.json"))
    asked = manifest.package_manager if manifest else None
    match = re.match(rf"{manager}@(\d+(\.\d+){{0,2}}[\w.-]*)", asked or "")
    if match:
        return match[1]
    if manager == "yarn":
        return ""
    lock = folder / "pnpm-lock.yaml"
    return node.pnpm_for(lock.read_text(encoding="utf-8")) if lock.is_file() else node.NEWEST_KNOWN_PNPM


def version(package: Path) -> tuple[int, ...]:
    """The first two numbers of a package's version; zero when its package.json does not say."""
    try:
        text = json.loads((package / "package.json").read_bytes())["version"]
        return tuple(int(part) for part in str(text).split(".")[:2])
    except (OSError, ValueError, KeyError):
        return (0,)


def said(result: CommandResult) -> str:
    """The last lines of what a program said."""
    told = f"{result.stdout}\n{result.stderr}".splitlines()
    lines = [line.rstrip() for line in told if line.strip() and not _ITS_OWN.match(line)]
    lines = [line for line in lines if not line.startswith("npm warn")] or lines
    return "\n".join(lines[-40:]) or "it said nothing"
