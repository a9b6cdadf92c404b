"""`penstock why`, `affected`, `size`, `cache`: what a build depends on, what it weighs, what it keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_first_environment
from penstock.cli.group import Verb, VerbGroup
from penstock.cli.output import put, say, table, talk
from penstock.cli.render.sink import size as in_words
from penstock.operations.summary import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.build.changes import InputChange
    from penstock.build.weight import Weight
    from penstock.cli.settings import Settings

_MEBIBYTE = 1024**2


@click.command("why", cls=Verb)
@click.argument("service")
@click.pass_obj
def why(settings: Settings, service: str) -> None:
    """Say which inputs of a service changed since its last build.

    Builds nothing. When nothing changed, it says what made the last build differ from the one before.
    """
    for reason in in_first_environment(settings).why((service,)):
        if settings.json:
            put({"event": "reason", **asdict(reason)})
            continue
        if reason.state == "never":
            say(f"{reason.unit} was not built here yet")
        elif reason.state == "stale":
            say(f"{reason.unit} will be built: {len(reason.changes)} of its inputs changed")
        else:
            since = "; its last build differed from the one before by" if reason.changes else ""
            say(f"{reason.unit} is up to date{since}")
        for change in reason.changes:
            say(f"  {change.what:9}{change.input}{_values(change)}")


def _values(change: InputChange) -> str:
    if change.before and change.now:
        return f" {change.before} → {change.now}"
    value = change.before or change.now
    return f" {value}" if value else ""


@click.command("affected", cls=Verb)
@click.option("--since", metavar="REF", required=True, help="A commit, branch or tag of git to compare with.")
@click.pass_obj
def affected(settings: Settings, since: str) -> None:
    """Name the services that changes since a commit touch.

    From the graph, without building: their sources, the packages they reach, their part of the lock. Compared is with
    the commit where this branch left REF. Changes that are not committed count, and so do untracked and deleted files.
    """
    found = in_first_environment(settings).affected(since)
    for service in sorted(found):
        if settings.json:
            put({"event": "affected", "service": service, "files": list(found[service])})
        else:
            say(service)
    if not found and not settings.json:
        talk(f"no service is touched by what changed since {since}")


@click.command("size", cls=Verb)
@click.argument("service")
@click.option("--depth", type=click.IntRange(min=1), default=2, show_default=True, help="How many folders deep.")
@click.pass_obj
def size(settings: Settings, service: str, depth: int) -> None:
    """Show what weighs what in a service's ZIP.

    Builds it first when it is not up to date. Sizes are those in the ZIP, and those on the function's disk.
    """
    for artifact, weights in in_first_environment(settings).weigh(service, depth):
        settings.events.close()
        if settings.json:
            for one in weights:
                about = asdict(one)
                sizes = {"zipped": about.pop("packed"), "unzipped": about.pop("unpacked")}
                put({"event": "weight", "unit": artifact.unit, **sizes, **about})
            continue
        rows = [
            {
                "path": f"{branch}{_name(one, artifact.unit)}",
                "zipped": in_words(one.packed),
                "share": f"{one.packed / max(weights[0].packed, 1):.0%}",
                "unzipped": in_words(one.unpacked),
                "files": one.files,
            }
            for one, branch in zip(weights, _branches([one.depth for one in weights]), strict=True)
        ]
        columns = ["path", "zipped", "share", "unzipped", "files"]
        table(settings, rows, columns=columns, kind="weight", numbers=columns[1:])


def _name(one: Weight, whole: str) -> str:
    return f"… {one.others} lighter" if one.others else one.path.rpartition("/")[2] or whole


def _branches(depths: Sequence[int]) -> list[str]:
    """What stands before each line of a tree, from how deep each is."""
    found: list[str] = []
    goes_on: set[int] = set()
    for depth in reversed(depths):  # from below: whether a branch goes on is known by what comes after
        bars = "".join("│  " if level in goes_on else "   " for level in range(1, depth))
        found.append(f"{bars}{'├─ ' if depth in goes_on else '└─ '}" if depth else "")
        goes_on = {level for level in goes_on if level < depth} | {depth}
    return found[::-1]


@click.group("cache", cls=VerbGroup)
def cache() -> None:
    """Look at the build cache, or make room in it."""


@cache.command("info", cls=Verb)
@click.pass_obj
def info(settings: Settings) -> None:
    """Say where the build cache is and what it holds."""
    found = in_first_environment(settings).builder.room()
    if settings.json:
        put({"event": "cache", **asdict(found)})
        return
    say(f"{found.folder}")
    held = f"{counted(found.artifacts, 'artifact')} and {counted(found.parts, 'part')} of them"
    say(f"{held}: {in_words(found.size)} of the {in_words(found.limit)} that a build leaves")
    say(f"records, tools and the rest: {in_words(found.other)}")


@cache.command("prune", cls=Verb)
@click.option("--limit", type=click.IntRange(min=0), metavar="MB", help="How much may stay; else 4096.")
@click.pass_obj
def prune(settings: Settings, limit: int | None) -> None:
    """Delete what was used least recently from the build cache.

    What was used within the last hour stays, because another build may be about to read it.
    """
    found = in_first_environment(settings).builder.make_room(None if limit is None else limit * _MEBIBYTE)
    if settings.json:
        put({"event": "cache-pruned", **asdict(found)})
        return
    if found.deleted:
        talk(f"{found.deleted} deleted, {in_words(found.freed)} freed")
    if found.left > found.limit:
        talk(f"{in_words(found.left)} stay: all of it was used within the last hour")
    elif not found.deleted:
        talk(f"nothing to do: what is there fits, {in_words(found.left)} of {in_words(found.limit)}")
