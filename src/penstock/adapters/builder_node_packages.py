"""What lies around a Node.js service's sources: node_modules, and what shared packages make by their own scripts."""

from __future__ import annotations

import os
import posixpath
import threading
from functools import partial
from typing import TYPE_CHECKING

from penstock.adapters import builder_seen
from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_node_generated import Generated
from penstock.adapters.builder_node_results import USUAL, from_nothing
from penstock.build import node, package_json, python
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_node_parts import NodePart, NodePlan
    from penstock.adapters.builder_node_plan import NodePlanner
    from penstock.adapters.node_tools import NodeTools
    from penstock.model.workspace import Workspace
    from penstock.ports import Commands

_PASSES = 2
"""Over a plan's packages: one that makes what is needed, and one that finds it all there."""


class NodePackages:
    """Installs packages from the lock and runs shared packages' build scripts, when they are not as they were left."""

    def __init__(  # noqa: PLR0917 - what it works with
        self, root: Path, commands: Commands, cache: ZipCache, files: SourceFiles, tools: NodeTools, plans: NodePlanner
    ) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._files = files
        self._tools = tools
        self._plans = plans
        self._generated = Generated(cache, files)
        self._requires: dict[tuple[Path, str], tuple[str, bool]] = {}
        self._rewritten: set[tuple[Path, str]] = set()
        """Locks that were written anew while packages were installed: some programs do so, with the same text."""
        self._one_at_a_time = threading.Lock()

    def begin(self) -> None:
        """Look at the manifests anew."""
        self._requires.clear()
        self._rewritten.clear()
        self._generated.begin()

    def bring(self, plan: NodePlan) -> Mapping[str, object]:
        """Make what lies around the sources: node_modules and what shared packages build.

        Gives what `results` said before all was found to be in order: while it says the same, nobody has written there.
        Raises ChangedMeanwhileError when scripts have written other sources than the plan has.
        """
        self.install(plan)
        for _ in range(_PASSES):
            found = self.results(plan)
            ran = [part for part in plan.packages if self.build_package(part, plan)]
            if not ran and self.results(plan) == found:  # nor has somebody else's build, which was waited for
                break
        for part in plan.packages:
            if part.manifest.build_script is not None and not self._generated.is_as_planned(part):
                raise changed_meanwhile(part.folder)
        return found

    def results(self, plan: NodePlan) -> Mapping[str, object]:
        """What `stat` says of everything that the scripts of a plan's packages make, by path."""
        found: dict[str, object] = {}
        for part in plan.packages:
            for path in part.results:
                place = os.path.join(self._root, part.folder, path)  # noqa: PTH118 - keeps the slash of a folder
                is_folder = path.endswith("/")
                found[place] = builder_seen.listing(place, outputs=True) if is_folder else builder_seen.state(place)
        return found

    def install(self, plan: NodePlan) -> None:
        """Bring node_modules in line with the lock and the manifests of all of the workspace's members."""
        if not plan.lock_name:
            return
        key = (plan.top, plan.lock)
        if key not in self._requires:
            self._requires[key] = self._required(plan, plan.lock)
        requires, changed = self._requires[key]

        lock = plan.top / plan.lock_name
        before = builder_seen.state(str(lock))

        def check() -> None:
            is_unwritten = builder_seen.state(str(lock)) == before or key in self._rewritten
            if not is_unwritten or self._required(plan, self._digest_if_there(lock))[0] != requires:
                self._requires.pop(key, None)  # to be asked anew
                self._rewritten.add(key)
                raise changed_meanwhile(lock)

        self._tools.install(plan.top, plan.lock_name, requires, changed=changed, check=check)

    def _required(self, plan: NodePlan, lock: str) -> tuple[str, bool]:
        """A digest of what node_modules come of, and whether scripts or patches of the workspace are a part of that."""
        told = plan.top.relative_to(self._root).as_posix()
        manifests = {folder: self._plans.manifest(folder) for folder in (told, *plan.members)}
        parts = {folder: manifest.requires for folder, manifest in manifests.items() if manifest}
        beside = {f"settings {name}": self._digest_if_there(plan.top / name) for name in node.SETTINGS}
        beside = {name: digest for name, digest in beside.items() if digest}
        changing = {path: digest for path, digest in self._plans.installing(told, plan.members).items() if digest}
        inputs = {**parts, **beside, "lock": lock, "top": told, "kinds": "dev, optional, peer"}
        inputs |= {f"installing {path}": digest for path, digest in changing.items()}
        return python.key("node-modules", inputs), bool(changing)

    def build_package(self, part: NodePart, plan: NodePlan, *, always: bool = False) -> bool:
        """Run a package's build script when what it makes is needed and not as we left it; whether it ran.

        `always` runs it also when nobody takes what the script makes: no entry leads to that, and it writes no sources.
        """
        if part.manifest.build_script is None:
            return False
        wanted = package_json.outputs(part.manifest, part.files)
        if not (always or wanted or self._generated.written(part) or self._generated.is_in_question(part)):
            return False
        with self._one_at_a_time:
            return self._build_package(part, plan, wanted)

    def package_builds(self, workspace: Workspace) -> dict[str, Callable[[], bool]]:
        """How to build each shared package that has a build script, each after those it depends on."""
        shared = {part.name: part for part in self._plans.shared(workspace)}
        manifests = {name: part.manifest for name, part in shared.items()}
        order = [
            inner for name in sorted(shared) for inner in (*package_json.reached(manifests[name], manifests), name)
        ]
        return {
            name: partial(self._build_alone, workspace, shared[name].folder)
            for name in dict.fromkeys(order)
            if manifests[name].build_script is not None
        }

    def _build_package(self, part: NodePart, plan: NodePlan, wanted: tuple[str, ...]) -> bool:
        if self._is_as_left(part, plan, wanted):
            return False
        with self._tools.alone.hold():
            before = self._states(part, plan)
            if not self._is_as_left(part, plan, wanted):  # else another process has just made it
                anew = self._generated.made_anew(part)
                with self._generated.noting(part), from_nothing(part, self._root, self._commands, anew):
                    passed = plan.workspace.build_env
                    self._tools.run_build_script(self._root / part.folder, plan.top, plan.lock_name, part.name, passed)
            key, made = self._key(part, plan), self._made(part, wanted)
            own = {f"{part.folder}/{path}" for path in self._generated.written(part)}
            now = self._states(part, plan)
            results = tuple(f"{part.folder}/{path}" for path in part.results or USUAL)
            read = {path: state for path, state in before.items() if path not in own and not path.startswith(results)}
            is_unwritten = all(now[path] == state for path, state in read.items())
        missing = sorted(path for path, digest in made.items() if not digest)
        if missing:
            raise BuildFailed(
                f"its build script did not make {', '.join(missing)}",
                where=f"{part.folder}/package.json",
                hint="let `main` and `exports` name files that `build` makes",
            )
        if is_unwritten and self._is_still(part, plan, key):
            self._cache.keep_note("package", key, made)
        return True

    def _is_as_left(self, part: NodePart, plan: NodePlan, wanted: tuple[str, ...]) -> bool:
        if self._generated.is_in_question(part):
            return False
        note = self._cache.note("package", self._key(part, plan))
        return note is not None and note == self._made(part, wanted)

    def _key(self, part: NodePart, plan: NodePlan) -> str:
        """Under which what a package's script made is noted."""
        by_name = {inner.name: inner for inner in plan.packages}
        # All that it reaches: it may take in results that have taken in others'.
        names = package_json.reached(part.manifest, {name: inner.manifest for name, inner in by_name.items()})
        below = [by_name[name] for name in names if name != part.name]
        written = self._generated.written(part)
        inputs = {path: value for path, value in part.inputs("", whole=True).items() if path not in written}
        for inner in below:
            inputs |= inner.inputs(f"{inner.folder}: ", whole=inner.is_made)
        # Its own, not those of the service that happens to ask first.
        parts = (part, *below)
        folders = {**self._plans.links(plan.top_folder), **{name: inner.folder for name, inner in by_name.items()}}
        scripted = [part, *(inner for inner in below if inner.is_made)]
        found = self._plans.settings(parts, folders, plan.top, scripted) | self._plans.types(parts, folders)
        machine = plan.machine or self._plans.of_machine(plan)
        settings = {f"settings {path}": digest for path, digest in found.items() if digest}
        return python.key(
            "package from nothing", inputs | settings | {"lock": plan.lock, "folder": part.folder, **machine}
        )

    def _states(self, part: NodePart, plan: NodePlan) -> dict[str, builder_seen.State]:
        """What `stat` says of the files that a package's script may read, by their paths from the workspace."""
        sources = (f"{one.folder}/{path}" for one in (part, *plan.packages) for path in one.files)
        return {path: builder_seen.state(str(self._root / path)) for path in (*sources, *plan.settings, *plan.types)}

    def _is_still(self, part: NodePart, plan: NodePlan, key: str) -> bool:
        """Whether that is the key now: the script read its sources anew."""
        now = self._plans.again(plan)
        mine = next((one for one in (now.service, *now.packages) if one.folder == part.folder), None)
        return mine is not None and self._key(mine, now) == key

    def _build_alone(self, workspace: Workspace, folder: str) -> bool:
        plan = self._plans.plan(workspace, folder)
        self.install(plan)
        part = self._plans.part(folder, plan.service.manifest.name, plan.service.manifest)
        return self.build_package(part, plan, always=True)

    def _made(self, part: NodePart, wanted: tuple[str, ...]) -> dict[str, str]:
        """Digests of all that lies in the folders of results, and of what is written among the sources.

        Empty for what is not there.
        """
        results = part.results or USUAL
        made: dict[str, str] = {}
        for folder in (path[:-1] for path in results if path.endswith("/")):
            if (self._root / part.folder / folder).is_dir():
                walked = self._files.walk(posixpath.join(part.folder, folder), outputs=True)
                made |= {f"{folder}/{inner}": file.digest for inner, file in walked.items()}
        for path in (*wanted, *self._generated.written(part)):
            if "*" not in path:
                made.setdefault(path, self._digest_if_there(self._root / part.folder / path))
        return made

    def _digest_if_there(self, path: Path) -> str:
        try:
            return self._files.digest(path)
        except OSError:
            return ""
