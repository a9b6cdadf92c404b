"""Requests of our own, for a rollout that has too few others: sent by whoever drives it, and only while it drives.

They go through the live stage like anybody's, so that the weight decides who answers, and bear a header by which
services and access logs can tell them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault
from penstock.model.rollouts import Request
from penstock.release.observed import LIVE_STAGE

if TYPE_CHECKING:
    from penstock.operations.world import World
    from penstock.rollout.state import Rollout

HEADER = "x-penstock-synthetic"
"""Its value is the rollout's id."""
AGENT = "penstock-synthetic"
MINUTE = 60.0


def wanted(world: World, changed: tuple[str, ...]) -> tuple[Request, ...]:
    """What is asked: what the configuration says, or else the health routes of the services that changed."""
    configured = world.workspace.environment.synthetic.requests
    if configured:
        return configured
    functions = (function for function in world.workspace.functions if function.service in changed)
    return tuple(Request(function.health.method, function.health.path) for function in functions if function.health)


def ask(world: World, rollout: Rollout, seconds: float) -> int:
    """Ask at the configured rate for so many seconds of the metrics' clock; how many requests that were.

    Whatever is answered, or not, is for the judge, who sees it in the metrics.
    """
    clock = world.traffic_clock
    requests = wanted(world, rollout.changed)
    api = world.gateway.find(world.workspace.api_name) if requests else None
    if api is None:
        clock.sleep(seconds)
        return 0
    count = max(round(world.workspace.environment.synthetic.rate * seconds / MINUTE), 1)
    began = clock.now()
    turn = int(began)  # another one each time: a look may be too short for all of them
    for number in range(count):
        clock.sleep(max(began + number * seconds / count - clock.now(), 0.0))
        request = requests[(turn + number) % len(requests)]
        headers = {**request.headers, HEADER: rollout.id, "user-agent": AGENT}
        try:
            world.gateway.call(api, LIVE_STAGE, request.method, request.path, headers=headers, body=request.body)
        except RemoteFault:
            continue
    clock.sleep(max(began + seconds - clock.now(), 0.0))
    return count
