"""Which releases were promoted and which were rolled back: `releases/history.json` in the environment's bucket.

Written under the lease, by `Session.book`. A move of traffic is noted here before it begins and cleared when its checks
have passed, so that whoever comes after a crash knows what was meant: the promotion or rollback is booked when the
pointer says that traffic has moved, never before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.model.release import Pointer
    from penstock.ports import ObjectStore

KEY = "releases/history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One release's time in the light. Times are ISO 8601, UTC."""

    release: str
    at: str
    by: str
    rolled_back: bool = False
    run: str = ""
    """Id of the run of the command that moved traffic."""
    by_rollback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move of traffic that has begun and was not yet found well. `rollback` says that `origin` is found bad.

    `by` began it, in the run of that id, of which the ledger tells, and `why` is the reason of one that goes back.
    `reached` is the first function, by physical name,
    whose `live` had no time to follow yet, of those that nobody calls by it; empty as long as nobody has stopped there.
    """

    origin: str | None
    target: str
    rollback: bool
    by: str = field(default="", compare=False)
    run: str = field(default="", compare=False)
    why: str = field(default="", compare=False)
    reached: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class History:
    """All promotions, oldest first, and the move that is under way, or was left behind by a crash."""

    promotions: tuple[Promotion, ...] = ()
    move: Move | None = None
    failed: frozenset[str] = frozenset()
    """Releases whose last verification failed."""
    came_back: frozenset[str] = frozenset()
    """Releases that had a share of the traffic and lost it."""

    @property
    def latest(self) -> Promotion | None:
        """The last promotion, rolled back or not."""
        return self.promotions[-1] if self.promotions else None

    def has_booked(self, live: str | None) -> bool:
        """Whether the arrival of traffic at this release, None before the first, is booked."""
        return live == (self.latest.release if self.latest else None)

    def beginning(self, move: Move) -> History:
        """The history just before traffic moves."""
        return replace(self, move=move)

    def reaching(self, function: str) -> History:
        """The history after the move under way has stopped before this function."""
        return replace(self, move=replace(self.move, reached=function)) if self.move is not None else self

    def settled(self) -> History:
        """The history after a move was found well, or given up."""
        return replace(self, move=None)

    def arrived(self, live: str, *, at: str, by: str, run: str = "") -> History:
        """The history now that this release is live; itself when that is booked already."""
        if self.has_booked(live):
            return self
        move = self.move
        by_rollback = bool(move and move.rollback and move.target == live)
        marked = self.rolled_back(move.origin) if move and move.origin and by_rollback else self
        arrival = Promotion(release=live, at=at, by=by, run=run, by_rollback=by_rollback)
        return replace(marked.verified(live), promotions=(*marked.promotions, arrival))

    def rolled_back(self, release: str) -> History:
        """The history after the latest promotion of this release was found bad."""
        index = max((i for i, p in enumerate(self.promotions) if p.release == release), default=None)
        if index is None:
            return self
        marked = replace(self.promotions[index], rolled_back=True)
        return replace(self, promotions=(*self.promotions[:index], marked, *self.promotions[index + 1 :]))

    def refuted(self, release: str) -> History:
        """The history after the release failed its verification."""
        return replace(self, failed=self.failed | {release})

    def returned(self, release: str) -> History:
        """The history after the release's share of the traffic went back."""
        return replace(self, came_back=self.came_back | {release})

    def verified(self, release: str) -> History:
        """The history after the release passed it."""
        return replace(self, failed=self.failed - {release})

    def rollback_target(self, live: str | None) -> str | None:
        """The last promoted release other than the live one that was not rolled back afterwards."""
        bad = self.bad()
        for promotion in reversed(self.promotions):
            if promotion.release != live and promotion.release not in bad:
                return promotion.release
        return None

    def way_back(self, pointer: Pointer) -> tuple[str, str] | None:
        """The release with all traffic that was not found well yet, or is to go; and where to, if traffic can still go.

        Its promotion has moved the pointer and has not ended, or its way back has not moved it yet: the process died,
        or AWS refused.
        """
        move = self.move
        if move is None or move.origin is None:
            return None
        way = (move.origin, move.target) if move.rollback else (move.target, move.origin)
        return way if way == (pointer.live_release, pointer.slot(pointer.idle).release) else None

    def way_back_to_end(self, pointer: Pointer) -> tuple[str, str] | None:
        """The same once the pointer has moved back: who follows it may not have, and nobody has said that it ended."""
        move = self.move
        if move is None or move.origin is None or not move.rollback or pointer.live_release != move.target:
            return None
        return (move.origin, move.target)

    def rests_on(self, live: str | None) -> bool:
        """Whether the last move of traffic has ended, and with this release: no alias is on its way anywhere."""
        return self.move is None and live is not None and self.has_booked(live)

    def is_promoting(self, live: str | None) -> bool:
        """Whether all traffic is on its way to this release, which the pointer names."""
        return self.move is not None and not self.move.rollback and self.move.target == live

    def is_taking_back(self, release: str, previous: str) -> bool:
        """Whether all traffic is on its way back from the release to the one before, or AWS refused a part of that."""
        return self.move == Move(origin=release, target=previous, rollback=True)

    def was_well(self, release: str) -> bool:
        """Whether the release was promoted, and not rolled back since."""
        return any(p.release == release for p in self.promotions) and release not in self.bad()

    def bad(self) -> frozenset[str]:
        """Releases whose latest promotion ended in a rollback."""
        latest: dict[str, bool] = {p.release: p.rolled_back for p in self.promotions}
        return frozenset(release for release, rolled_back in latest.items() if rolled_back)


def read_history(objects: ObjectStore) -> History:
    """The history as it is in the bucket; empty before the first release."""
    stored = objects.get(KEY)
    return from_body(stored.body if stored else None)


def from_body(body: bytes | None) -> History:
    """What lies in the bucket as a history; None when nothing does."""
    if body is None:
        return History()
    found = json.loads(body)
    move = found.get("move")
    return History(
        promotions=tuple(Promotion(**item) for item in found["promotions"]),
        move=Move(**move) if move else None,
        failed=frozenset(found.get("failed", ())),
        came_back=frozenset(found.get("came_back", ())),
    )


def to_body(history: History) -> bytes:
    """The inverse of `from_body`."""
    sets = {"failed": sorted(history.failed), "came_back": sorted(history.came_back)}
    return json.dumps({**asdict(history), **sets}, indent=1).encode()
