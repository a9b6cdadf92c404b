"""External packages for a target: what exactly, by uv from the lock, then one installation per distinct set."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.builder_files import changed_meanwhile
from penstock.adapters.builder_python_earlier import Earlier
from penstock.adapters.builder_python_installed import Installed
from penstock.adapters.builder_python_installer import Installer, explained, native
from penstock.adapters.builder_seen import Seen, is_as_seen
from penstock.build import backends, libc, lockfile, python, requirements, sbom
from penstock.build.limits import check_size
from penstock.build.proof import is_native
from penstock.build.prune import pruned
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_python_parts import Listing, PythonPlan
    from penstock.adapters.builder_python_plan import PythonPlanner
    from penstock.adapters.builder_python_uv import Uv
    from penstock.build.archive import Member
    from penstock.model.artifact import Target
    from penstock.ports import Interpreters


@dataclass(slots=True)
class Exported:
    """What uv exported, once it has."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    text: str | None = None


class _NoInterpreterError(BuildFailed):
    """uv wants an interpreter that this machine has not got."""


class Installations:
    """Resolves and installs what plans name."""

    def __init__(  # noqa: PLR0917 - what it works with
        self,
        root: Path,
        cache: ZipCache,
        uv: Uv,
        plans: PythonPlanner,
        interpreters: Interpreters | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = root
        self._cache = cache
        self._uv = uv
        self._plans = plans
        self._interpreters = interpreters
        self._warn = warn
        self._guard = threading.Lock()
        self._exported: dict[tuple[object, ...], Exported] = {}

    def begin(self) -> None:
        """Ask uv anew whether locks fit their manifests."""
        self._exported.clear()

    def entry(self, plan: PythonPlan, target: Target, tools: Mapping[str, str]) -> Entry:
        """All external packages for the target, one ZIP per distinct set."""
        text = self._exact(plan, target, tools)
        parts = {"requirements": text, "target": str(target), "platform": python.platform_tag(target)}
        if not plan.options.prune:
            parts["prune"] = "no"
        if plan.service.settings:
            parts["settings"] = " ".join(plan.service.settings.values())
        parts |= {f"archive {path}": file.digest for path, file in plan.listing.archives.items()}
        set_key = python.key("installation", {**parts, **tools})
        project = plan.export[0] if plan.export else self._root / plan.service.folder

        def make() -> tuple[Member, ...]:
            earlier = Earlier(self._cache, python.key("installations", {"target": str(target), **tools}))
            made = self._install(text, target, project, plan, earlier)
            self._check_same(plan, target)
            earlier.add(set_key)
            return made

        return self._cache.get_or_make("installation", set_key, make)

    def chosen(self, plan: PythonPlan, target: Target) -> Mapping[str, Mapping[str, str]]:
        """Which file was taken where a requirement gives several hashes: file name → hash, by `name version`.

        Empty where the index does not tell.
        """
        hashes = {key: text for key, text in plan.listing.hashes.items() if text.count("--hash") > 1}
        if not hashes:
            return {}
        key = python.key("chosen", {**hashes, "target": str(target), "platform": python.platform_tag(target)})
        known = self._cache.note("chosen", key)
        if known is None:
            options = [line for line in requirements.plain_lines(plan.listing.roots) if line.startswith("-")]
            try:
                with self._cache.scratch() as scratch:
                    listing = scratch / "requirements.txt"
                    listing.write_text("".join(f"{line}\n" for line in (*options, *sorted(hashes))))
                    project = self._root / plan.service.folder
                    result = self._uv.run(
                        lambda offline: python.files_command(
                            self._uv.program, listing, target, project=project, offline=offline
                        ),
                        what="uv could not tell which files it takes",
                        where=plan.listing.where,
                    )
                known = sbom.chosen_wheels(result.stdout, hashes)
            except (BuildFailed, ValueError):
                return {}  # an SBOM without this hash is better than no artifact
            self._cache.keep_note("chosen", key, known)
        return known

    # ---------------------------------------------------------------- what exactly

    def _exact(self, plan: PythonPlan, target: Target, tools: Mapping[str, str]) -> str:
        """The requirements to install, every one of them, pinned."""
        if plan.export is None and plan.listing.complete:
            return plan.listing.roots
        parts = {**plan.lock_inputs(), **tools, "text": plan.listing.roots, "pins": plan.listing.pins}
        if plan.export is None:  # uv's locks speak of all targets at once
            parts |= {"target": str(target), "platform": python.platform_tag(target)}
        key = python.key("export", parts)
        known = self._cache.note("export", key)
        if known is None:
            text = self._export_once(plan, target) if plan.export else self._resolve(plan, target)
            known = {"text": text}
            self._cache.keep_note("export", key, known)
        text = str(known["text"])
        return requirements.placed(text, str(plan.export[0])) if plan.export and plan.listing.archives else text

    def _export_once(self, plan: PythonPlan, target: Target) -> str:
        """What uv says of the lock, asked once for all projects that reach the same packages in the same way.

        That the lock fits the manifests, of all its members, is checked by that one call.
        """
        options = plan.options
        packages = tuple(sorted(plan.locked.items()))
        key = (plan.export and plan.export[0], plan.edges, packages, options.groups, options.extras, options.bundle_sdk)
        with self._guard:
            exported = self._exported.setdefault(key, Exported())
        with exported.lock:
            if exported.text is None:
                text = self._export(plan, target)
                self._check_same(plan, target)  # uv read the lock anew
                exported.text = text
            return exported.text

    def _export(self, plan: PythonPlan, target: Target) -> str:
        assert plan.export is not None  # noqa: S101 - the caller asked
        folder, name = plan.export
        try:
            return self._export_with(plan, folder, name, self._interpreter(target))
        except _NoInterpreterError:
            refuse_stale(plan, self._root)
            return self._export_with(plan, folder, name, None)

    def _export_with(self, plan: PythonPlan, folder: Path, name: str, interpreter: Path | None) -> str:
        where = _told_path(folder / "uv.lock", self._root)

        def explain(stderr: str) -> BuildFailed | None:
            if interpreter is not None and python.lacks_interpreter(stderr):
                return _NoInterpreterError("no Python here is one that the project allows", where=where)
            if not python.stale_lock(stderr):
                return None
            return _stale(where)

        result = self._uv.run(
            lambda offline: python.export_command(
                self._uv.program,
                folder,
                name,
                plan.options,
                interpreter=interpreter,
                offline=offline,
                beside_archives=[part.name for part in plan.packages] if plan.listing.archives else None,
            ),
            what=f"uv could not read the lock for {name}",
            where=where,
            explain=explain,
        )
        return result.stdout

    def _resolve(self, plan: PythonPlan, target: Target) -> str:
        """What the listing's roots need on the target; nothing but pinned versions, unless there is a day."""
        listing = plan.listing
        with self._cache.scratch() as scratch:
            (scratch / "roots.txt").write_text(listing.roots)
            (scratch / "pins.txt").write_text(listing.pins)
            result = self._uv.run(
                lambda offline: python.resolve_command(
                    self._uv.program,
                    scratch,
                    target,
                    listing.resolve,
                    project=self._root / plan.service.folder,
                    offline=offline,
                ),
                what=f"what it pins does not fit together for {target}",
                where=listing.where,
                told={f"{scratch}{os.sep}": "", str(scratch): ""},
                cache_first=listing.resolve is None,
                explain=lambda stderr: explained(stderr, target, listing.where) if python.not_built(stderr) else None,
            )
        self._check_same(plan, target)
        return _settled(result.stdout, plan, listing)

    def _check_same(self, plan: PythonPlan, target: Target) -> None:
        """Raise ChangedMeanwhileError when what uv reads for itself need not be what the plan is of."""
        is_unwritten = is_as_seen(self._root, Seen(paths=plan.seen.paths))  # locks, manifests and settings
        if not is_unwritten or self._plans.again(plan, target).lock_inputs() != plan.lock_inputs():
            where = _told_path(plan.export[0] / "uv.lock", self._root) if plan.export else plan.listing.where
            raise changed_meanwhile(where or plan.service.folder)

    # ---------------------------------------------------------------- installing

    def _install(
        self, text: str, target: Target, project: Path, plan: PythonPlan, earlier: Earlier
    ) -> tuple[Member, ...]:
        if not requirements.names(text):
            return ()
        with self._cache.scratch() as scratch:
            interpreter = self._interpreter(target)
            installer = Installer(
                uv=self._uv,
                target=target,
                project=project,
                interpreter=interpreter,
                scratch=scratch,
                cache=self._own_cache(plan, interpreter, scratch),
                warn=self._warn,
            )
            built, site = installer.install(text), installer.site
            for name in built:
                _refuse_native(site, name, target, plan.listing.where)
            installed = Installed(site)
            kept = pruned(installed.files, installed.read) if plan.options.prune else installed.files.keys()
            # Which version of which backend built it is no part of what the package is.
            dropped = {f"{path.parent.name}/WHEEL" for name in built for path in _wheel_notes(site, name)}
            shipped = [name for name in installed.files if name in kept and name not in dropped]
            for name in shipped:
                if is_native(name):  # a wheel of `linux_x86_64`, from an index of one's own, is for whatever glibc
                    libc.check(name, installed.take(name), target, where=plan.service.folder)
            if not plan.options.strip:  # no service could ship that, and to compress it takes long
                check_size(plan.service.folder, installed.sizes(shipped).items())
            return installed.packed(shipped, earlier.packed)

    def _interpreter(self, target: Target) -> Path:
        """The target's own Python where this machine has it, else ours."""
        found = self._interpreters.find(f"python{target.version}") if self._interpreters else None
        return found or Path(sys.executable)

    def _own_cache(self, plan: PythonPlan, interpreter: Path, scratch: Path) -> Path:
        """Uv's cache for what is built from sources; of an archive in the workspace uv does not see that it changed."""
        if plan.listing.archives:
            return scratch / "built"
        by = {"uv": self._uv.version(), "backends": backends.digest(), "python": str(interpreter)}
        return self._cache.uv_of(python.key("sources", by)[:16])


def refuse_stale(plan: PythonPlan, root: Path, read: Callable[[Path], lockfile.Packages] | None = None) -> None:
    """Compare the uv.lock and the manifests as far as that goes without uv, which needs an interpreter for it.

    `read` gives the packages of a lock, for whoever asks for many. Raises BuildFailed when a manifest asks for what the
    lock does not know of.
    """
    if plan.export is None:
        return
    lock = plan.export[0] / "uv.lock"
    packages = (read or lock_reader(root))(lock)
    for part in (plan.service, *plan.packages):
        if part.manifest is not None and part.manifest.name:
            further = (text for texts in part.manifest.optional.values() for text in texts)
            lacking = lockfile.lacks(packages, part.manifest.name, (*part.manifest.dependencies, *further))
            if lacking:
                raise _stale(_told_path(lock, root), f": {part.folder} asks for {', '.join(lacking)}")


def lock_reader(root: Path) -> Callable[[Path], lockfile.Packages]:
    """Reads uv.locks of a workspace, each once. Raises BuildFailed for one that is none."""
    return cache(lambda lock: lockfile.parse(lock.read_text(encoding="utf-8"), where=_told_path(lock, root)))


def _stale(where: str, why: str = "") -> BuildFailed:
    hint = f"uv lock --directory {where.removesuffix('uv.lock').rstrip('/') or '.'}"
    return BuildFailed(f"the lock does not fit the manifests any more{why}", where=where, hint=hint)


def _settled(text: str, plan: PythonPlan, listing: Listing) -> str:
    """Uv's answer without what the runtime has, with the lock's hashes. Raises BuildFailed for what nobody pinned."""
    out = set(python.supplied(plan.options))
    via = requirements.vias(text)
    out |= requirements.only_for(via, out)
    pinned = requirements.alternatives(listing.roots + listing.pins)
    lines = []
    for line in requirements.plain_lines(text):
        name = requirements.normalised(requirements.name_of(line))
        if name in out or not name:
            lines += [] if name else [line]
            continue
        if listing.resolve is None and name not in pinned and " @ " not in line:
            by = ", ".join(one for one in via.get(name, ()) if not one.startswith("-"))
            raise BuildFailed(
                f"{name} is needed{f' by {by}' if by else ''}, but no line pins it to a version",
                where=listing.where,
                hint=listing.lock_hint,
            )
        version = requirements.pinned_versions(line).get(name, "")
        if name in pinned and version and not any(requirements.is_same(version, one) for one in pinned[name]):
            raise BuildFailed(
                f"uv takes {name} {version}, and it is pinned to {' or '.join(pinned[name])}",
                where=listing.where,
                hint=f"look for {name} in override-dependencies of uv.toml or [tool.uv], also above this folder",
            )
        lines.append(f"{line} {listing.hashes.get(f'{name}=={version}', '')}".rstrip())
    options = [line for line in requirements.plain_lines(listing.roots) if line.startswith("-")]
    return "".join(f"{line}\n" for line in (*options, *lines))


def _refuse_native(site: Path, name: str, target: Target, where: str) -> None:
    """What was built from sources is for this machine; only without native code is it for the target as well."""
    for note in _wheel_notes(site, name):
        if not python.is_pure(note.read_text(encoding="utf-8")):
            raise native(note.parent.name.removesuffix(".dist-info").replace("-", "==", 1), target, where)


def _wheel_notes(site: Path, name: str) -> list[Path]:
    return [
        path
        for path in site.glob("*.dist-info/WHEEL")
        if requirements.normalised(path.parent.name.removesuffix(".dist-info").rpartition("-")[0]) == name
    ]


def _told_path(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
