"""Builds of generated monorepos, each beside what cannot be avoided, and beside SAM where it is here.

    uv run python benchmarks/build.py [--sizes 10 50] [--rounds 3] [--keep FOLDER]
        [--sam PROGRAM [--sam-size 50]] [--serverless PROGRAM]

Every build is a process of its own, timed from inside, after its imports, from opening the workspace to the last
artifact; downloads are warm. The lower bounds take turns with it: for a cold build one uv installation per locked set,
one esbuild process for all entries, with the source maps that a build keeps, and the compression of what they made
(what `uv export` says of the lock is there already; our own cold build asks it within its time); for one that has
nothing to do, listing, `stat`, reading and SHA-256 of all inputs, by a fresh process as well. SAM:
`uv tool install aws-sam-cli`; with fewer services than 50 its ratios are those of the smaller workload. Both build for
the Python that runs this. Serverless: see serverless.py. Exits 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import Table, machine, run_with_its_own
from sam import build_all
from serverless import package_all
from workload import PYTHON, Workload, make, users_of_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OWN = {".penstock", "node_modules", ".aws-sam"}
LOOKS = 3
"""Builds with nothing to do in a round, besides the first: they take no time."""
TURNS = 3
"""Rounds beside a peer that takes seconds; one that takes minutes has one."""
SDK = ("--prune", "boto3", "--prune", "botocore", "--prune", "s3transfer")


IMPORTED = (
    "penstock.adapters.builder",
    "penstock.adapters.commands_told",
    "penstock.adapters.interpreters",
    "penstock.adapters.workspace_files",
    "penstock.adapters.workspace_memory",
    "penstock.adapters.workspace_opened",
    "penstock.build.targets",
    "penstock.workspace.load",
    "deflate",
)
"""What a build with nothing to do loads: not measured, because it depends on whether bytecode is there."""


def main() -> int:
    """Measure, print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 50])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the workloads here, for the next time")
    parser.add_argument("--sam", default=shutil.which("sam"), help="SAM's program")
    parser.add_argument("--sam-size", type=int, default=50, help="services that SAM builds")
    parser.add_argument("--serverless", help="the program of the Serverless Framework, version 3")
    parser.add_argument("--once", nargs=2, metavar=("FOLDER", "clean|cached|look"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        root, what = Path(asked.once[0]), asked.once[1]
        print(json.dumps(look(root) if what == "look" else once(root, clean=what == "clean")))
        return 0
    print(f"begun: {machine()}")
    table = Table("builds")
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        medians = {
            count: of_size(table, make(folder / f"n{count}", count), count, asked.rounds) for count in asked.sizes
        }
        growth(table, medians)
        if asked.serverless:
            beside_serverless(table, make(folder / "n50", 50), asked.serverless)
        if asked.sam:
            beside_sam(table, folder, asked.sam_size, asked.sam)
        else:
            print("SAM is not here (--sam): uv tool install aws-sam-cli")
    print(f"ended: {machine()}\n")
    table.show()
    return 1 if table.missed else 0


def growth(table: Table, medians: Mapping[int, tuple[float, float]]) -> None:
    """How a cold build and one with nothing to do grow from the smallest workload to the biggest, beside its size."""
    few, many = min(medians, default=0), max(medians, default=0)
    if few == many:
        return
    name, more = f"from N={few} to N={many}: ", many / few
    for what, before, after in zip(("cold", "nothing to do"), medians[few], medians[many], strict=True):
        table.add(f"{name}{what}, times as long", after / before, unit="x", at_most=more if few >= 50 else None)  # noqa: PLR2004


def of_size(table: Table, load: Workload, count: int, rounds: int) -> tuple[float, float]:
    """All scenarios for one workload; seconds of a cold build and of one that has nothing to do."""
    goals = count == 50  # noqa: PLR2004 - the size that the goals speak of
    most = 250 if goals else None
    cold, raw, node_raw, first, idle, looked, floor, one, shared = ([] for _ in range(9))
    peak = 0.0
    build(load)  # that node_modules fit the lock is found out once
    together = build(load, clean=True, watched=True)["together"]
    for turn in range(rounds):
        built = build(load, clean=True)
        cold.append(built["seconds"])
        peak = max(peak, built["peak"])
        seconds, node_seconds = lower_bound(load)
        raw.append(seconds)
        node_raw.append(node_seconds)
        build(load)
        first.append(build(load)["seconds"])
        for _ in range(LOOKS):
            unchanged = build(load)
            idle.append(unchanged["seconds"])
            looked.append(unchanged["seconds"] - unchanged["loading"])
            floor.append(looked_at(load))
        edit(load.source(load.services[turn % 2 * len(load.python)]), f"{time.time_ns()}")
        changed = build(load)
        assert len(changed["made"]) == 1, changed
        one.append(changed["seconds"])
        edit(load.root / "packages/lib0/src/lib0/words.py", f"{time.time_ns()}")
        changed = build(load)
        assert set(changed["made"]) == users_of_first(load), "stale, or rebuilt for nothing"
        shared.append(changed["seconds"])
    raw_row = middle(raw)
    table.add(f"{named(count)}one uv installation per set, one esbuild, compression", raw_row)
    table.add(f"{named(count)}cold", middle(cold), at_most=4 if goals else None)
    table.add("  times the lower bound", middle(cold) / raw_row, unit="x", at_most=2.2 if goals else None)
    bound = middle(floor)
    table.add(f"{named(count)}list, stat, read, SHA-256 of the inputs", bound)
    limits = {50: 0.1, 1000: 0.2}
    table.add(f"{named(count)}nothing to do", middle(idle), at_most=limits.get(count))
    table.add("  times the lower bound", middle(idle) / bound, unit="x", at_most=2 if count in limits else None)
    table.add("  of that looking at the inputs, the workspace opened", middle(looked))
    table.add("  times the lower bound", middle(looked) / bound, unit="x")
    table.add("  the first after a build, what it wrote still on its way to the disk", middle(first))
    table.add(f"{named(count)}one service changed", middle(one), at_most=0.4 if goals else None)
    table.add(f"{named(count)}a shared package of 20 % changed", middle(shared), at_most=1 if goals else None)
    table.add(f"{named(count)}peak memory, of it and all that it starts together", together, unit="MB", at_most=most)
    table.add("  its own", peak, unit="MB")
    only_node(table, load, count, rounds)
    return middle(cold), middle(idle)


def only_node(table: Table, load: Workload, count: int, rounds: int) -> None:
    """The TypeScript half, alone."""
    taken, bounds = [], []
    for _ in range(rounds):
        taken.append(build(load, clean=True, names=load.node)["seconds"])
        bounds.append(bundle_all(load))
    goals = count == 50  # noqa: PLR2004
    table.add(f"{named(count)}one esbuild process for the TypeScript half", middle(bounds))
    table.add(f"{named(count)}TypeScript half, cold", middle(taken), at_most=0.6 if goals else None)
    table.add("  times the lower bound", middle(taken) / middle(bounds), unit="x", at_most=2.5 if goals else None)


def beside_serverless(table: Table, load: Workload, program: str) -> None:
    """The TypeScript half beside the Serverless Framework's, in turns."""
    build(load)
    ours, theirs, version = [], [], ""
    for _ in range(TURNS):
        ours.append(build(load, clean=True, names=load.node)["seconds"])
        version, seconds = package_all(load, program)
        theirs.append(seconds)
    mine = middle(ours)
    table.add(f"TypeScript half of {len(load.services)}, cold, whole process not counted", mine)
    table.add(f"{version}: package, esbuild plugin", middle(theirs), beside=mine, at_least=5)


def beside_sam(table: Table, folder: Path, count: int, sam: str) -> None:
    """Every scenario beside SAM's, one round, since its own take minutes; then ZIPs without boto3 in the lock."""
    load = make(folder / f"n{count}", count)
    build(load)
    together = build(load, clean=True, watched=True)["together"]
    cold = build(load, clean=True)
    build(load)
    idle = build(load)
    edit(load.source(load.python[0]), f"{time.time_ns()}")
    one = build(load)
    edit(load.root / "packages/lib0/src/lib0/words.py", f"{time.time_ns()}")
    shared = build(load)
    theirs = build_all(load, sam)
    name = f"N={count}: "
    table.add(f"{name}cold", cold["seconds"])
    table.add(f"  {theirs.version}", theirs.cold, beside=cold["seconds"], at_least=40)
    table.add(f"{name}nothing to do", idle["seconds"])
    table.add("  SAM", theirs.idle, beside=idle["seconds"])
    table.add(f"{name}one service changed", one["seconds"])
    table.add("  SAM", theirs.one, beside=one["seconds"], at_least=140)
    table.add(f"{name}a shared package of two fifths of the Python services changed", shared["seconds"])
    table.add("  SAM, whose copies of it were edited", theirs.shared, beside=shared["seconds"])
    table.add(f"{name}peak memory, of it and all that it starts together", together, unit="MB")
    table.add("  SAM's", theirs.peak, unit="MB")
    table.add("  ours, as a share of SAM's", together / theirs.peak, unit="x", at_most=0.25)
    sizes(table, "with boto3 in the lock", (cold["sizes"], theirs.sizes), load.python, 0.21)
    few = make(folder / "n4-without", 4, node=False, sdk=False)
    mine = build(few, clean=True)["sizes"]
    sizes(table, "without boto3", (mine, build_all(few, sam).sizes), few.python, 0.98)


def sizes(
    table: Table, what: str, both: tuple[dict[str, int], Mapping[str, int]], names: Iterable[str], goal: float
) -> None:
    """ZIPs of Python services beside SAM's."""
    ours, theirs = (sum(one[name] for name in names) / 2**20 for one in both)
    table.add(f"ZIPs {what}: of all Python services", ours, unit="MB")
    table.add("  SAM's", theirs, unit="MB")
    table.add("  ours, as a share of SAM's", ours / theirs, unit="x", at_most=goal)


def named(count: int) -> str:
    """How rows begin."""
    return f"N={count}: "


def build(load: Workload, *, clean: bool = False, names: tuple[str, ...] = (), watched: bool = False) -> dict[str, Any]:
    """One build in a fresh process: seconds, what it made, MB of memory; `watched`, also of all that it starts."""
    argv = [sys.executable, __file__, "--once", str(load.root), "clean" if clean else "cached"]
    ran = run_with_its_own(argv, env={**os.environ, "BUILD_ONLY": " ".join(names)}, watched=watched)
    return {**json.loads(ran.stdout), "together": ran.peak}


def once(root: Path, *, clean: bool) -> dict[str, Any]:
    """What `build` runs."""
    # Imports are not what is measured.
    for module in IMPORTED:
        importlib.import_module(module)
    gc.set_threshold(50_000)  # as the command line does
    from penstock.api import Penstock  # noqa: PLC0415
    from penstock.testing.events import RecordedEvents  # noqa: PLC0415

    names = os.environ.get("BUILD_ONLY", "").split()
    if clean:
        forget(root / ".penstock/cache")
    began = time.perf_counter()
    engine = Penstock.open(root, "dev", events=RecordedEvents(), environ=os.environ)
    engine.workspace  # noqa: B018 - loads it
    loaded = time.perf_counter()
    made = engine.build(names or ("services",))
    ended = time.perf_counter()
    return {
        "seconds": ended - began,
        "loading": loaded - began,
        "made": [artifact.unit for artifact in made if not artifact.cached],
        "digests": {artifact.unit: artifact.digest for artifact in made},
        "sizes": {artifact.unit: artifact.size for artifact in made},
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def forget(cache: Path) -> None:
    """Leave nothing but the note that node_modules fit their lock: they are installed in all that is measured here.

    Of what builds have made there are source maps besides.
    """
    shutil.rmtree(cache.with_name("source-maps"), ignore_errors=True)
    notes = "index/node-modules"
    for version in cache.glob("v*"):
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            if (version / notes).exists():
                shutil.move(version / notes, aside)
            shutil.rmtree(version)
            if (Path(aside) / "node-modules").exists():
                shutil.move(Path(aside) / "node-modules", version / notes)


def lower_bound(load: Workload) -> tuple[float, float]:
    """Seconds for the whole cold build by hand, and those of its esbuild alone."""
    esbuild = bundle_all(load)
    with tempfile.TemporaryDirectory(dir=load.root) as scratch:
        site = Path(scratch) / "site"
        listing = Path(scratch) / "requirements.txt"
        export = ["uv", "export", "--quiet", "--locked", "--package", load.python[0], "--no-emit-local", "--offline"]
        text = subprocess.run([*export, *SDK], cwd=load.root, check=True, capture_output=True, text=True).stdout
        listing.write_text(text)
        began = time.perf_counter()
        install = ["uv", "pip", "install", "--quiet", "--target", str(site), "--requirement", str(listing), "--offline"]
        install += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28", "--no-deps"]
        subprocess.run([*install, "--only-binary", ":all:"], check=True)
        compress(path for path in site.rglob("*") if path.is_file())
        return esbuild + time.perf_counter() - began, esbuild


def bundle_all(load: Workload) -> float:
    """Seconds of one esbuild process for all entries."""
    with tempfile.TemporaryDirectory() as scratch:
        argv = [
            str(load.root / "node_modules/.bin/esbuild"),
            *(str(load.source(name)) for name in load.node),
            "--bundle",
        ]
        argv += ["--minify", "--platform=node", "--target=node22", "--format=esm", "--external:@aws-sdk/*"]
        argv += ["--sourcemap=external"]
        began = time.perf_counter()
        subprocess.run([*argv, f"--outdir={scratch}", "--log-level=error"], cwd=load.root, check=True)
        compress(Path(scratch).rglob("*.js"))
        return time.perf_counter() - began


def compress(files: Iterable[Path]) -> None:
    """What a ZIP needs, by all cores."""
    from penstock.build.archive import pack  # noqa: PLC0415

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(lambda path: pack("x", path.read_bytes()), files):
            pass


def look(root: Path) -> float:
    """Seconds to list, stat, read and hash everything that a build may depend on."""
    began = time.perf_counter()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in OWN]
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118 - the bound is to be low
            os.stat(path)  # noqa: PTH116
            with open(path, "rb") as file:  # noqa: PTH123
                hashlib.sha256(file.read()).digest()
    return time.perf_counter() - began


def looked_at(load: Workload) -> float:
    """`look` in a fresh process."""
    argv = [sys.executable, __file__, "--once", str(load.root), "look"]
    return float(subprocess.run(argv, check=True, capture_output=True).stdout)


def edit(path: Path, mark: str) -> None:
    """Change a source file so that its artifact changes."""
    text = path.read_text().split("\n// edit", maxsplit=1)[0].split("\n# edit", maxsplit=1)[0].rstrip()
    tail = f"\n// edit\nexport const edited = '{mark}';\n" if path.suffix == ".ts" else f"\n# edit {mark}\n"
    path.write_text(text + tail)


def middle(values: list[float]) -> float:
    """The median."""
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
