"""The entry point. `--help` and `--version` are answered before anything slow is loaded."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; the exit code."""
    arguments = sys.argv[1:]
    if "_PENSTOCK_COMPLETE" not in os.environ:
        if arguments in ([], ["--help"], ["-h"], ["help"]):
            return _say(_overview())
        if arguments == ["--version"]:
            from penstock import __version__  # noqa: PLC0415

            return _say(f"penstock {__version__}")
    from penstock.cli.run import run  # noqa: PLC0415 - click is not needed for what is answered above

    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    return run(arguments)


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
