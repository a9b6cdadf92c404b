"""How long it takes to load a workspace, beside a lower bound: `tomllib` parsing the same files.

    uv run python benchmarks/workspace.py

Targets: the shop in 30 ms once everything is imported, 120 ms with imports when nothing changed since it was last
found sound; 1,000 services in 1.5 s.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.workspace_files import read_source
from penstock.adapters.workspace_memory import load_remembered
from penstock.workspace.load import load
from penstock.workspace.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

SHOP = Path(__file__).parents[1] / "examples" / "shop"
PROGRAM = """
import sys; from pathlib import Path
from penstock.adapters.workspace_files import read_source
from penstock.adapters.workspace_memory import load_remembered
load_remembered(read_source(Path(sys.argv[1])), "dev", Path(sys.argv[2]))
"""
SERVICE = """\
handler = "app.main.handler"
routes = ["GET /s{n}", "POST /s{n}", "GET /s{n}/{{id}}"]
health = "GET /s{n}/health"
[tables.t{n}]
key = {{ id = "S" }}
indexes = {{ by_mail = {{ mail = "S" }} }}
[uses]
tables = {{ t{peer} = "read" }}
[environments.production]
memory = 1024
"""
ENVIRONMENTS = ("dev", "staging", "production")


def main() -> None:
    """Print one line for each measurement."""
    shop = read_source(SHOP)
    large = thousand()
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "sound"
        load_remembered(shop, "dev", memory)
        line("shop: tomllib alone (lower bound)", floor := best(lambda: parse(shop)), floor, None)
        line("shop: read and load", best(lambda: load(read_source(SHOP), "dev")), floor, 0.030)
        line(
            "shop: read and load, remembered",
            best(lambda: load_remembered(read_source(SHOP), "dev", memory)),
            floor,
            0.030,
        )
        bare = best(lambda: run("pass"))
        line("python that does nothing", bare, bare, None)
        unknown = best(lambda: run(PROGRAM, str(SHOP), "/dev/null/none"), 5)
        line("shop: process with imports, first time", unknown - bare, bare, None)
        line(
            "shop: process with imports, remembered",
            best(lambda: run(PROGRAM, str(SHOP), str(memory))) - bare,
            bare,
            0.120,
        )
    line("1,000 services: tomllib alone (lower bound)", floor := best(lambda: parse(large), 3), floor, None)
    line("1,000 services: load, 3 environments checked", best(lambda: load(large, "production"), 3), floor, 1.5)
    line("1,000 services: load, known to be sound", best(lambda: load(large, "production", sound=True), 3), floor, 1.5)


def thousand() -> Source:
    """A workspace of 1,000 services, three environments, a table each, in memory."""
    files: dict[str, str | bytes] = {
        f"services/s{n}/service.toml": SERVICE.format(n=n, peer=(n + 1) % 1000) for n in range(1000)
    }
    tables = "".join(f'[environments.{name}]\nendpoint = "local"\naccount = "111111111111"\n' for name in ENVIRONMENTS)
    files["penstock.toml"] = f'[workspace]\nname = "large"\nservices = ["services/*"]\n{tables}'
    return Source(
        root_name="large",
        files=files,
        listing=frozenset((*files, *(f"services/s{n}/app/main.py" for n in range(1000)))),
    )


def parse(source: Source) -> None:
    """What nobody who reads these files can do without."""
    for path, raw in source.files.items():
        if path.endswith(".toml"):
            tomllib.loads(raw if isinstance(raw, str) else raw.decode())


def run(program: str, *arguments: str) -> None:
    """A fresh interpreter."""
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)


def best(action: Callable[[], object], rounds: int = 10) -> float:
    """Seconds of the fastest of so many rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def line(what: str, seconds: float, floor: float, target: float | None) -> None:
    """One measurement, its ratio to the lower bound, and whether it meets its target."""
    verdict = "" if target is None else f"   target {target * 1000:.0f} ms: {'met' if seconds <= target else 'MISSED'}"
    print(f"{what:48} {seconds * 1000:8.1f} ms   {seconds / floor:5.1f} x{verdict}")


if __name__ == "__main__":
    main()
