"""Makes artifacts that the cache does not have, in parallel: from elsewhere, or else members, checks, a ZIP."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from penstock.adapters.builder_files import ChangedMeanwhileError, changed_meanwhile
from penstock.adapters.builder_node_parts import NodePlan
from penstock.adapters.builder_python_parts import PythonPlan
from penstock.adapters.builder_units import in_words
from penstock.adapters.commands import Stoppable
from penstock.build.archive import ArchiveError
from penstock.build.limits import check_size, direct_upload_note
from penstock.model.errors import BuildFailed, PenstockError
from penstock.model.events import Note, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_node import NodeBuilder
    from penstock.adapters.builder_python import PythonBuilder
    from penstock.adapters.builder_sbom import SbomReader
    from penstock.adapters.builder_units import Prepared, Units
    from penstock.build.archive import Member
    from penstock.build.metafile import Metafile
    from penstock.build.provenance import Provenance
    from penstock.model.artifact import Artifact, Recipe
    from penstock.ports import Clock, Commands, EventSink


class Elsewhere(Protocol):
    """Artifacts that somebody else built: the environment's remote build cache."""

    def fetch(self, recipe: Recipe, archive: Path, sbom: Path) -> Provenance | None:
        """Bring a recipe's artifact and its SBOM into two files, verified; None when it has to be built."""


_WORKERS = 2
"""For each processor: some wait for programs, or for one that makes what they need as well."""


_TRIES = 3
"""How often a unit is made whose files change while it is being made."""


class Ready(Protocol):
    """Tells of an artifact that is there."""

    def __call__(self, one: Prepared, entry: Entry, *, cached: bool, seconds: float) -> Artifact:
        """The artifact of a unit, made or found in so many seconds."""


class Maker:
    """Builds units with the builder of their language."""

    def __init__(  # noqa: PLR0917 - what it works with
        self,
        cache: ZipCache,
        commands: Commands,
        events: EventSink,
        clock: Clock,
        builders: tuple[PythonBuilder, NodeBuilder],
        sboms: SbomReader,
        ready: Ready,
        units: Units,
    ) -> None:
        self._cache = cache
        self._commands = commands
        self._events = events
        self._clock = clock
        self._python, self._node = builders
        self._sboms = sboms
        self._ready = ready
        self._units = units

    def make(
        self, missing: Sequence[Prepared], elsewhere: Callable[[], Elsewhere | None]
    ) -> tuple[dict[str, Artifact], dict[str, PenstockError]]:
        """Artifacts by unit, and why some are none. A unit that fails does not stop the others.

        `elsewhere` is asked, when something is missing, for a place where others may have built it.
        """
        made: dict[str, Artifact] = {}
        failures: dict[str, PenstockError] = {}
        if not missing:
            return made, failures
        self._sboms.begin()
        remote = elsewhere()
        self._node.expect(
            [(one.unit, one.recipe.target, one.plan) for one in missing if isinstance(one.plan, NodePlan)]
        )
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait  # noqa: PLC0415 - slow, and rarely needed

        pool = ThreadPoolExecutor(max_workers=_WORKERS * (os.cpu_count() or 1), thread_name_prefix="build")
        with self._cache.many_steps():
            try:
                first, later = _in_turn(missing)
                # What others have built needs no packages.
                plans = (one.plan for one in missing if isinstance(one.plan, PythonPlan) and remote is None)
                ahead = self._python.ahead(plans)
                running = {pool.submit(self._tried, one, remote): one.unit.name for one in first}
                for make in ahead:
                    pool.submit(make)  # why one cannot be made, the services tell that need it
                running |= {pool.submit(self._tried, one, remote): one.unit.name for one in later}
                for future in wait(running, return_when=FIRST_EXCEPTION).done:
                    found = future.result()
                    if isinstance(found, PenstockError):
                        failures[running[future]] = found
                    else:
                        made[running[future]] = found
            except BaseException:
                if isinstance(self._commands, Stoppable):
                    self._commands.stop()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return made, failures

    def _tried(self, one: Prepared, elsewhere: Elsewhere | None) -> Artifact | PenstockError:
        """An artifact, or why it is none; what is raised besides is a fault of ours, and ends the build."""
        try:
            return self._make_one(one, elsewhere)
        except PenstockError as error:
            return error

    def _make_one(self, one: Prepared, elsewhere: Elsewhere | None) -> Artifact:
        began = self._clock.monotonic()
        is_here = self._cache.get("artifact", one.digest) is not None  # and its tests' types are to be checked
        entry = self._fetch(one, elsewhere) if elsewhere and not is_here else None
        if entry is not None:
            return self._ready(one, entry, cached=True, seconds=self._clock.monotonic() - began)
        step = f"build {one.unit.name}"
        self._events.emit(StepStarted(step=step, detail=str(one.recipe.target)))
        try:
            one, made = self._unchanging(one)
            entry = self._cache.put(
                "artifact",
                one.digest,
                made[0],
                lambda digest: self._sboms.text(one.unit.name, digest, one.recipe.target, one.plan, made),
            )
        except BaseException:
            seconds = self._clock.monotonic() - began
            self._events.emit(StepFinished(step=step, seconds=seconds, failed=True))
            raise
        seconds = self._clock.monotonic() - began
        # The artifact that comes of it is told by itself.
        self._events.emit(StepFinished(step=step, seconds=seconds, inner=True))
        if note := direct_upload_note(one.unit.name, entry.size, entry.unzipped):
            self._events.emit(Note(text=note))
        return self._ready(one, entry, cached=False, seconds=seconds)

    def _unchanging(self, one: Prepared) -> tuple[Prepared, tuple[tuple[Member, ...], Metafile]]:
        """What a unit is made into, and the unit as it was all the while: what changes meanwhile is made again.

        So it is when it has changed back, or could not be made. Installing and building packages may change inputs as
        well, the first time. Raises BuildFailed when there is no end of it.
        """
        for _ in range(_TRIES):
            changed: BuildFailed = changed_meanwhile(one.unit.service.path)
            try:
                made = self._members(one)
            except BuildFailed as error:
                changed, now = error, self._units.again(one)
                if now.digest == one.digest and not isinstance(error, ChangedMeanwhileError):
                    raise
            else:
                now = self._units.again(one)
                if now is one:
                    return one, made
            one = now
        raise changed

    def _fetch(self, one: Prepared, elsewhere: Elsewhere) -> Entry | None:
        with self._cache.scratch() as scratch:
            draft, sbom = scratch / "artifact.zip", scratch / "sbom.json"
            found = elsewhere.fetch(one.recipe, draft, sbom)
            if found is None:
                return None
            try:
                return self._cache.adopt("artifact", one.digest, draft, sbom, found.artifact)
            except ArchiveError:
                return None

    def _members(self, one: Prepared) -> tuple[tuple[Member, ...], Metafile]:
        """What goes into the ZIP, and what the bundler says that it is made of (empty for Python)."""
        meta: Metafile = {}
        try:
            if isinstance(one.plan, PythonPlan):
                members = self._python.build(one.unit, one.recipe.target, one.plan)
            else:
                members, meta = self._node.build(one.unit, one.recipe.target, one.plan)
        except (ArchiveError, TimeoutError) as error:
            raise BuildFailed(str(error), where=one.unit.service.path) from error
        except OSError as error:
            raise in_words(error, self._cache.folder) from error
        check_size(one.unit.service.path, ((member.name, member.size) for member in members))
        return members, meta


def _in_turn(missing: Sequence[Prepared]) -> tuple[list[Prepared], list[Prepared]]:
    """One of each language, whose locked packages or whose esbuild the others wait for; and those others."""
    pythons = [one for one in missing if one.unit.language == "python"]
    nodes = [one for one in missing if one.unit.language != "python"]
    return [*pythons[:1], *nodes[:1]], [*nodes[1:], *pythons[1:]]
