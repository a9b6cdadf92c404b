"""The verbs that look: status, releases, explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.engine import open_engine
from penstock.cli.group import Verb
from penstock.cli.output import put, say, table, talk
from penstock.cli.wiring import source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.cli.settings import Settings
    from penstock.operations.status import Status

UNHEALTHY = 500
"""The first HTTP status that says the service itself failed."""


@click.command("explain", cls=Verb)
@click.argument("key")
@click.pass_obj
def explain(settings: Settings, key: str) -> None:
    """Say where a setting's value comes from.

    KEY is a path such as user_service.memory: the value, the file and line that decided it, and what it overrode.
    """
    from penstock.workspace.explain import explain as look_up  # noqa: PLC0415 - pydantic

    found = look_up(source(settings), key, settings.chosen_environment())
    if settings.json:
        from dataclasses import asdict  # noqa: PLC0415

        put({"event": "explanation", **asdict(found)})
    else:
        say(str(found))


@click.command("releases", cls=Verb)
@click.pass_obj
def releases(settings: Settings) -> None:
    """List the environment's releases, newest first: which is live, which were rolled back."""
    rows = open_engine(settings).releases()
    if rows or settings.json:
        table(settings, rows, columns=["release", "state", "commit", "by", "at"], kind="release")
    else:
        talk("nothing was released yet")


@click.command("status", cls=Verb)
@click.pass_obj
def status(settings: Settings) -> None:
    """Show what is live, what waits, and how it does: API, Lambda's metrics, DynamoDB."""
    found = open_engine(settings).status()
    settings.events.close()
    if settings.json:
        put({"event": "status", **found.to_json()})
        return
    if not found.deployed:
        talk(f"{found.environment}: nothing is deployed yet: penstock deploy -e {found.environment}")
        return
    _show(settings, found)


def _show(settings: Settings, found: Status) -> None:
    say(f"{found.environment}  {found.url or ''}".rstrip())
    if found.holder:
        talk(f"! {found.holder}")
    if not found.stage_agrees:
        talk("! the live stage does not serve what the pointer says; the next deploy, switch or rollback repairs it")
    table(
        settings,
        [
            {
                "slot": slot.slot,
                "traffic": "live" if slot.live else "candidate" if slot.candidate else "",
                "release": slot.release or "empty",
                "commit": slot.commit[:10],
                "author": slot.author,
                "created": slot.created,
            }
            for slot in found.slots
        ],
        columns=["slot", "traffic", "release", "commit", "author", "created"],
        kind="slot",
    )
    _section(settings, "API", [_route(name, answer) for name, answer in found.routes.items()])
    _section(settings, "Lambda, last hour", [{"function": name, **_fields(h)} for name, h in found.functions.items()])
    _section(settings, "DynamoDB", [{"table": name, **_fields(health)} for name, health in found.tables.items()])


def _route(name: str, answer: Any) -> Mapping[str, Any]:
    verdict = "ok" if answer.status < UNHEALTHY else "FAILS"
    return {"route": name, "answer": answer.status, "health": verdict, "ms": round(answer.seconds * 1000)}


def _fields(health: Any) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return {name: "-" if value is None else value for name, value in asdict(health).items()}


def _section(settings: Settings, title: str, rows: list[Mapping[str, Any]]) -> None:
    if rows:
        say(f"\n{title}")
        table(settings, rows, columns=list(rows[0]), kind="")
