"""Builds a Node.js function: packages from the lock, shared packages by their own scripts, one file by esbuild."""

from __future__ import annotations

import contextlib
import os
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.adapters import whole_file
from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_node_decorators import Decorators
from penstock.adapters.builder_node_native import NativePackages
from penstock.adapters.builder_node_packages import NodePackages
from penstock.adapters.builder_node_plan import entry
from penstock.adapters.builder_node_together import Bundled, Together, read_meta
from penstock.adapters.builder_node_types import TypeCheck, check_extended
from penstock.adapters.builder_node_unshipped import unshipped
from penstock.adapters.builder_proof import check_secrets
from penstock.adapters.go_memory import memory_here, seldom_collecting
from penstock.adapters.node_tools import ESBUILD, TYPESCRIPT
from penstock.build import archive, metafile, node, node_handlers, node_imports, node_lock, package_json, proof, python
from penstock.model.errors import BuildFailed, PenstockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.builder_node_plan import NodePlanner
    from penstock.adapters.node_tools import NodeTools
    from penstock.build.archive import Member
    from penstock.build.metafile import Metafile
    from penstock.build.units import Unit
    from penstock.model.artifact import Target
    from penstock.ports import Command, CommandResult, Commands

BUILDER = "8"
"""Raised whenever the same inputs would give other bytes than before, or what passed is refused (test_golden.py)."""
_SHARE = 2
"""Of the memory the esbuild for many functions may fill one part in so many."""


@dataclass(frozen=True, slots=True)
class _Bundle:
    """One run of esbuild: its program, the source, a folder for results, the file's place in the ZIP."""

    esbuild: Path
    source: str
    scratch: Path
    place: str


class NodeBuilder:
    """Builds the Node.js units that `plans` looked at, with esbuild."""

    def __init__(  # noqa: PLR0917 - what it works with
        self, root: Path, commands: Commands, cache: ZipCache, files: SourceFiles, tools: NodeTools, plans: NodePlanner
    ) -> None:
        self._root = root
        self._commands = commands
        self._cache = cache
        self._files = files
        self._tools = tools
        self._planner = plans
        self.packages = NodePackages(root, commands, cache, files, tools, plans)
        self._types = TypeCheck(root, commands, cache, tools)
        self._decorators = Decorators(root, files, tools)
        self._natives = NativePackages(root, cache, tools)
        self._packer = archive.tools()
        self._together = Together(self._run_for_many, self._warn)
        self._plans: dict[str, tuple[Unit, Target, NodePlan]] = {}
        self._brought: dict[str, Mapping[str, object]] = {}
        """For units that another one bundled along: what lay there when it did."""
        self._clean: set[str] = set()

    def tools(self) -> dict[str, str]:
        """Versions of what makes the bytes; esbuild's own is in the lock."""
        ours = {"esbuild": ESBUILD, "typescript": TYPESCRIPT}
        fetched = {f"tool {name}": f"{version}, unless the lock has one" for name, version in ours.items()}
        return {**self._packer, **fetched, **python.made_by(BUILDER)}

    def expect(self, units: Sequence[tuple[Unit, Target, NodePlan]]) -> None:
        """Say which units are about to be built, so that esbuild is asked for all of them at once."""
        self._plans = {unit.name: (unit, target, plan) for unit, target, plan in units}
        self._brought.clear()
        groups: dict[tuple[object, ...], dict[str, str]] = {}
        for unit, target, plan in units:
            if self._decorators.may_need(plan):
                continue
            options = plan.options
            instead = tuple(sorted(plan.instead.items()))
            words = (options.external, options.unbundled, options.source_maps, options.bundle_sdk, instead)
            with contextlib.suppress(BuildFailed):
                source = posixpath.join(plan.service.folder, entry(unit, plan).source)
                key = (plan.top, target.version, plan.service.manifest.format, *words)
                groups.setdefault(key, {})[unit.name] = source
        self._together.plan(groups.values())

    def build(self, unit: Unit, target: Target, plan: NodePlan) -> tuple[tuple[Member, ...], Metafile]:
        """Everything that goes into the unit's ZIP, and what the bundle is made of (esbuild's metafile).

        One file, unless a package cannot be bundled.
        """
        manifest = f"{plan.service.folder}/service.toml"
        begins = entry(unit, plan)
        brought = self.packages.bring(plan)
        brought = self._brought.pop(unit.name, brought)
        for part in (plan.service, *plan.packages):
            check_secrets(part.folder, part.files, plan.options, self._clean)
        check_extended(self._root, plan)
        if plan.options.typecheck:
            self._types.check(plan, lambda: self._planner.again(plan))
        esbuild = self._tools.esbuild(plan.holders(self._root))
        source = posixpath.join(plan.service.folder, begins.source)
        with self._cache.scratch() as scratch, self._undisturbed(plan, brought):
            members, made = self._bundled(_Bundle(esbuild, source, scratch, begins.place), unit, target, plan)
            meta = made.meta
            self._check_made(plan, meta)
            is_esm = plan.service.manifest.format == "esm"
            names, module = (metafile.exported(meta), made.code) if is_esm else self._exported(esbuild, source, scratch)
            if is_esm:
                # What CommonJS exports would all be in the default of it, where Lambda does not look.
                node_handlers.check_esm_export(begins, names, module, where=manifest)
            else:
                text = self._files.text(self._root / source) or ""
                node_handlers.check_commonjs_export(begins, names, text, module, where=manifest)
            node_handlers.check_followed(begins, source, meta, self._text, where=manifest)
            self._check_asked(plan, meta, source, target)
        proof.check_names(members, where=plan.service.folder)
        proof.check_native(members, target, where=plan.service.folder)
        for told in unshipped(self._files, plan, made, members, begins.place):
            self._tools.warn(told)
        return members, meta

    def _check_made(self, plan: NodePlan, meta: Metafile) -> None:
        """Raise BuildFailed for a secret in what packages' scripts made and the bundle took in."""
        for part in plan.packages:
            below = f"{part.folder}/"
            paths = {path.removeprefix(below): path for path in meta["inputs"] if path.startswith(below)}
            made = {inner: self._files.file(path) for inner, path in paths.items() if inner not in part.files}
            found = {inner: file for inner, file in made.items() if file is not None and "node_modules/" not in inner}
            check_secrets(part.folder, found, plan.options, self._clean)

    @contextlib.contextmanager
    def _undisturbed(self, plan: NodePlan, brought: Mapping[str, object]) -> Iterator[None]:
        """Raise ChangedMeanwhileError when somebody wrote results of packages' scripts while esbuild read them."""
        try:
            yield
        except BuildFailed:
            self._check_results(plan, brought)
            raise
        self._check_results(plan, brought)

    def _check_results(self, plan: NodePlan, brought: Mapping[str, object]) -> None:
        for path, found in self.packages.results(plan).items():
            if found != brought.get(path):
                raise changed_meanwhile(path)

    def _prepare(self, name: str) -> Path | None:
        """Bring what another unit needs, on its behalf, and find its esbuild; its own errors it will tell itself."""
        plan = self._plans[name][2]
        try:
            brought = self.packages.bring(plan)
            program = self._tools.esbuild(plan.holders(self._root))
        except PenstockError:
            return None
        self._brought.setdefault(name, brought)
        return program

    def _check_asked(self, plan: NodePlan, meta: Metafile, source: str, target: Target) -> None:
        """Raise BuildFailed, or warn, for what the bundle asks of Node.js and Lambda, and they may not have."""
        asked = node_imports.asked(meta, source)
        let = (*plan.options.external, *plan.options.provided)
        named = frozenset().union(*(part.manifest.depends_on for part in (plan.service, *plan.packages)))
        told = node_imports.check_own_modules(asked, target.version, let, self._text, where=source)
        for line in (*told, *node_imports.undeclared_sdk(asked, named, lambda: self._lock(plan), let, self._text)):
            self._tools.warn(line)

    def _lock(self, plan: NodePlan) -> str:
        return (plan.lock_name and self._files.text(plan.top / plan.lock_name)) or ""

    def _text(self, path: str) -> str | None:
        return self._files.text(self._root / path)

    def _bundled(self, one: _Bundle, unit: Unit, target: Target, plan: NodePlan) -> tuple[tuple[Member, ...], Bundled]:
        """The bundle as files of the ZIP, with what lies beside it, and as esbuild made it."""
        beside: frozenset[str] = frozenset(plan.options.unbundled)
        absent: set[str] = set()

        def command() -> Command:
            single = node.bundle_command(
                one.esbuild,
                self._root,
                one.source,
                one.scratch,
                target=target,
                form=plan.service.manifest.format,
                options=plan.options,
                beside=sorted(beside | absent),
                instead=plan.instead,
            )
            return self._decorators.command(single, plan)

        made = self._together.take(
            unit.name,
            one.scratch,
            lambda sources, into: node.bundles_command(command(), self._root, sources, into),
            self._prepare,
        )
        while True:
            made = made or self._alone(command, one, absent)
            addons = metafile.addons_in(made.meta)
            found = self._natives.found(metafile.packages_in(made.meta)) | metafile.looking_for_files(made.meta)
            lying = self._natives.shared({*metafile.asked_of(made.meta, beside), *plan.options.unbundled}, plan)
            taken = {folder.rpartition("node_modules/")[2] for folder in metafile.packages_in(made.meta)}
            further = (found | lying & taken) - beside
            if not further:
                break
            beside |= further
            made = None
        if addons:
            raise node.stray_addon(addons[0], {part.folder: part.name for part in plan.packages}, where=one.source)
        plan.check_bundle(made.meta, one.source)
        code = made.code
        maps = self._source_map(made, one, unit, plan)
        if plan.options.source_maps == "inside":
            code += f"//# sourceMappingURL={posixpath.basename(one.place)}.map\n".encode()
        asked = metafile.asked_of(made.meta, beside) | dict.fromkeys(plan.options.unbundled, ())
        beside_members = self._natives.members(asked, plan, target) if asked else ()
        return (archive.pack(one.place, code), *maps, *beside_members), made

    def _alone(self, command: Callable[[], Command], one: _Bundle, absent: set[str]) -> Bundled:
        """One bundle of its own; to `absent` it adds packages that are not there and that others can do without."""
        result = self._commands.run(command())
        while result.status != 0:
            found = self._not_needed(result.stderr) - absent
            if not found:
                raise node.bundle_failure(result.stderr, one.source)
            absent |= found
            result = self._commands.run(command())
        self._warn(result.stderr)
        source_map = one.scratch / "bundle.map"
        return Bundled(
            code=whole_file.read(one.scratch / "bundle"),
            map=whole_file.read(source_map) if source_map.exists() else None,
            meta=read_meta(one.scratch / "meta.json"),
            made_in=one.scratch.as_posix(),
        )

    def _run_for_many(self, command: Command) -> CommandResult:
        """Run an esbuild that is the only one, with room for its collector unless somebody has said how much."""
        room = seldom_collecting(memory_here(), _SHARE)
        ours = {name: value for name, value in room.items() if name not in os.environ}
        return self._commands.run(replace(command, env={**ours, **command.env}))

    def _warn(self, stderr: str) -> None:
        for told in node.warnings(stderr):
            self._tools.warn(told)

    def _not_needed(self, stderr: str) -> frozenset[str]:
        """The packages that esbuild did not find, when all who ask for them say that they need not be there."""
        found = set()
        for module, path in node.unresolved(stderr):
            name, folder = node_lock.package_of(module), metafile.package_folder(path)
            text = self._files.text(self._root / folder / "package.json") if folder else None
            if name is None or text is None or not package_json.can_do_without(text, name):
                return frozenset()
            found.add(name)
        return frozenset(found)

    def _source_map(self, made: Bundled, one: _Bundle, unit: Unit, plan: NodePlan) -> tuple[Member, ...]:
        """The map as a file of the ZIP, or nothing when it is kept apart: it weighs more than the code."""
        if made.map is None:
            return ()
        if plan.options.source_maps == "inside":
            content = node.source_map(made.map, made.made_in, self._root.as_posix())
            return (archive.pack(f"{one.place}.map", content),)
        apart = self._root / ".penstock" / "source-maps" / unit.name / f"{one.place}.map"
        with contextlib.suppress(OSError):  # the artifact is none the worse for it
            apart.parent.mkdir(parents=True, exist_ok=True)
            draft = one.scratch / "apart.map"
            whole_file.write(draft, node.source_map_apart(made.map, made.made_in, self._root.as_posix()))
            draft.replace(apart)
        return ()

    def _exported(self, esbuild: Path, source: str, scratch: Path) -> tuple[frozenset[str], bytes]:
        """What CommonJS exports, were it an ES module, and that; of an ES module the bundle itself tells."""
        result = self._commands.run(node.exports_command(esbuild, self._root, source, scratch))
        if result.status != 0:
            raise node.bundle_failure(result.stderr, source)
        return metafile.exported(read_meta(scratch / "exports.json")), whole_file.read(scratch / "exports")
