"""`penstock audit`: the environment's history as its ledger tells it, and whether anybody has changed that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.operations.ledger_store import LedgerStore
from penstock.operations.session import require_deployed
from penstock.release.audit import Figures, Run, figures, runs

if TYPE_CHECKING:
    from penstock.operations.world import World
    from penstock.release.ledger import Break


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The whole ledger at one look; `breaks` are the places where its chain does not hold."""

    environment: str
    entries: int
    runs: tuple[Run, ...]
    figures: Figures
    breaks: tuple[Break, ...]


def audit(world: World) -> Audit:
    """Read the ledger and check its chain; nothing is changed. Raises UsageError where nothing was ever deployed."""
    require_deployed(world)
    entries, breaks = LedgerStore(world.objects, clock=world.clock, actor="", run=world.run).survey()
    return Audit(
        environment=world.workspace.environment.name,
        entries=len(entries),
        runs=runs(entries),
        figures=figures(entries),
        breaks=breaks,
    )
