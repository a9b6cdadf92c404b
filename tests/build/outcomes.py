"""Random workspaces on disk, and what comes of their builds, held against a model of what counts for whom."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from penstock.model.errors import BuildsFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from build.sites import Site


NO_FILES = {"handler", "functions", "layers", "options", "python", "API_URL"}
"""What counts and lies in no file, or in one that touches everybody: penstock.toml, service.toml."""


class Model(Protocol):
    """What a test says of a workspace by itself; services have one unit each."""

    def counts(self, name: str, /) -> Mapping[object, object]:
        """All that a service's recipe depends on."""

    def ships(self, name: str, /) -> Mapping[object, object]:
        """All that its bytes depend on."""


@dataclass(frozen=True)
class Outcome:
    """What came of each unit."""

    recipes: Mapping[str, str]
    digests: Mapping[str, str]
    """Of those that were built; the recipes as well."""
    failures: Mapping[str, str]
    """Why there is none, in words, without the place of the workspace."""
    fresh: set[str]
    """Those that were built just now."""

    @property
    def told(self) -> tuple[Mapping[str, str], ...]:
        return self.recipes, self.digests, self.failures


def outcome(site: Site) -> Outcome:
    """Build all of a workspace."""
    failures: dict[str, str] = {}
    try:
        made = site.builder().build(site.workspace, None, site.targets)
    except BuildsFailed as failed:
        made = failed.made
        for failure in failed.failures:
            said = "\n".join((failure.where or "", failure.what, failure.hint or ""))
            failures |= dict.fromkeys(failure.names, said.replace(str(site.root), ""))
    return Outcome(
        recipes={one.unit: one.recipe for one in made},
        digests={one.unit: one.digest for one in made},
        failures=failures,
        fresh={one.unit for one in made if not one.cached},
    )


def rewrite(site: Site, before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Make a workspace of these texts by path one of those; gives the paths that changed.

    Each is another file afterwards, as git and editors do. A text of `-> x` is a link to `x`.
    """
    changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    for path in changed & before.keys():
        (site.root / path).unlink()
    for path in changed & now.keys():
        if now[path].startswith("-> "):
            (site.root / path).parent.mkdir(parents=True, exist_ok=True)
            (site.root / path).symlink_to(now[path].removeprefix("-> "))
        else:
            site.write({path: now[path]})
    return changed


def check_times_count_for_nothing(site: Site, paths: Iterable[str], time: int, before: Outcome) -> None:
    """Give files other times, in seconds since 1970: nothing is built again, and `before` is what comes of it."""
    for path in paths:
        os.utime(site.root / path, (time, time))
    again = outcome(site)
    assert again.told == before.told
    assert not again.fresh, "nothing but times was changed"


@dataclass
class History:
    """All states of a workspace that were built, in the words of the model, by recipe and back."""

    recipes: dict[tuple[str, str], str] = field(default_factory=dict)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, found: Outcome, model: Model) -> None:
        """Check what was built just now against all before it: what is new in the model is built, and nothing else."""
        known = dict(self.recipes)
        for unit, recipe in found.recipes.items():
            counts, ships = repr(model.counts(unit)), repr(model.ships(unit))
            assert self.recipes.setdefault((unit, counts), recipe) == recipe, f"{unit}: nothing that counts was changed"
            others = {other for (name, said), other in known.items() if name == unit and said != counts}
            assert recipe not in others, f"{unit}: a change was missed"
            assert (unit in found.fresh) == ((unit, counts) not in known), f"{unit}: it was built for nothing, or not"
            digest = found.digests[unit]
            assert self.digests.setdefault((unit, ships), digest) == digest, f"{unit}: other bytes of the same"


def files_of(model: Model, names: Iterable[str]) -> dict[str, dict[object, object]]:
    """What ships of each service, as far as it lies in files."""
    return {
        name: {key: said for key, said in model.ships(name).items() if _knob(key) not in NO_FILES} for name in names
    }


def _knob(key: object) -> object:
    return key[1] if isinstance(key, tuple) else key


def touched(before: Mapping[str, object], now: Mapping[str, object]) -> set[str]:
    """Services of which something is not as it was."""
    return {name for name, said in now.items() if said != before[name]}
