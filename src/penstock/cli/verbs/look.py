"""The verbs that look: status, releases, explain."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, say, table, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.cli.settings import Settings
    from penstock.operations.status import RolloutStatus, RouteStatus, SlotStatus, Status
    from penstock.ports import FunctionHealth, TableHealth

SHORT_COMMIT = 10
"""Characters."""
WATCH_EVERY = 1.0
"""Seconds between two looks at a rollout: one small object of the bucket."""
UNITS = {"p95": "p95 ms"}
"""Figures that say nothing without their unit."""


@click.command("explain", cls=Verb)
@click.argument("key")
@click.pass_obj
def explain(settings: Settings, key: str) -> None:
    """Say where a setting's value comes from.

    KEY is a path such as user_service.memory: the value, the file and line that decided it, and what it overrode.
    """
    from penstock.workspace.explain import explain as look_up  # noqa: PLC0415 - pydantic

    engine = in_environment(settings)
    found = look_up(engine.source, key, engine.environment)
    if settings.json:
        put({"event": "explanation", **asdict(found)})
    else:
        say(f"{found.key} in {found.environment} is {_toml(found.value)}")
        origins = [
            {
                "where": origin.where,
                "table": f"[{origin.table}]" if origin.table else "",
                "value": _toml(origin.value),
                "note": "overridden" if origin.shadowed else "",
            }
            for origin in found.origins
        ]
        table(settings, origins, columns=["where", "table", "value", "note"], kind="origin")


@click.command("releases", cls=Verb)
@click.pass_obj
def releases(settings: Settings) -> None:
    """List the releases, newest first.

    By their promotion; those that were never promoted come last. Says which is live, which waits, and which were rolled
    back.
    """
    rows = [asdict(line) for line in in_environment(settings).releases()]
    if not settings.json:
        rows = [row | {"commit": _commit(row["commit"])} for row in rows]
    if rows or settings.json:
        table(settings, rows, columns=["release", "state", "slot", "promoted", "by", "commit"], kind="release")
    else:
        talk("nothing was released yet")


@click.command("status", cls=Verb)
@click.option("--watch", is_flag=True, help="Follow the rollout under way until it has ended.")
@click.pass_obj
def status(settings: Settings, watch: bool) -> None:
    """Show what is live, what waits, and how it does.

    The slots, the rollout under way, the health routes of the API, Lambda's metrics of the last hour, and the
    DynamoDB tables.
    """
    if watch:
        _follow(settings)
        return
    found = in_environment(settings).status()
    settings.events.close()
    if settings.json:
        put({"event": "status", **found.to_json()})
        return
    if not found.deployed:
        if found.holder:
            talk(f"{found.environment}: no release has traffic yet\n! {found.holder}")
        else:
            talk(f"{found.environment}: nothing is deployed yet: penstock deploy -e {found.environment}")
        if found.failure:
            talk(f"! {found.failure}")
        return
    _show(settings, found)


def _follow(settings: Settings) -> None:
    """A line for each thing that is new about the rollout, as it comes."""
    penstock = in_environment(settings)
    told = None
    while (now := penstock.rollout()) is not None:
        if now != told:
            if settings.json:
                put({"event": "rollout", **asdict(now)})
            else:
                say(_rollout(now))
            told = now
        time.sleep(WATCH_EVERY)
    settings.events.close()
    if told is None:
        talk(f"no rollout is under way in {penstock.environment}")
        return
    last = penstock.rollout(ended=True)
    if last is None or last.release != told.release or last.outcome is None:
        talk(f"it has ended: penstock releases -e {penstock.environment}")
    elif settings.json:
        put({"event": "rollout", **asdict(last)})
    elif last.outcome == "promoted":
        talk(f"release {last.release} was promoted: all traffic goes to it")
    else:
        talk(f"release {last.release} went back: {last.reverting or 'its driver was gone'}")


def _rollout(rollout: RolloutStatus) -> str:
    what = rollout.reverting and f"goes back: {rollout.reverting}"
    what = what or (rollout.held and f"held: {rollout.held}") or rollout.step
    lines = [f"{rollout.verdict.lower()}: {rollout.sentence}", *(f"traffic check: {one}" for one in rollout.traffic)]
    driver = " (driven in the account)" if rollout.detached else ""
    return "\n      ".join([f"{rollout.weight:>3} % to {rollout.release}{driver}: {what}", *lines])


def _toml(value: Any) -> str:
    """A value as it would stand in a TOML file: its inline tables and JSON's differ in the `=` alone."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }" if value else "{}"
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case None:
            return "not set"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _show(settings: Settings, found: Status) -> None:
    say(f"{found.environment}  {found.url or ''}".rstrip())
    if found.holder:
        talk(f"! {found.holder}")
    if found.failure:
        talk(f"! {found.failure}")
    if found.rollout:
        talk(_rollout(found.rollout))
    if found.kept:
        talk(found.kept)
    for slot in found.slots:
        if slot.candidate and not found.rollout:
            name = found.environment
            talk(f"! {slot.release} waits in {slot.slot}: penstock switch -e {name}, or penstock abort -e {name}")
    if not found.agrees:
        talk("! the live stage serves something else than the pointer says; the next deploy or rollback repairs it")
    table(
        settings,
        [
            {
                "slot": slot.slot,
                "traffic": _traffic(slot),
                "release": slot.release or "empty",
                "commit": _commit(slot.commit),
                "author": slot.author,
                "created": slot.created,
            }
            for slot in found.slots
        ],
        columns=["slot", "traffic", "release", "commit", "author", "created"],
        kind="slot",
    )
    _section(settings, "API", [_route(route) for route in found.routes])
    _section(settings, "Lambda, last hour", [{"function": name, **_fields(h)} for name, h in found.functions.items()])
    _section(settings, "DynamoDB", [{"table": name, **_fields(health)} for name, health in found.tables.items()])


def _commit(commit: str) -> str:
    """As git shortens it; that there was more than the commit is never cut off."""
    hashed, _, changes = commit.partition("+")
    return hashed[:SHORT_COMMIT] + (f"+{changes}" if changes else "")


def _traffic(slot: SlotStatus) -> str:
    if slot.live:
        return "live"
    return "candidate" if slot.candidate else "failed verification" if slot.failed else ""


def _route(route: RouteStatus) -> Mapping[str, Any]:
    verdict = "ok" if route.ok else "FAILS"
    return {"route": route.route, "answer": route.status, "health": verdict, "ms": round(route.seconds * 1000)}


def _fields(health: FunctionHealth | TableHealth) -> dict[str, Any]:
    return {
        UNITS.get(name, name): "-" if value is None else round(value) if isinstance(value, float) else value
        for name, value in asdict(health).items()
    }


def _section(settings: Settings, title: str, rows: list[Mapping[str, Any]]) -> None:
    if rows:
        say(f"\n{title}")
        table(settings, rows, columns=list(rows[0]), kind="")
