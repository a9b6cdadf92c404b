"""Reading the weight again and again while a rollout is under way, within Lambda's control-plane rate.

HTTP traffic takes two calls of API Gateway, however many services share it; those who call the alias `live` take one
of Lambda each. So all of them are read once when a driver begins and after each move, and a few in turn in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.release import Pointer
from penstock.operations.engine import glance
from penstock.operations.pointer import read_pointer
from penstock.release.share import sharing, weight
from penstock.rollout.strategies import ALL

if TYPE_CHECKING:
    from penstock.operations.session import Session
    from penstock.operations.world import World

AT_ONCE = 25
"""Aliases that are read at a look between two moves. Looks come every five seconds, so it is a third of what Lambda
allows, and whoever moves an alias of 200 by hand is found out within a minute."""


class Looks:
    """What one driver reads of the weight."""

    def __init__(self, world: World, session: Session) -> None:
        self._world = world
        self._session = session
        self._sharing: tuple[str, ...] | None = None
        self._turn = 0

    def weight(self, release: str, callers: frozenset[str]) -> int:
        """The percent of traffic that the release gets; `callers` are all functions that share by their alias `live`.

        Raises RemoteFault when it cannot be read.
        """
        if (read_pointer(self._world) or Pointer()).live_release == release:
            return ALL  # whoever calls `live` follows the pointer, and is not to be asked
        if self._sharing is not None:
            self._session.forget()  # what is seen now is newer, if of some only
            asked = self._some(self._sharing)
            return weight(glance(self._world, asked, self._session.reading), release, asked)
        observed = self._session.glance(callers)
        self._sharing = sharing(observed, callers)
        return weight(observed, release, callers)

    def moved(self) -> None:
        """Traffic was moved, or may have been: all callers are to be read again."""
        self._sharing = None
        self._session.forget()

    def _some(self, names: tuple[str, ...]) -> frozenset[str]:
        if len(names) <= AT_ONCE:
            return frozenset(names)
        begin = self._turn % len(names)
        self._turn += AT_ONCE
        return frozenset((*names, *names)[begin : begin + AT_ONCE])
