"""Reading the weight again and again while a rollout is under way, within Lambda's control-plane rate.

HTTP traffic takes two calls of API Gateway, however many services share it; those who call the alias `live` take one
of Lambda each. So all of them are read once when a driver begins and after each move, and a few in turn in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.operations.engine import glance
from penstock.operations.pace import Pace
from penstock.release.share import sharing, weight

if TYPE_CHECKING:
    from penstock.operations.world import World

AT_ONCE = 25
"""Aliases that are read at a look between two moves. Looks come every five seconds, so it is a third of what Lambda
allows, and whoever moves an alias of 200 by hand is found out within a minute."""


class Looks:
    """What one driver reads of the weight."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pace = Pace(world.clock)
        self._sharing: tuple[str, ...] | None = None
        self._turn = 0

    def weight(self, release: str, callers: frozenset[str]) -> int:
        """The percent of traffic that the release gets; `callers` are all functions that share by their alias `live`.

        Raises RemoteFault when it cannot be read.
        """
        asked = callers if self._sharing is None else self._some(self._sharing)
        observed = glance(self._world, asked, self._pace)
        if self._sharing is None:
            self._sharing = sharing(observed, callers)
        return weight(observed, release, asked)

    def moved(self) -> None:
        """Traffic was moved, or may have been: all callers are to be read again."""
        self._sharing = None

    def _some(self, names: tuple[str, ...]) -> frozenset[str]:
        if len(names) <= AT_ONCE:
            return frozenset(names)
        begin = self._turn % len(names)
        self._turn += AT_ONCE
        return frozenset((*names, *names)[begin : begin + AT_ONCE])
