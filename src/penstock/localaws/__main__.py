"""``python -m penstock.localaws``: the embedded AWS as a process of its own."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.localaws.clock import Clock, opened
from penstock.localaws.settings import DEFAULT_CONCURRENCY, DEFAULT_PORT, DEFAULT_REGION, HOST, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST = 3600.0
"""An hour a second; also the longest delay of CloudWatch's metrics."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check port and folder, serve. Returns the exit code: 0 stopped, 1 could not start."""
    settings = _settings(arguments)
    problem = _port_problem(settings) or _folder_problem(settings)
    if problem is None:
        lock = _lock(settings.state)
        if lock is None:
            problem = f"{settings.state} is in use by another embedded AWS; stop that one or give another --state"
        else:
            # Not before the folder is ours.
            settings = replace(settings, clock=opened(settings.state, settings.clock.scale))
    if problem is not None:
        print(f"penstock.localaws: {problem}", file=sys.stderr)  # noqa: T201 - a program's last words
        return 1
    from penstock.localaws.server import serve  # noqa: PLC0415 - imports ministack; only once we may start

    return serve(settings)


def _settings(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m penstock.localaws", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PENSTOCK_LOCAL_PORT", DEFAULT_PORT)))
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--region", default=DEFAULT_REGION)
    parser.add_argument(
        "--interpreter", action="append", default=[], metavar="RUNTIME=PATH", help="e.g. python3.13=/usr/bin/python3.13"
    )
    parser.add_argument("--node", default=shutil.which("node"))
    parser.add_argument("--node-sdk", type=Path, help="folder with node_modules/@aws-sdk")
    parser.add_argument(
        "--time-scale",
        type=_at_least(1.0),
        default=os.environ.get("PENSTOCK_LOCAL_TIME_SCALE") or "1",
        metavar="N",
        help="seconds that pass in CloudWatch (metrics, alarms, log events) while one passes here",
    )
    parser.add_argument(
        "--metrics-delay",
        type=_at_least(0.0),
        default=os.environ.get("PENSTOCK_LOCAL_METRICS_DELAY") or "0",
        metavar="SECONDS",
        help="of CloudWatch's time, until a data point can be read",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        help="executions at once that an account may have in a region",
    )
    parser.add_argument(
        "--rehearsal",
        action="store_true",
        default=os.environ.get("PENSTOCK_LOCAL_REHEARSAL") == "1",
        help="let calls be made to fail on request, see docs/rehearse.md",
    )
    options = parser.parse_args(arguments)
    interpreters = {}
    for given in options.interpreter:
        runtime, separator, path = str(given).partition("=")
        if not separator or not Path(path).exists():
            parser.error(f"--interpreter takes RUNTIME=PATH of a program that exists, not {given!r}")
        interpreters[runtime] = path
    return Settings(
        port=options.port,
        state=options.state.absolute(),
        region=options.region,
        interpreters=interpreters,
        node=options.node,
        node_sdk=options.node_sdk,
        home=Path.home(),
        clock=Clock(scale=options.time_scale),
        metrics_delay=options.metrics_delay,
        rehearsal=options.rehearsal,
        concurrency=options.concurrency,
    )


def _at_least(least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= _MOST:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:g} and {_MOST:g}")
        return value

    return number


def _port_problem(settings: Settings) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"port {settings.port} on {HOST} is taken by another program; "
                    "stop it, or choose another port with --port or PENSTOCK_LOCAL_PORT"
                )
            return f"port {settings.port} on {HOST} cannot be opened: {error.strerror}; choose another with --port"
    return None


def _folder_problem(settings: Settings) -> str | None:
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"the folder {settings.state} cannot be made: {error.strerror}; give another with --state"
    if not os.access(settings.state, os.W_OK):
        return f"the folder {settings.state} cannot be written; give another with --state"
    return None


def _lock(state: Path) -> int | None:
    """Hold the folder for as long as the process lives; None when another process does."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


if __name__ == "__main__":
    sys.exit(main())
