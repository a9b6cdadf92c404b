"""Provisioned concurrency follows traffic: the slot that gets some is warm before, and the one that had it gives back.

It belongs to an alias, so it is the engine's and not Terraform's, which knows no slots. Lambda refuses it for an alias
with weights: a function that HTTP callers or its peers reach keeps its slots warm, whose aliases never have any; one
that only events reach keeps `live` warm, and moves all at once (`moves_at_once`).

`warm.json` says which aliases may be warm, and is written before any is: what is warm without use costs money, and
must be found again after a crash and after the configuration has forgotten it.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault
from penstock.model.release import LIVE_ALIAS, Pointer
from penstock.operations.callers import moves_at_once
from penstock.operations.pointer import read_pointer
from penstock.operations.steps import step, warn
from penstock.operations.summary import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.operations.session import Session
    from penstock.operations.world import World

KEY = "warm.json"
PARALLEL = 8
LOOK, PATIENCE = 2.0, 900.0
"""Seconds between two looks, and until it is given up: Lambda starts up to 6,000 environments a minute
(https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html)."""
SHORTEST = 0.1

Warm = tuple[str, str]
"""A function's physical name and an alias."""


def warm(world: World, session: Session, *, waits: bool = True) -> bool:
    """Keep the idle slot warm, which is about to get traffic; whether it is. Waits for that, unless told otherwise.

    Raises RemoteFault when Lambda cannot, Locked when the environment is not ours any more.
    """
    counts = {
        function.physical: count
        for function in world.workspace.functions
        if (count := function.concurrency.provisioned) is not None and not moves_at_once(function)
    }
    if not counts:
        return True
    slot = (read_pointer(world) or Pointer()).idle
    wanted: Mapping[Warm, int] = {(name, slot): count for name, count in counts.items()}
    with step(world, f"warm slot {slot}") as handle:
        _remember(session, _remembered(world) | wanted.keys())
        _provision(world, session, wanted)
        is_warm = _wait(world, wanted, PATIENCE if waits else 0.0)
        said = f"{counted(sum(wanted.values()), 'environment')} of {counted(len(wanted), 'function')}"
        handle.detail = said if is_warm else f"{said} to come"
    if waits and not is_warm:
        raise RemoteFault(f"slot {slot} is not warm after {PATIENCE:.0f} s", hint="run the command again")
    return is_warm


def follow(world: World, session: Session, *, forgotten: bool = False) -> None:
    """After traffic has moved or come back: the live slot is warm, and nothing else.

    It does not wait for it, and a refusal is only told: traffic is where it belongs. With `forgotten`, what the
    configuration does not keep warm any more is found as well, which takes a look into the bucket. Raises Locked when
    the environment is not ours any more: whoever has it may have moved traffic since.
    """
    live = (read_pointer(world) or Pointer()).live
    wanted = {
        (function.physical, LIVE_ALIAS if moves_at_once(function) else live): count
        for function in world.workspace.functions
        if (count := function.concurrency.provisioned) is not None
    }
    if not wanted and not forgotten:
        return
    before = _remembered(world)
    if not wanted and not before:
        return
    try:
        _remember(session, before | wanted.keys())
        _provision(world, session, wanted)
        session.hold()
        for name, alias in sorted(before - wanted.keys()):
            session.keep()
            world.functions.unprovision(name, alias)
        _remember(session, wanted.keys())
    except RemoteFault as fault:
        warn(world, f"provisioned concurrency does not follow traffic: {fault.what}")


def _provision(world: World, session: Session, wanted: Mapping[Warm, int]) -> None:
    def one(item: tuple[Warm, int]) -> None:
        (name, alias), count = item
        found = world.functions.provisioned(name, alias)
        if found is None or found.requested != count or found.status == "FAILED":
            session.keep()
            world.functions.provision(name, alias, count)

    session.hold()
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        list(pool.map(one, sorted(wanted.items())))


def _wait(world: World, wanted: Iterable[Warm], patience: float) -> bool:
    deadline = world.clock.monotonic() + patience
    pause = SHORTEST
    left = sorted(wanted)
    while left:
        name, alias = left[0]
        found = world.functions.provisioned(name, alias)
        if found is not None and found.status == "READY":
            left = left[1:]
            continue
        if found is None or found.status == "FAILED":
            reason = found.reason if found else "somebody took it away"
            raise RemoteFault(f"it cannot be kept warm: {reason}", where=f"{name}:{alias}", hint="lower provisioned")
        if world.clock.monotonic() >= deadline:
            return False
        world.clock.sleep(pause)
        pause = min(2 * pause, LOOK)
    return True


def _remembered(world: World) -> set[Warm]:
    stored = world.objects.get(KEY)
    return {(name, alias) for name, alias in json.loads(stored.body)} if stored else set()


def _remember(session: Session, warmed: Iterable[Warm]) -> None:
    body = json.dumps(sorted(warmed)).encode()
    session.rewrite(KEY, lambda _before: body)
