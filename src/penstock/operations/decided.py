"""The pointer as it was decided: what the parameter is to say, in an object of the bucket.

A parameter knows no conditional write. Who slept past his lease in the middle of writing the pointer writes it when he
wakes, and a pointer moves all traffic as soon as somebody makes it true. So what is to be written is noted first,
by a conditional write under the lease, and a pointer that nobody has decided is put back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.release import Pointer
from penstock.operations.pointer import read_pointer
from penstock.operations.store import rewrite

if TYPE_CHECKING:
    from penstock.operations.store import HeldLease
    from penstock.operations.world import World

KEY = "rollout/pointer.json"


@dataclass(frozen=True, slots=True)
class Decided:
    """The last decision: from which pointer to which one. Between its note and its write the parameter has `before`."""

    before: Pointer
    after: Pointer

    def allows(self, pointer: Pointer) -> bool:
        """Whether the parameter may say that: by us, by `terraform apply -var slot=production`, or at the beginning.

        Terraform moves traffic to the candidate, if there is one, and an environment that was made anew begins anew.
        """
        by_hand = self.after if self.after.candidate is None else self.after.turned
        return pointer in (self.before, self.after, by_hand, Pointer())


def decide(world: World, lease: HeldLease, pointer: Pointer) -> None:
    """Note that this is to be written. Raises Locked when the lease is lost."""
    observed = read_pointer(world) or Pointer()

    def change(body: bytes | None) -> bytes:
        known = _parsed(body) if body is not None else None
        before = observed if known is None or known.allows(observed) else known.after
        return _body(Decided(before, pointer))

    rewrite(world.objects, lease, KEY, change)


def read_decided(world: World) -> Decided | None:
    """The last decision; None before the first."""
    stored = world.objects.get(KEY)
    return _parsed(stored.body) if stored is not None else None


def settle(world: World, lease: HeldLease, pointer: Pointer) -> None:
    """Note that the parameter says this: a decision that was not carried out is none any more."""
    rewrite(world.objects, lease, KEY, lambda _before: _body(Decided(pointer, pointer)))


def _parsed(body: bytes) -> Decided:
    found = json.loads(body)
    return Decided(Pointer.from_text(found["before"]), Pointer.from_text(found["after"]))


def _body(decided: Decided) -> bytes:
    return json.dumps({"before": decided.before.to_text(), "after": decided.after.to_text()}).encode()
