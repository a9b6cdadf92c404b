"""The verb that tells an environment's history: audit."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, table, talk
from penstock.cli.render.sink import seconds

if TYPE_CHECKING:
    from penstock.cli.settings import Settings
    from penstock.operations.audit import Audit
    from penstock.release.audit import Figures

SHOWN = 20
"""Commands that are shown unless all are asked for."""
COLUMNS = ("at", "by", "what", "outcome", "took", "back in", "approved by", "said", "evidence")
OCCASIONAL = ("back in", "said")
"""Columns that most environments have nothing for: left out where no row has."""


@click.command("audit", cls=Verb)
@click.option("--verify", is_flag=True, help="Only check that nobody has changed the ledger; exit 1 when somebody has.")
@click.option("--all", "everything", is_flag=True, help=f"Every command, not only the last {SHOWN}.")
@click.pass_obj
def audit(settings: Settings, verify: bool, everything: bool) -> int:
    """Tell who shipped what, when, and on what evidence.

    From the environment's ledger, approvals included. Its entries are chained by hash: a changed or missing one is
    found. Ends with DORA's figures: how often something is promoted, how long it took from its commit (of releases
    that are kept, and commits that this clone knows), what share went back, and for how long that had traffic.
    """
    found = in_environment(settings).audit()
    settings.events.close()
    if settings.json:
        put({"event": "audit", **asdict(found)})
    else:
        _show(settings, found, everything=everything, only_chain=verify)
    return 1 if found.breaks else 0


def _show(settings: Settings, found: Audit, *, everything: bool, only_chain: bool) -> None:
    if not only_chain:
        rows = [
            {
                "at": run.at[:19] + "Z",
                "by": run.by.rpartition("::")[2].partition(":")[2] or run.by,
                "what": run.what,
                "outcome": run.outcome,
                "took": seconds(run.seconds),
                "back in": "-" if run.back is None else seconds(run.back),
                "approved by": ", ".join(run.approved_by) or "-",
                "said": "; ".join(run.orders) or "-",
                "evidence": run.evidence,
            }
            for run in found.runs
        ]
        shown = rows if everything else rows[-SHOWN:]
        told = [name for name in COLUMNS if name not in OCCASIONAL or any(row[name] != "-" for row in shown)]
        table(settings, shown, columns=told, kind="run")
        if len(shown) < len(rows):
            talk(f"{len(rows) - len(shown)} earlier commands: --all shows them")
        talk(figures_text(found.figures))
    for place in found.breaks:
        talk(f"! entry {place.number}: {place.what}")
    if not found.breaks:
        talk(f"the chain of {found.entries} entries holds")


def figures_text(figures: Figures) -> str:
    """DORA's figures in one line: what got all traffic, and what had only a share of it before it went back."""
    only = f" and {figures.shared} with a share only" if figures.shared else ""
    counted = f"{figures.promotions} promotion{'' if figures.promotions == 1 else 's'}{only}"
    lead = "" if figures.lead_seconds is None else f", {seconds(figures.lead_seconds)} from commit to all traffic"
    back = "none" if figures.failed_share is None else f"{figures.failed_share:.1%}"
    restored = "" if figures.restore_seconds is None else f", at the median after {seconds(figures.restore_seconds)}"
    return f"{counted} in {_span(figures.days)}{lead}; {back} went back{restored}"


def _span(days: float) -> str:
    """`3.5 days`, and less than one as a part of it that says something."""
    return f"{days:.1f} days" if days >= 1 else seconds(round(days * 86_400, 2))
