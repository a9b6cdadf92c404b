"""`penstock local …`: the embedded AWS of this machine."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_workspace
from penstock.cli.group import Verb, VerbGroup
from penstock.cli.output import put, say, talk
from penstock.cli.render.sink import size

if TYPE_CHECKING:
    from penstock.cli.settings import Settings
    from penstock.ports import Interpreters, LocalStatus

FOLLOW_EVERY = 0.2
"""Seconds between two looks at a growing log."""


@click.group("local", cls=VerbGroup)
def local() -> None:
    """Start, stop, look at, snapshot the AWS of this machine.

    It listens on 127.0.0.1 only, and is started by itself when a verb needs it. PENSTOCK_LOCAL_PORT (default 4747)
    says where.
    """


@local.command(cls=Verb)
@click.pass_obj
def start(settings: Settings) -> None:
    """Start it unless it runs, and wait until it answers."""
    engine = in_workspace(settings)
    show(settings, engine.local_aws.start(), engine.interpreters)


@local.command(cls=Verb)
@click.pass_obj
def stop(settings: Settings) -> None:
    """Stop it; its state stays."""
    stopped = in_workspace(settings).local_aws.stop()
    if settings.json:
        put({"event": "local-stopped", "was_running": stopped})
    else:
        talk("stopped; its state stays in .penstock/local" if stopped else "nothing to do: it did not run")


@local.command(cls=Verb)
@click.pass_obj
def status(settings: Settings) -> None:
    """Say whether it runs, where, and with which interpreters. Exits 1 when it is down."""
    engine = in_workspace(settings)
    found = engine.local_aws.status()
    show(settings, found, engine.interpreters)
    if found.pid is None:
        raise click.exceptions.Exit(1)


@local.command(cls=Verb)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many to print.")
@click.pass_obj
def logs(settings: Settings, follow: bool, lines: int) -> None:
    """Print its log: the program's own, not that of the functions."""
    path = in_workspace(settings).local_aws.log()
    if not path.exists():
        talk(f"nothing to show: no log yet in {path}")
        return
    with path.open(errors="replace") as log:
        said = log.readlines()
        sys.stdout.writelines(said[-lines:] if lines else [])
        sys.stdout.flush()
        while follow:
            more = log.read()
            if more:
                sys.stdout.write(more)
                sys.stdout.flush()
            time.sleep(FOLLOW_EVERY)


@local.command(cls=Verb)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(settings: Settings, yes: bool) -> None:
    """Forget the state of all accounts in it: everything deployed is gone. Snapshots stay."""
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError("this forgets everything that is deployed in the embedded AWS: add --yes")
        click.confirm("Forget everything that is deployed in the embedded AWS?", abort=True, err=True)
    in_workspace(settings).local_aws.reset()
    _done(settings, "local-reset", "all accounts are empty")


@local.command(cls=Verb)
@click.argument("name", required=False)
@click.pass_obj
def snapshot(settings: Settings, name: str | None) -> None:
    """Keep the whole state under NAME; without one, list what is kept."""
    aws = in_workspace(settings).local_aws
    if name is None:
        for kept in aws.snapshots():
            if settings.json:
                put({"event": "local-snapshot", "name": kept})
            else:
                say(kept)
        return
    aws.snapshot(name)
    _done(settings, "local-snapshot", f"kept as {name}: penstock local restore {name}", name=name)


@local.command(cls=Verb)
@click.argument("name")
@click.pass_obj
def restore(settings: Settings, name: str) -> None:
    """Go back to the state kept under NAME."""
    in_workspace(settings).local_aws.restore(name)
    _done(settings, "local-restored", f"everything is as it was at {name}", name=name)


def _done(settings: Settings, event: str, text: str, **data: str) -> None:
    if settings.json:
        put({"event": event, **data})
    else:
        talk(text)


def show(settings: Settings, found: LocalStatus, at_hand: Interpreters) -> None:
    """The state for people, or as JSON."""
    running = found.pid is not None
    if settings.json:
        put(
            {
                "event": "local-status",
                "running": running,
                "url": found.url,
                "pid": found.pid,
                "state": str(found.state),
                "memory": found.memory,
                "interpreters": dict(found.interpreters),
                "time_scale": found.time_scale,
                "metrics_delay": found.metrics_delay,
            }
        )
        return
    if not running:
        talk("down; any verb that needs it starts it, and so does: penstock local start")
        return
    memory = f", {size(found.memory)}" if found.memory else ""
    say(found.url)
    talk(f"running (pid {found.pid}{memory}), state in {found.state}")
    if found.time_scale != 1.0:
        talk(f"  CloudWatch's clock runs {found.time_scale:g} times as fast as yours (PENSTOCK_LOCAL_TIME_SCALE)")
    if found.metrics_delay:
        talk(f"  CloudWatch's metrics appear after {found.metrics_delay:g} s (PENSTOCK_LOCAL_METRICS_DELAY)")
    for runtime, path in sorted(found.interpreters.items()):
        talk(f"  {runtime}: {path}{_stand_in(runtime, path, at_hand)}")


def _stand_in(runtime: str, path: str, at_hand: Interpreters) -> str:
    """What the program really is, when it is not of the runtime's own version."""
    from penstock.build.targets import choose  # noqa: PLC0415 - only where somebody looks

    choice = choose(runtime, at_hand)
    if choice.runtime == runtime or str(choice.program) != path:
        return ""
    return f"   (stands in for it: {choice.runtime} is the nearest at hand)"
