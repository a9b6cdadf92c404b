"""How long the command line takes to say its help, beside AWS SAM's: what every command pays before it begins.

    uv run python benchmarks/cli.py [--sam PATH]

Without `--sam` the one on the path is taken, else a pinned one is installed into a scratch environment that is kept
for the next run. Goals: `penstock --help` in 0.1 s; SAM takes at least 6 times as long.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PENSTOCK, Table, machine, run, times

SAM_PINNED = "1.170.0"
GOAL, RATIO = 0.1, 6


def main() -> int:
    """Measure, print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sam", type=Path)
    options = parser.parse_args()
    sam = options.sam or _sam()
    run([PENSTOCK, "--help"])
    bare, ours = times(
        options.rounds,
        lambda: run([sys.executable, "-c", "pass"]).seconds,
        lambda: run([PENSTOCK, "--help"]).seconds,
    )
    table = Table("command line")
    table.add("python that does nothing (floor)", bare)
    table.add("penstock --help", ours, at_most=GOAL)
    if sam is None:
        print("sam is not on the path and could not be installed: nothing to compare with")
    else:
        # Without telemetry, so that neither waits for a network.
        quiet = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
        run([sam, "build", "--help"], env=quiet)
        again, theirs = times(
            max(3, options.rounds // 3),
            lambda: run([PENSTOCK, "--help"]).seconds,
            lambda: run([sam, "build", "--help"], env=quiet).seconds,
        )
        table.add("sam build --help", theirs, beside=again, at_least=RATIO)
        print(f"beside {run([sam, '--version']).stdout.strip()}")
    print(machine())
    print()
    table.show()
    return int(bool(table.missed))


def _sam() -> Path | None:
    found = shutil.which("sam")
    if found:
        return Path(found)
    place = Path(tempfile.gettempdir()) / f"penstock-benchmarks-sam-{SAM_PINNED}"
    program = place / "bin" / "sam"
    if program.exists():
        return program
    uv, python = Path(sys.executable).parent / "uv", place / "bin" / "python"
    print(f"installing aws-sam-cli {SAM_PINNED} into {place} …", file=sys.stderr)
    try:
        subprocess.run([uv, "venv", "-q", "--clear", place], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, f"aws-sam-cli=={SAM_PINNED}"], check=True)
    except subprocess.CalledProcessError:
        return None
    return program


if __name__ == "__main__":
    sys.exit(main())
