"""`penstock prune`: what no release needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import table, talk

if TYPE_CHECKING:
    from penstock.cli.settings import Settings


@click.command("prune", cls=Verb)
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="How many releases can always come back; else 10."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_obj
def prune(settings: Settings, keep: int | None, dry_run: bool) -> None:
    """Delete versions, ZIPs and releases that nothing refers to.

    What a slot holds, and what the last releases need to come back, stays.
    """
    found = in_environment(settings).prune(keep=keep, dry_run=dry_run)
    settings.events.close()
    rows = [
        *({"kind": "version", "name": f"{function}:{version}"} for function, version in found.versions),
        *({"kind": "deployment", "name": f"{api}/{deployment}"} for api, deployment in found.deployments),
        *({"kind": "artifact", "name": key} for key in found.artifacts),
        *({"kind": "release", "name": release} for release in found.releases),
    ]
    if rows or settings.json:
        table(settings, rows, columns=["kind", "name"], kind="would-prune" if dry_run else "pruned")
    else:
        talk("nothing to do: everything there is referred to")
