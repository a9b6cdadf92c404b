"""`penstock audit`: the environment's history as its ledger tells it, and whether anybody has changed that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.operations.ledger_store import LedgerStore
from penstock.operations.session import require_deployed
from penstock.operations.store import ReleaseStore
from penstock.release.audit import Figures, Run, figures, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from penstock.operations.world import World
    from penstock.release.ledger import Break

    Times = Callable[[Collection[str]], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The whole ledger at one look; `breaks` are the places where its chain does not hold."""

    environment: str
    entries: int
    runs: tuple[Run, ...]
    figures: Figures
    breaks: tuple[Break, ...]


def audit(world: World, times: Times = lambda _: {}) -> Audit:
    """Read the ledger and check its chain; nothing is changed. Raises UsageError where nothing was ever deployed.

    `times` tells when commits were made, of those that it knows.
    """
    require_deployed(world)
    entries, breaks = LedgerStore(world.objects, clock=world.clock, actor="", run=world.run).survey()
    return Audit(
        environment=world.workspace.environment.name,
        entries=len(entries),
        runs=runs(entries),
        figures=figures(entries, _committed(world, times)),
        breaks=breaks,
    )


def _committed(world: World, times: Times) -> Mapping[str, float]:
    """When the releases that are kept were committed; nobody knows it of files that no commit has."""
    releases = ReleaseStore(world.objects)
    kept = {name: found.source for name in releases.ids() if (found := releases.get(name)) is not None}
    commits = {name: commit for name, (commit, is_changed) in kept.items() if commit and not is_changed}
    known = times(frozenset(commits.values()))
    return {name: known[commit] for name, commit in commits.items() if commit in known}
