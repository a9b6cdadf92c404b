"""reconcile(observed, desired) -> effects: everything the engine decides, and nothing that it does.

There is no list of steps that a crash could lose: what is left to do is derived from what is there. A command that
was killed anywhere is finished by reading back and reconciling again, and a state that is reached needs nothing.

The order of the effects is the order in which stopping between any two of them is harmless:

- **Load** (`Loaded`): versions, which nobody calls; the note that the idle slot holds nothing certain; its aliases;
  deployments; the preview stage; the note of what the slot now holds. Traffic is on the other slot all the time. Before
  that note offers it, callers of the functions that are new go to it: nobody else could answer them.
- **Switch** (`Live`): the pointer, which is the decision; the stage, which moves all HTTP traffic in one action; the
  `live` aliases; the preview stage. From the pointer's write on, every command finishes the switch.
- **Repair** (`Settled`): the pointer wins over stage and aliases.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.model.release import SLOTS, Release, Slot, SlotState
from penstock.release.effects import (
    Effect,
    WritePointer,
)
from penstock.release.fill import fill, noting
from penstock.release.observed import Observed, after
from penstock.release.settle import send_callers, settle
from penstock.release.share import Shared, share, unshared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What Terraform has put into AWS: only this can be published or deployed. Digests, hex.

    Code can be uploaded at any time, but a version freezes the configuration that is there, and a deployment the
    document that is there. A release whose configuration or routes are other ones can be loaded only from versions
    and deployments that exist already.
    """

    configs: Mapping[str, str] = field(default_factory=dict)
    """Configuration's digest by the function's physical name."""
    api: str | None = None

    @classmethod
    def of(cls, release: Release) -> Applied:
        """What is there after Terraform was applied for this release."""
        return cls(configs={f.physical: f.config for f in release.functions.values()}, api=release.api)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The release is complete in the idle slot (or already live, and then nothing is loaded).

    `offered` makes it the candidate, which `terraform apply -var slot=production` would switch to: offer it when it
    is verified. Before that, callers of what is `new` go to it: functions, by physical name, that the live release does
    not have, so that nobody else's code could answer them.
    """

    release: Release
    applied: Applied
    offered: bool = True
    new: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Traffic goes to the release. It is loaded first when no slot holds it.

    Forward, those who read queues and streams get the release before those who fill them, so that nobody finds a
    message that he does not understand yet. Where it `returns`, HTTP callers come first: that is one call.
    """

    release: Release
    applied: Applied = Applied()
    returns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the pointer says is true of stages and `live` aliases.

    With `withdrawn` there is no candidate either; with `shared` the candidate keeps the share of traffic that it has.
    """

    withdrawn: bool = False
    shared: bool = False


Desired = Loaded | Live | Settled | Shared


def reconcile(observed: Observed, desired: Desired) -> tuple[Effect, ...]:
    """What is left to do, in the order in which it is safe; empty when the state is reached.

    Raises NotFound when the release needs a function, version or deployment that is not there and cannot be made.
    """
    match desired:
        case Settled():
            seen = unshared(observed) if desired.shared else observed
            return tuple(settle(seen, withdrawn=desired.withdrawn))
        case Loaded():
            return tuple(_load(observed, desired))
        case Live():
            return tuple(_go_live(observed, desired))
        case Shared():
            return tuple(share(observed, desired))


def left(observed: Observed) -> Slot | None:
    """The slot that the stage still serves when the pointer names the other one: a switch was cut short."""
    stage = observed.live.stage if observed.live is not None else None
    return next((slot for slot in SLOTS if stage and stage.slot == slot != observed.pointer.live), None)


def distrusted(observed: Observed, release: Release, serving: Slot) -> WritePointer | None:
    """The pointer put back to the slot that is served, when the other one does not hold the release that it names.

    A switch is finished only into a whole release. The pointer is a parameter, which knows no conditional writes: one
    that somebody wrote after he had slept past his lease names a slot that others have filled since.
    """
    pointer = observed.pointer
    if _is_filled(observed, release, pointer.live):
        return None
    emptied = noting(pointer, pointer.live, SlotState(), candidate=None)
    return WritePointer(name=observed.pointer_name, pointer=replace(emptied, live=serving))


def turned(observed: Observed, release: Release) -> tuple[WritePointer, ...] | None:
    """The decision for a release that the pointer notes in a slot, empty when it is made; None where it notes none.

    No function is looked at. The routes are: a deployment of theirs must be there.
    """
    pointer = observed.pointer
    if pointer.live_release == release.id:
        return ()
    noted = pointer.slot(pointer.idle)
    has_routes = observed.live is None or noted.deployment in observed.live.deployments
    return (_turn(observed),) if noted.release == release.id and has_routes else None


# ------------------------------------------------------------------------------------------ load


def _load(observed: Observed, desired: Loaded) -> Iterator[Effect]:
    if observed.pointer.live_release == desired.release.id:
        yield from settle(observed, withdrawn=True)
        return
    # The idle slot by the pointer may still have traffic when a switch was cut short: finish that first.
    settling = tuple(settle(observed, withdrawn=False))
    yield from settling
    observed = after(observed, settling)
    idle, new = observed.pointer.idle, desired.new if desired.offered else frozenset()
    yield from fill(observed, desired.release, desired.applied, idle, offered=desired.offered, new=new)


# ------------------------------------------------------------------------------------------ switch


def _go_live(observed: Observed, desired: Live) -> Iterator[Effect]:
    release = desired.release
    if observed.pointer.slot(observed.pointer.idle).release == release.id:
        # Its share of the traffic grows to all of it, and is not taken away in between.
        observed = unshared(observed)
    settling = tuple(settle(observed, withdrawn=False))
    if settling and _is_ready(observed, release):
        # A switch away from it was cut short: it is not finished first, since what cut it short may still be there.
        turning = _turn(observed)
        yield turning
        yield from settle(after(observed, [turning]), withdrawn=True)
        return
    yield from settling
    observed = after(observed, settling)
    pointer = observed.pointer
    if pointer.live_release == release.id:
        # Somebody may have moved an alias of the live slot by hand: traffic is to be on a named release.
        filling = tuple(fill(observed, release, desired.applied, pointer.live, offered=False))
        yield from filling
        yield from settle(after(observed, filling), withdrawn=True)
        return
    loading = tuple(fill(observed, release, desired.applied, pointer.idle, offered=pointer.candidate is not None))
    yield from loading
    observed = after(observed, loading)
    switching = _turn(observed)
    yield switching
    observed = after(observed, [switching])
    if not desired.returns:
        sending = tuple(send_callers(observed, observed.pointer.live))
        yield from sending
        observed = after(observed, sending)
    yield from settle(observed, withdrawn=True)


# ------------------------------------------------------------------------------------------ small things


def _turn(observed: Observed) -> WritePointer:
    return WritePointer(name=observed.pointer_name, pointer=observed.pointer.turned)


def _is_ready(observed: Observed, release: Release) -> bool:
    """Whether the idle slot holds the whole release, routes included."""
    slot = observed.pointer.idle
    noted = observed.pointer.slot(slot)
    if noted.release != release.id or not _is_filled(observed, release, slot):
        return False
    return observed.live is None or (noted.deployment is not None and noted.deployment in observed.live.deployments)


def _is_filled(observed: Observed, release: Release, slot: Slot) -> bool:
    for function in release.functions.values():
        seen = observed.functions.get(function.physical)
        version = seen.find(function, preferred=slot) if seen else None
        if seen is None or version is None or seen.at(slot) != version:
            return False
    return True
