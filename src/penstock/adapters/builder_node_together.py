"""Bundles of many functions by one process of esbuild: starting it and parsing shared modules is most of its work.

Without code splitting esbuild links each entry by itself, so the bytes are those of a run for one entry. When one of
them fails, nothing of the run is used: each is then bundled alone, and tells its own errors.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.adapters import whole_file
from penstock.build import metafile
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from penstock.build.metafile import Metafile
    from penstock.ports import Command, CommandResult


_PROBE = 1 << 16
"""Bytes, more than a file system keeps back for one that has ended short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """What esbuild made of one entry. `meta` is its metafile, of this entry alone; `made_in` where the map began."""

    code: bytes
    map: bytes | None
    meta: Metafile
    made_in: str


@dataclass(slots=True)
class _Group:
    """Entries that esbuild is asked for in the same words, by unit."""

    entries: dict[str, str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    programs: dict[str, Path] | None = None
    """The esbuild of each that can be bundled at all: members of a workspace may have versions of their own."""
    results: dict[Path, dict[str, Bundled]] = field(default_factory=dict)


class Together:
    """Groups of entries, each bundled when the first of its units asks."""

    def __init__(self, run: Callable[[Command], CommandResult], warn: Callable[[str], None]) -> None:
        """`warn` is told what a run that ended well said."""
        self._run = run
        self._warn = warn
        self._groups: dict[str, _Group] = {}

    def plan(self, groups: Iterable[Mapping[str, str]]) -> None:
        """Forget earlier groups; each new one maps units to their sources, relative to the workspace."""
        self._groups = {}
        for entries in groups:
            group = _Group(dict(entries))
            if len(entries) > 1:
                self._groups |= dict.fromkeys(entries, group)

    def take(
        self,
        unit: str,
        folder: Path,
        command: Callable[[list[str], Path], Command],
        prepare: Callable[[str], Path | None],
    ) -> Bundled | None:
        """The unit's bundle, or None when it has to be made alone.

        The first unit of a group makes all of them that have the same esbuild in `folder`, by `command`; `prepare`
        brings a unit's packages and tells its esbuild, None when it cannot be bundled at all.
        """
        group = self._groups.get(unit)
        if group is None:
            return None
        with group.lock:
            if group.programs is None:
                found = {name: prepare(name) for name in group.entries}
                group.programs = {name: program for name, program in found.items() if program is not None}
            program = group.programs.get(unit)
            if program is None:
                return None
            if program not in group.results:
                same = {name: group.entries[name] for name, each in group.programs.items() if each == program}
                group.results[program] = self._bundle(same, folder, command)
            return group.results[program].pop(unit, None)

    def _bundle(
        self, entries: Mapping[str, str], folder: Path, command: Callable[[list[str], Path], Command]
    ) -> dict[str, Bundled]:
        if len(entries) == 1:
            return {}
        sources = sorted(set(entries.values()))
        result = self._run(command(sources, folder))
        if result.status != 0:
            return {}
        self._warn(result.stderr)
        meta = read_meta(folder / "meta.json")
        outputs = {
            output["entryPoint"]: (path, output) for path, output in meta["outputs"].items() if "entryPoint" in output
        }
        found = {}
        for name, source in entries.items():
            if source in outputs:
                code = folder / "out" / f"{sources.index(source)}.js"
                found[name] = _one(code, source, meta["inputs"], outputs[source][1])
        return found


def read_meta(path: Path) -> Metafile:
    """A metafile. Raises OSError or BuildFailed when it is unfinished: esbuild ends well even if it cannot write it."""
    try:
        return dict(json.loads(whole_file.read(path)))
    except (FileNotFoundError, ValueError) as error:
        with path.open("wb") as file:  # says why, when there is no room
            file.write(bytes(_PROBE))
        raise BuildFailed("esbuild did not finish its metafile", where=str(path), hint="build again") from error


def _one(code: Path, source: str, inputs: Mapping[str, Any], output: Mapping[str, Any]) -> Bundled:
    source_map = code.with_name(f"{code.name}.map")
    reached = metafile.reached_inputs(source, inputs)
    return Bundled(
        code=whole_file.read(code),
        map=whole_file.read(source_map) if source_map.exists() else None,
        meta={"inputs": {path: inputs[path] for path in reached}, "outputs": {source: output}},
        made_in=code.parent.as_posix(),
    )
