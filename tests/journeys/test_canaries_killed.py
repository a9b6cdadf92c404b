"""Canaries whose drivers die or stand still at any effect, those of the promotion as well, several in a row.

Soaks of a part that is another one each time, or that PENSTOCK_SOAK_PART names, since all of it takes a day;
`test_rollouts.py` has three points in every run, and the fakes a third.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from journeys.canaries import LOCKED, busy, stale
from journeys.shop import until, well
from journeys.trouble import Watch, left_over, mark, marked
from samples import soak

if TYPE_CHECKING:
    import subprocess

    from journeys.shop import Shop

PARTS = 40
PART = "PENSTOCK_SOAK_PART"
FAULT, RECORD = "PENSTOCK_TESTING_FAULT", "PENSTOCK_TESTING_RECORD"
FIRST = "recorded"
"""The mark of the release that is live when a part begins."""


def points(shop: Shop, folder: Path) -> list[str]:
    """A part of all points of a canary that is promoted."""
    part = int(os.environ.get(PART, random.randrange(PARTS)))  # noqa: S311 - a sample, no secret
    record = folder / "effects.jsonl"
    mark(shop, FIRST)
    with busy(shop):
        well(shop.deploy(env={RECORD: str(record)}))
    effects = range(len(record.read_text().splitlines()))
    return [f"{number}:{when}" for number in effects for when in ("before", "after")][part::PARTS]


def not_whole(shop: Shop, *marks: str) -> list[str]:
    """What is wrong when nobody is at work any more; one of these releases is to be live, and all of it."""
    found = left_over(shop)
    found += [] if (live := marked(shop)) in marks else [f"{live} is live"]
    verified = shop.run("audit", "-e", "dev", "--verify")
    return [*found, *([] if verified.status == 0 else [f"the ledger: {verified}"])]


@soak
def test_drivers_killed_anywhere_one_after_the_other_leave_whole_releases_only(quick: Shop, tmp_path: Path) -> None:
    begun, live, problems, killed = points(quick, tmp_path), FIRST, list[str](), 0
    for number, point in enumerate(begun):
        text, deaths = f"killed-{number}", (point, *random.sample(begun, min(2, len(begun))))
        mark(quick, text)
        with Watch(quick) as watch, busy(quick) as customers:
            ended = [quick.deploy(env={FAULT: death}) for death in deaths]
            end = ("abort", "deploy")[number % 2]
            well(quick.run(end, "-e", "dev"))
        told = f"{deaths}, then {end}"
        # A walk that looked less often than the one that was recorded is over before its last points.
        killed += ended[0].status == -signal.SIGKILL
        problems += [f"{told}: {one}" for one in ended if one.status not in {0, -signal.SIGKILL}]
        problems += [f"{told}: {seen}" for seen in set(watch.answers) - {live, text}]
        problems += [f"{told}: {failed}" for failed in customers.failed]
        problems += [f"{told}: {what}" for what in not_whole(quick, live, text)]
        live = marked(quick)
    assert problems == []
    assert killed > len(begun) / 2
    assert quick.plan_status() == 0


def is_stopped(process: subprocess.Popen[str]) -> bool:
    """Whether it stands still, as Linux tells it: proc(5), the state in /proc/PID/stat."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@soak
def test_drivers_that_stood_still_anywhere_past_their_lease_leave_whole_releases_only(
    quick: Shop, tmp_path: Path
) -> None:
    begun, live, problems, stopped = points(quick, tmp_path), FIRST, list[str](), 0
    for number, point in enumerate(begun):
        text = f"stopped-{number}"
        mark(quick, text)
        with Watch(quick) as watch, busy(quick) as customers:
            driver = quick.start("deploy", "-e", "dev", env={FAULT: f"{point}:stop"})
            until(lambda: driver.poll() is not None or is_stopped(driver), "it stands still", within=300)  # noqa: B023
            if driver.poll() is None:
                stopped += 1
                stale(quick)
                well(quick.run("abort", "-e", "dev", "--why", "its laptop is closed"))
                os.kill(driver.pid, signal.SIGCONT)
            _, said = driver.communicate(timeout=300)
        # Before it has the lease nothing is lost: it goes on, and so does who had done all when it stood still.
        problems += [f"{point}: {driver.returncode}, {said}"] if driver.returncode not in {0, LOCKED} else []
        problems += [f"{point}: {seen}" for seen in set(watch.answers) - {live, text}]
        problems += [f"{point}: {failed}" for failed in customers.failed]
        problems += [f"{point}: {what}" for what in not_whole(quick, live, text)]
        live = marked(quick)
    assert problems == []
    assert stopped > len(begun) / 2
    assert quick.plan_status() == 0
