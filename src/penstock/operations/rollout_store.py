"""Where a rollout and what people ask of it lie in the environment's bucket.

`rollout.json` is written under the lease before each effect. Orders are objects of their own, written by whoever asks
without the lease, and taken up by whoever drives.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.ports import ObjectStore, StoredObject
    from penstock.rollout.state import Order, Rollout, Verb

KEY = "rollout.json"
ORDERS = "rollout/orders/"
BRIEF = "rollout/brief.json"
"""What the controller function works from."""
OVERDUE = 600.0
"""Seconds behind its deadline after which a detached rollout counts as one without a driver: ten visits of the
controller have not ended it, or its schedule is gone."""


def mark(world: World, session: Session, release: str) -> None:
    """Let Terraform know that a rollout is under way: it refuses `-var slot=production` for that time."""
    if world.parameters.get(_mark(world)) != release:
        session.hold()
        world.parameters.put(_mark(world), release)


def unmark(world: World, session: Session) -> None:
    """No rollout is under way, or it is about to be written down as ended."""
    if is_marked(world):
        session.hold()
        world.parameters.delete(_mark(world))


def is_marked(world: World) -> bool:
    """Whether Terraform is told that a rollout is under way.

    Without one, a driver has died before its first turn, or slept past its lease and set the mark when it woke.
    """
    return world.parameters.get(_mark(world)) is not None


def is_looked_after(rollout: Rollout, now: float) -> bool:
    """Whether the controller in the account drives it, and can be trusted to end it."""
    return rollout.detached and now < rollout.began + rollout.rules.deadline + OVERDUE


class RolloutStore:
    """The environment's rollout: the one under way, or the last one that ended."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._saved: Rollout | None = None

    @property
    def saved(self) -> Rollout | None:
        """What was written last by this store itself, or None."""
        return self._saved

    def read(self) -> Rollout | None:
        """The rollout, or None before the first."""
        found = self._read()
        return _rollout(found) if found else None

    def under_way(self) -> Rollout | None:
        """The rollout that has not ended, or None."""
        found = self._read()
        return _rollout(found) if found and found["outcome"] is None else None

    def save(self, rollout: Rollout, session: Session) -> None:
        """Write it, unless it is what was written last, and book that a share of the traffic went back with its end.

        Raises Locked when the lease is lost.
        """
        if rollout == self._saved:
            return
        if rollout.outcome == "reverted" and rollout.weight:  # first: what has ended is not looked at again
            session.book(lambda history: history.returned(rollout.release))
        session.rewrite(KEY, lambda _before: json.dumps(rollout.to_json(), sort_keys=True).encode())
        self._saved = rollout

    def is_called_off(self, rollout: Rollout) -> bool:
        """Whether somebody has ordered it to go back, and nobody has taken that up yet."""
        return any(order.verb == "abort" for order in self.orders(rollout))

    @staticmethod
    def require_known(rollout: Rollout) -> None:
        """Raise UsageError when another version of Penstock has begun it: nobody else knows how to go on."""
        if rollout.foreign:
            name = rollout.environment
            raise UsageError(
                f"the rollout of {rollout.release} was begun by another version of Penstock",
                where=f"{name}: {KEY}",
                hint=f"go on with that version; to end it from here: penstock abort -e {name}, or penstock rollback",
            )

    def order(self, rollout: Rollout, verb: Verb, *, by: str, why: str, at: float) -> Order:
        """Ask something of the rollout under way at that moment, by this machine's clock."""
        from penstock.rollout.state import Order  # noqa: PLC0415 - start-up counts

        order = Order(id=f"{at:017.3f}-{uuid.uuid4().hex[:8]}", verb=verb, by=by, why=why)
        self._objects.put(f"{ORDERS}{rollout.id}/{order.id}.json", json.dumps(asdict(order)).encode())
        return order

    def orders(self, rollout: Rollout) -> tuple[Order, ...]:
        """What was asked of it and not taken up yet, in the order in which it came to the bucket.

        The machines of those who ask may be minutes apart: one's own clock decides only where the bucket's tells no
        difference, being in whole seconds.
        """
        from penstock.rollout.state import Order  # noqa: PLC0415 - start-up counts

        keys = self._objects.list(f"{ORDERS}{rollout.id}/")
        fresh = [key for key in keys if key.rpartition("/")[2].removesuffix(".json") not in rollout.orders]
        found = [stored for key in fresh if (stored := self._objects.get(key)) is not None]
        return tuple(Order(**json.loads(stored.body)) for stored in sorted(found, key=_written))

    def _read(self) -> dict[str, Any] | None:
        stored = self._objects.get(KEY)
        found: dict[str, Any] | None = json.loads(stored.body) if stored else None
        return found


def _rollout(data: Mapping[str, Any]) -> Rollout:
    # Rollouts are rare, and nearly every command asks for one.
    from penstock.rollout.state import Rollout  # noqa: PLC0415 - start-up counts

    try:
        return Rollout.from_json(data)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Rollout.outline(data)


def _written(stored: StoredObject) -> int:
    """When, by the store's clock; the same for all where it does not tell."""
    return round(stored.at - stored.age) if stored.at is not None and stored.age is not None else 0


def _mark(world: World) -> str:
    return f"{world.workspace.pointer_prefix}rollout"
