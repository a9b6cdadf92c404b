"""Runs one command line: click underneath, every ending turned into an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from penstock.cli.errors import InternalError, as_penstock_error, error_text, seen_from
from penstock.cli.group import penstock
from penstock.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.errors import PenstockError

COMPLETE = "_PENSTOCK_COMPLETE"
"""Set by a shell that asks for completions."""

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports of any program whose reader went away."""


def run(arguments: Sequence[str], settings: Settings | None = None) -> int:
    """Run the verb; the exit code. Nothing is raised."""
    settings = settings or Settings()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(arguments, settings)
    except KeyboardInterrupt as again:  # one more, before the first had been answered
        return _failed(again, settings)


def _run(arguments: Sequence[str], settings: Settings) -> int:
    try:
        if COMPLETE in settings.environ:
            penstock.main(args=list(arguments), prog_name="penstock", complete_var=COMPLETE, obj=settings)
        # Not `main()`: it swallows broken pipes and writes about interrupts before we can.
        with penstock.make_context("penstock", list(arguments), obj=settings) as context:
            result = penstock.invoke(context)
        settings.events.close()
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except BrokenPipeError:
        # Nobody reads any more. The interpreter would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the top: no traceback reaches a person unasked
        return _failed(error, settings)
    return result if isinstance(result, int) else 0


def _failed(error: BaseException, settings: Settings) -> int:
    told: PenstockError = as_penstock_error(error)
    # What is said now is said whole, however often Ctrl-C is pressed.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _say(error, told, settings)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return told.exit_code


def _say(error: BaseException, told: PenstockError, settings: Settings) -> None:
    settings.events.close()
    settings.events.fail(told)
    if settings.verbosity > 1:
        traceback.print_exception(error, file=sys.stderr)
    elif isinstance(told, InternalError) and settings.verbosity:
        sys.stderr.write(f"raised in {_place(error)}\n")
    if "root" in vars(settings):  # else no workspace was looked for
        told = seen_from(told, settings.root, Path.cwd().resolve())
    text = error_text(told)
    if sys.stderr.isatty() and settings.color:
        text = f"\033[31m{text}\033[0m"
    # Nobody may read any more.
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


def _terminated(_number: int, _frame: object) -> NoReturn:
    # As Ctrl-C: what has begun is brought to a named state before we go.
    raise KeyboardInterrupt
