"""Traffic has arrived at a release: told to those who watch and to the ledger, then booked in the history.

In this order: what is booked is not told again, and a move that a crash has told twice is better than one never told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.events import TrafficMoved
from penstock.operations.steps import timestamp
from penstock.release.ledger import BY_HAND, PROMOTION, ROLLBACK

if TYPE_CHECKING:
    from penstock.model.release import Pointer
    from penstock.operations.history import History
    from penstock.operations.session import Session
    from penstock.operations.world import World


def tell_arrival(
    world: World, session: Session, pointer: Pointer, previous: str | None, why: str, **more: str | bool
) -> None:
    """All traffic goes to the release that the pointer names; `more` is for the ledger alone."""
    moved = TrafficMoved(
        environment=world.workspace.environment.name,
        slot=pointer.live,
        release=pointer.live_release or "",
        previous=previous,
        why=BY_HAND if more.get("by_hand") else why,
    )
    world.events.emit(moved)
    said = {key: value for key, value in moved.to_json().items() if key != "event"}
    session.record("traffic-moved", {**said, "why": why, **more})


def book_arrival(world: World, session: Session, pointer: Pointer, history: History) -> None:
    """Tell and book a move that nobody has booked: the process died, or the move was Terraform's, or made by hand."""
    live = pointer.live_release
    if live is None or history.has_booked(live):
        return
    at, move = timestamp(world), history.move
    if move is not None and live in (move.target, move.origin):
        by, run = move.by or session.actor, session.succeeds or ""
        previous = move.origin if live == move.target else move.target  # promoted, and on its way back already
        why = ROLLBACK if move.rollback and live == move.target else PROMOTION
        tell_arrival(world, session, pointer, previous, why, begun_by=move.run)
    else:
        by, run = BY_HAND, ""
        previous = history.latest.release if history.latest else None
        tell_arrival(world, session, pointer, previous, PROMOTION, by_hand=True)
    session.book(lambda history: history.arrived(live, at=at, by=by, run=run))
