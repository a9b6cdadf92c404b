"""Options and last words that verbs which ship have in common."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click

from penstock.cli.output import put, say, talk
from penstock.cli.settings import Settings, service_names
from penstock.model.errors import PenstockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.operations.switch import Moved
    from penstock.operations.wanted import Deployed

_WAITS = "Wait so long (10m, 90s) while somebody else changes the environment; else exit 4 at once."

Decorated = TypeVar("Decorated", bound="Callable[..., object]")


def complete_service(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of services that begin so, for the shell."""
    try:
        return [name for name in service_names(ctx.ensure_object(Settings).root) if name.startswith(incomplete)]
    except PenstockError:
        return []


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    from penstock.workspace.durations import seconds  # noqa: PLC0415 - only with the option

    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(f'"{value}" is not a duration; write one such as 90s, 5m or 1h') from error


service_option = click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_service,
    help="Only this service; may be given several times.",
)


def lock_timeout_option(default: str = "0s", meaning: str = _WAITS) -> Callable[[Decorated], Decorated]:
    """How long to wait for somebody else, `default` unless told."""
    return click.option(
        "--lock-timeout",
        callback=_seconds,
        default=default,
        metavar="DURATION",
        show_default=default != "0s",
        help=meaning,
    )


def show_end(settings: Settings, reached: Deployed | Moved) -> None:
    """The last words on standard error, and the URL on standard output."""
    settings.events.close()
    if settings.json:
        put({"event": "result", **asdict(reached)})
        return
    if reached.changed:
        from penstock.cli.render.end import last_words  # noqa: PLC0415 - not for those who read JSON

        # On a terminal the URL of standard output follows at once.
        talk(last_words(reached, time.monotonic() - settings.began, with_url=not sys.stdout.isatty()))
    if reached.url:
        say(reached.url)
