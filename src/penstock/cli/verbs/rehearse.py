"""The verb that ships a release where nothing can be lost: rehearse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, say, talk
from penstock.model.errors import UsageError
from penstock.rehearsal import faults as kinds
from penstock.rehearsal.page import page
from penstock.rehearsal.report import OUTCOMES, RATES, SCALES, lines, report
from penstock.rehearsal.requests import from_log

if TYPE_CHECKING:
    from penstock.cli.settings import Settings

_EXPECTED = {"promotion": "promoted", "rollback": "rolled-back", "refusal": "refused", "hold": "undecided"}
_STRATEGIES = ["canary", "linear", "custom"]
SCALE, RATE, BEFORE = 20.0, 120.0, 10.0


@click.command("rehearse", cls=Verb)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help=f"What goes wrong, may be given several times: {', '.join(kinds.usages())}.",
)
@click.option("--expect", type=click.Choice(list(_EXPECTED)), help="Exit 0 when it ends so, and 1 otherwise.")
@click.option("--strategy", type=click.Choice(_STRATEGIES), help="Instead of the environment's.")
@click.option("--stable", metavar="COMMIT", help="What is live before; else the files as they are.")
@click.option(
    "--log",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An access log whose GET requests are asked again; else `[synthetic]`, or the health routes.",
)
@click.option("--rate", type=click.FloatRange(*RATES), default=RATE, show_default=True, help="Requests per second.")
@click.option(
    "--time-scale",
    "scale",
    type=click.FloatRange(*SCALES),
    default=SCALE,
    show_default=True,
    help="How much faster CloudWatch's clock runs than this machine's.",
)
@click.option(
    "--html", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write a page with the curves."
)
@click.pass_obj
def rehearse(
    settings: Settings,
    *,
    faults: tuple[str, ...],
    expect: str | None,
    strategy: str | None,
    stable: str | None,
    log: Path | None,
    rate: float,
    scale: float,
    html: Path | None,
) -> int:
    """Ship the candidate here, with callers and faults, and see.

    It goes up in an embedded AWS of its own, beside the release that is live there.

    The environment's Terraform, release engine, strategy and judge are the real ones; nothing outside of this machine
    is touched, and a running embedded AWS neither. The exit code is that of the deploy: 0 promoted, 3 came back, 5
    never got traffic, 7 nobody could tell; with --expect 0 when it ended so.
    """
    wanted = tuple(kinds.parse(text) for text in faults)
    requests = from_log(log.read_text(errors="replace").splitlines(), str(log)) if log else ()
    if html is not None and not html.parent.is_dir():
        raise UsageError(f"there is no folder {html.parent}", where="--html", hint=f"mkdir -p {html.parent}")
    tell = talk if not settings.json else lambda text: put({"event": "rehearsal", "what": text})
    engine = in_environment(settings)
    seen = engine.rehearse(
        faults=wanted,
        requests=requests,
        rate=rate,
        scale=scale,
        before=BEFORE,
        strategy=strategy,
        stable=stable,
        tell=tell,
    )
    found = report(seen)
    settings.events.close()
    if html is not None:
        html.write_text(page(seen, found, engine.workspace.environment.rollout.alpha), encoding="utf-8")
    if settings.json:
        put({"event": "result", **found.to_json(), "html": str(html) if html else None})
    else:
        say("\n".join(["", *lines(found), *([f"page: {html}"] if html else [])]))
    if expect is None:
        return seen.status
    return 0 if OUTCOMES.get(seen.status) == _EXPECTED[expect] else 1
