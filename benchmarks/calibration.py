"""False rollbacks through the whole product: releases without a regression, shipped by canaries of the shop.

    uv run python benchmarks/calibration.py [--rollouts 30] [--abreast N] [--every 0.1] [--results FILE]

Command line, real Terraform, embedded AWS, callers over HTTP; only CloudWatch's clock runs faster, which is said. Three
shops, each in an embedded AWS of its own, in which a release and what runs beside it fail alike: never; in
3 % of all calls; in 0.5 %, and for half of each minute of ours in 3 %, so that shared errors jump while a canary is on
its way. `--every` sets the pace of the callers; what they reached is a column, in calls per minute of CloudWatch's.
`--abreast` says how many of the shops ship at a time, as many as there are processors: with more it is the latency of a
full machine that is judged.
Goal: at most alpha (1 %) of the rollouts go back, as far as so many can tell: the exact one-sided bound of 95 %
(Clopper and Pearson) is printed beside the share. The goal is missed when even its lower end lies above alpha; a share
above alpha that so few rollouts may show by chance is told as open.

Releases that were undecided at their deadline count neither for nor against that, and are told in the same line: a
healthy release that is not promoted is a failure of another kind. A shop that ends with a fault, so that releases are
missing, fails the run whatever the others have shown.

With `--results` each rollout is a line of JSON in that file, and what is there already counts: 200 rollouts take about
an hour and can be collected in several runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from deploy import Shop, copy, stop
from measure import aligned, machine
from rollout import APP, CAME_BACK, CANARY, EVERY, HOOK, INCONCLUSIVE, PROMOTED, SCALE, Callers, ship

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ALPHA = 0.01
CONFIDENCE = 0.95
SHARED = {
    "no errors": "0.0",
    "3 % errors on both sides": "0.03",
    "0.5 % errors on both sides, then 3 %": "0.03 if __import__('time').time() % 60 < 30 else 0.005",
}
"""What the code of both releases fails with, as Python."""
FAILING = (
    "    if event['requestContext']['stage'] == 'live' and __import__('random').random() < ({share}):\n"
    "        raise RuntimeError('what both sides do')\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """One release without a regression: how it ended (exit code), seconds, requests meanwhile."""

    shared: str
    status: int
    seconds: float
    requests: int
    every: float = EVERY
    """Seconds between two requests of one caller."""
    abreast: int = len(SHARED)
    """Shops that shipped at a time; all of them, before that was asked."""
    why: str = ""
    canary: tuple[int, int] = (0, 0)
    stable: tuple[int, int] = (0, 0)
    """Calls, and bad ones, that the judge has counted on either side."""


def main() -> int:
    """Measure, print; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=30, help="releases to ship now, in all")
    parser.add_argument("--abreast", type=int, default=os.cpu_count() or 1, help="shops that ship at a time")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two requests of one caller")
    parser.add_argument("--results", type=Path, help="where each is written down, and earlier ones are read")
    options = parser.parse_args()
    if options.abreast < 1:
        parser.error("--abreast is at least 1")
    print(f"begun: {machine()}\n", flush=True)
    shipped = [Shipped(**json.loads(line)) for line in _lines(options.results)]
    collected, broken = collect(options.rollouts, options.results, options.every, options.abreast)
    missed = show([*shipped, *collected])
    for why in broken:
        print(f"BROKEN: {why}")
    if len(collected) != options.rollouts:
        print(f"BROKEN: {options.rollouts - len(collected)} of {options.rollouts} releases never ended")
    print(f"\nended: {machine()}")
    return int(missed or bool(broken) or len(collected) != options.rollouts)


def collect(rollouts: int, results: Path | None, every: float, abreast: int) -> tuple[list[Shipped], list[str]]:
    """Ship so many releases, `abreast` of the shops at a time; how they ended, and why shops stopped before that."""
    found: list[Shipped] = []
    broken: list[str] = []
    lock = threading.Lock()
    turns = threading.Semaphore(abreast)

    def told(one: Shipped) -> None:
        with lock:
            found.append(one)
            if results is not None:
                with results.open("a") as file:
                    file.write(json.dumps(asdict(one)) + "\n")
            print(
                f"{len(found)}/{rollouts}: {one.shared}: {one.status} after {one.seconds:.0f} s {one.why}",
                file=sys.stderr,
            )

    def shop_of(shared: str, count: int) -> None:
        try:
            _shop(shared, count, (every, abreast), turns, told)
        except BaseException as fault:  # of a thread, Python tells nobody when it is SystemExit
            broken.append(f"{shared}: {type(fault).__name__}: {fault}")
            raise

    each = [rollouts // len(SHARED) + (at < rollouts % len(SHARED)) for at in range(len(SHARED))]
    shops = [
        threading.Thread(target=shop_of, args=(shared, count))
        for shared, count in zip(SHARED, each, strict=True)
        if count
    ]
    for shop in shops:
        shop.start()
    for shop in shops:
        shop.join()
    return found, broken


def show(shipped: Sequence[Shipped]) -> bool:
    """Print the table; whether more went back than alpha allows, as far as so many can tell."""
    head = (
        "releases without a regression",
        "abreast",
        "calls/min",
        "shipped",
        "promoted",
        "rolled back",
        "undecided",
        "median",
    )
    lines: list[Sequence[str]] = [(*head, "rolled back at most (95 %)")]
    paces = sorted({(one.every, one.abreast) for one in shipped})
    cases = [(shared, pace) for pace in paces for shared in SHARED]
    for shared, pace in (*cases, ("", (0.0, 0))):
        these = [one for one in shipped if not shared or (one.shared, (one.every, one.abreast)) == (shared, pace)]
        if not these:
            continue
        ended = Counter(one.status for one in these)
        lines.append(
            (
                shared or "all",
                str(pace[1] or ""),
                f"{median(one.requests / one.seconds * 60 / SCALE for one in these):.0f}",
                str(len(these)),
                str(ended[PROMOTED]),
                str(ended[CAME_BACK]),
                str(ended[INCONCLUSIVE]),
                f"{median(one.seconds for one in these):.0f} s",
                f"{_upper(ended[CAME_BACK], len(these)):.1%}",
            )
        )
    print(aligned(lines))
    back, requests = sum(one.status == CAME_BACK for one in shipped), sum(one.requests for one in shipped)
    print(f"\none of CloudWatch's minutes in {60 / SCALE:g} s; {requests:,} requests by callers meanwhile")
    is_missed = bool(shipped) and _at_least(back, len(shipped), ALPHA) < 1 - CONFIDENCE
    share = back / max(len(shipped), 1)
    verdict = "MISSED" if is_missed else "met" if share <= ALPHA else "open, too few to tell"
    undecided = sum(one.status == INCONCLUSIVE for one in shipped)
    print(
        f"rolled back: {back} of {len(shipped)} ({share:.1%}), goal at most {ALPHA:.0%}: {verdict}; "
        f"undecided at the deadline, so not promoted though healthy: {undecided} of {len(shipped)}"
    )
    return is_missed


def _shop(
    shared: str, count: int, pace: tuple[float, int], turns: threading.Semaphore, told: Callable[[Shipped], None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = copy(Path(folder))
        shop.environ = {**shop.environ, "PENSTOCK_LOCAL_TIME_SCALE": str(SCALE)}
        config = shop.root / "penstock.toml"
        config.write_text(config.read_text() + CANARY)
        app = shop.root / APP
        app.write_text(app.read_text().replace(HOOK, HOOK + FAILING.format(share=SHARED[shared])))
        try:
            with turns:
                shop.penstock("deploy", "-e", "dev", "--auto-approve")
            for _ in range(count):
                with turns:
                    shipped = _one(shop, shared, *pace)
                told(shipped)
        finally:
            stop(shop)


def _one(shop: Shop, shared: str, every: float, abreast: int) -> Shipped:
    shop.edit("user_service")
    began = time.perf_counter()
    with Callers(shop.port, every=every) as customers:
        ended = ship(shop)
    seconds = round(time.perf_counter() - began, 1)
    return Shipped(
        shared=shared,
        every=every,
        abreast=abreast,
        status=ended.status,
        seconds=seconds,
        requests=customers.statuses.total(),
        why=ended.why,
        canary=ended.canary,
        stable=ended.stable,
    )


def _lines(results: Path | None) -> Iterable[str]:
    return results.read_text().splitlines() if results is not None and results.exists() else ()


def _at_least(back: int, of: int, share: float) -> float:
    """How probable so many or more are at that share."""
    return sum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(back, of + 1))


def _upper(back: int, of: int) -> float:
    """The greatest share at which so few or fewer are not surprising: Clopper and Pearson's bound, one-sided."""
    low, high = back / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if 1 - _at_least(back + 1, of, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


if __name__ == "__main__":
    sys.exit(main())
