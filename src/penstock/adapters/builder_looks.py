"""What was seen when units were last looked at, and which recipes came of it.

A recipe is a function of what its planner saw, so while all of that is as it was, the recipe is, too ("verifying
traces": Mokhov, Mitchell, Peyton Jones, Build Systems à la Carte, ICFP 2018). To see it again takes one `stat` for
each file, where to plan again takes manifests, locks and digests.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from penstock.adapters import builder_seen, own_code
from penstock.adapters.builder_cache import Entry
from penstock.adapters.builder_room import NOTED
from penstock.adapters.publish import remember, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_seen import Listing, Seen, State
    from penstock.ports import Clock

_FORMAT = 4
_PATH = 2
"""Kind of an observation: one path. 0 and 1 are folders, without and with their outputs."""


class Looks:
    """Recipes by unit, and their artifacts, as long as nothing changed. `memory` may be lost at any time.

    It lies among the records of the cache, so that a build from nothing forgets it together with them.
    """

    def __init__(self, root: Path, cache: ZipCache, clock: Clock) -> None:
        self._top = f"{root}{os.sep}"
        self._cache = cache
        self._memory = cache.folder / "index" / "looks" / "looks"
        self._clock = clock
        self._seen: list[list[Any]] = []  # kind, place and mark of what was seen there
        self._units: dict[str, list[Any]] = {}
        self._zips: dict[str, list[Any]] = {}
        self._same: dict[int, bool] = {}
        self._places: dict[tuple[int, str], list[int]] | None = None
        self._scope = ""
        self._changed = False

    def begin(self, scope: str) -> None:
        """Look at everything anew. `scope` is what all recipes depend on besides files, such as tools."""
        self._same = {}
        scope = hashlib.sha256(f"{scope} {_code()}".encode()).hexdigest()
        if scope != self._scope:
            self._scope = scope
            self._load()

    def recipe(self, unit: str, key: str) -> tuple[str, int | None] | None:
        """The digest of the unit's recipe and by how much its ZIP outgrew the one before; None when that is not sure.

        `key` is what the recipe depends on besides files and the scope.
        """
        known = self._units.get(unit)
        if known is None or known[0] != key:
            return None
        for number in known[3]:
            same = self._same.get(number)
            if same is None:
                same = self._same[number] = self._is_same(*self._seen[number])
            if not same:
                return None
        return known[1], known[2]

    def learn(self, unit: tuple[str, str], seen: Seen, at: float, recipe: str, delta: int | None) -> None:
        """Keep the recipe of a unit, with its key, by all that was seen for it from the time `at` on.

        Nothing is kept that may have changed without a trace.
        """
        if not builder_seen.is_sure(seen, at):
            return
        numbers = [self._number(int(outputs), folder, found) for (folder, outputs), found in seen.folders.items()]
        numbers += [self._number(_PATH, path, found) for path, found in builder_seen.beside_folders(seen).items()]
        name, key = unit
        self._units[name] = [key, recipe, delta, numbers]
        self._changed = True

    def entry(self, recipe: str) -> Entry | None:
        """The recipe's artifact, when it lies there as it did when its digest was checked."""
        known = self._zips.get(recipe)
        if known is None:
            return None
        digest, size, unzipped, found, until = known
        if self.lies(digest) != found:
            return None
        now = self._clock.now()
        if now > until:  # not each time: a thousand services are looked at
            if not self._cache.use("artifact", recipe):
                return None
            known[4] = int(now + NOTED)
            self._changed = True
        return Entry(place=self._cache.place(digest), digest=digest, size=size, unzipped=unzipped)

    def lies(self, digest: str) -> list[builder_seen.State]:
        """How an artifact and its SBOM lie in the cache."""
        return [builder_seen.state(self._cache.place(digest, suffix)) for suffix in (".zip", ".cdx.json")]

    def learn_entry(self, recipe: str, entry: Entry, found: list[builder_seen.State]) -> None:
        """Keep an artifact; `found` is how it lay before it was checked."""
        now = self._clock.now()
        if all(isinstance(one, list) and builder_seen.is_settled(one[1], one[2], now) for one in found):
            self._zips[recipe] = [entry.digest, entry.size, entry.unzipped, found, int(now + NOTED)]
            self._changed = True

    def forget(self) -> None:
        """Forget everything."""
        self._seen, self._units, self._zips, self._same, self._places = [], {}, {}, {}, None

    def save(self, units: Collection[str]) -> None:
        """Keep what was learnt of the workspace's units; a cache that cannot be written only costs time."""
        if not self._changed:
            return
        self._changed = False
        kept = {name: known for name, known in self._units.items() if name.partition(" ")[0] in units}
        used = sorted({number for known in kept.values() for number in known[3]})
        renumbered = {number: place for place, number in enumerate(used)}
        recipes = {known[1] for known in kept.values()}
        content = {
            "format": _FORMAT,
            "boot": builder_seen.boot(),
            "scope": self._scope,
            "seen": [self._seen[number] for number in used],
            "units": {name: [*known[:3], [renumbered[one] for one in known[3]]] for name, known in kept.items()},
            "zips": {recipe: known for recipe, known in self._zips.items() if recipe in recipes},
        }
        remember(self._memory, sealed(json.dumps(content).encode()))

    def _load(self) -> None:
        self.forget()
        try:
            content = json.loads(unsealed(self._memory.read_bytes()))
            if (content["format"], content["boot"], content["scope"]) == (_FORMAT, builder_seen.boot(), self._scope):
                self._seen, self._units, self._zips = content["seen"], content["units"], content["zips"]
        except (OSError, ValueError, KeyError, TypeError):
            self.forget()

    def _is_same(self, kind: int, place: str, mark: str | None) -> bool:
        path = builder_seen.place(self._top, place)
        found = builder_seen.state(path) if kind == _PATH else builder_seen.listing(path, outputs=bool(kind))
        return mark is not None and builder_seen.mark(found) == mark

    def _number(self, kind: int, place: str, found: State | Listing | None) -> int:
        """Of one observation; what many units saw is kept, and looked at, once."""
        mark = builder_seen.mark(found)
        if self._places is None:
            self._places = {}
            for number, (its_kind, its_place, _) in enumerate(self._seen):
                self._places.setdefault((its_kind, its_place), []).append(number)
        numbers = self._places.setdefault((kind, place), [])
        for number in numbers:
            if self._seen[number][2] == mark:
                return number
        self._seen.append([kind, place, mark])
        numbers.append(len(self._seen) - 1)
        return len(self._seen) - 1


def _code() -> str:
    """Another version of the code that makes recipes may make others of the same files."""
    # `node_tools` says which esbuild and TypeScript are fetched.
    adapters = [own_code.stamp(("adapters",), prefix) for prefix in ("builder", "node_tools")]
    return "".join((own_code.stamp(("build", "model")), *adapters))
