"""The entry point. `--help` and `--version` are answered before anything slow is loaded."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress

INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""


def main() -> int:
    """Run the command line; the exit code."""
    # A command is over before what it leaves behind weighs anything, and what would be looked through, time and again,
    # are the modules that it loads: some 10 ms of each.
    gc.set_threshold(50_000)
    arguments = sys.argv[1:]
    if "_PENSTOCK_COMPLETE" not in os.environ:
        if arguments in ([], ["--help"], ["-h"], ["help"]):
            return _say(_overview())
        if arguments == ["--version"]:
            from penstock import __version__  # noqa: PLC0415

            return _say(f"penstock {__version__}")
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    status = INTERRUPTED
    try:
        from penstock.cli.run import run  # noqa: PLC0415 - click is not needed for what is answered above

        status = run(arguments)
    except KeyboardInterrupt:  # while modules are loaded, or one more when everything has been said
        pass
    # A Ctrl-C from here on has nothing left to interrupt. Only what is ignored stays so while the interpreter ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads any more
            stream.flush()
    # At once: an interpreter that takes a thousand modules apart needs 0.1 s for it, and threads that were interrupted
    # may still wait for an answer.
    os._exit(status)


def _overview() -> str:
    from penstock.cli.catalogue import overview  # noqa: PLC0415

    return overview(bold=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))


def _say(text: str) -> int:
    try:
        print(text, flush=True)  # noqa: T201 - this is the output
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
