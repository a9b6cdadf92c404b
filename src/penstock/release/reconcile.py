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

from penstock.model.errors import NotFound
from penstock.model.release import LIVE_ALIAS, SLOTS, Pointer, Release, Slot, SlotState
from penstock.release.effects import (
    Effect,
    EnsureVersion,
    FreezeLatest,
    MakeDeployment,
    SetAlias,
    SetStage,
    WritePointer,
)
from penstock.release.observed import LIVE_STAGE, PREVIEW_STAGE, UNPUBLISHED, ApiSeen, FunctionSeen, Observed, after
from penstock.release.share import Shared, share, unshared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


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
            return tuple(_settle(seen, withdrawn=desired.withdrawn))
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
    emptied = _noted(pointer, pointer.live, SlotState(), candidate=None)
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
        yield from _settle(observed, withdrawn=True)
        return
    # The idle slot by the pointer may still have traffic when a switch was cut short: finish that first.
    settling = tuple(_settle(observed, withdrawn=False))
    yield from settling
    observed = after(observed, settling)
    idle, new = observed.pointer.idle, desired.new if desired.offered else frozenset()
    yield from _fill(observed, desired.release, desired.applied, idle, offered=desired.offered, new=new)


def _fill(
    observed: Observed,
    release: Release,
    applied: Applied,
    slot: Slot,
    *,
    offered: bool,
    new: frozenset[str] = frozenset(),
) -> Iterator[Effect]:
    publishing = tuple(_publish(observed, release, applied))
    freezing = tuple(_freeze(observed, publishing, slot))
    yield from (*freezing, *publishing)
    observed = after(observed, (*freezing, *publishing))
    moving = tuple(_move_aliases(observed, release, slot))
    note = observed.pointer
    if moving and slot == note.idle and note.slot(slot) != SlotState():
        # While aliases move, the slot holds no release: nobody must switch to it, nor roll back into it.
        yield WritePointer(name=observed.pointer_name, pointer=_noted(note, slot, SlotState(), candidate=None))
    yield from moving
    deployment: str | None = None
    if observed.live is not None:
        made, deployment = _deployment(observed.live, release, applied, note.slot(slot).deployment)
        yield from made
    if slot == note.idle and observed.preview is not None:
        yield from _show(observed.preview, release, applied, slot)
    yield from _arrive(after(observed, moving), slot, new)
    candidate = slot if offered and slot == note.idle else None
    wanted = _noted(note, slot, SlotState(release=release.id, deployment=deployment), candidate=candidate)
    cleared = bool(moving) and slot == note.idle and note.slot(slot) != SlotState()
    if wanted != note or cleared:
        yield WritePointer(name=observed.pointer_name, pointer=wanted)


def _publish(observed: Observed, release: Release, applied: Applied) -> Iterator[EnsureVersion]:
    for key, function in sorted(release.functions.items()):
        seen = observed.functions.get(function.physical)
        if seen is None:
            raise NotFound(
                f"the function of {key} is not there",
                where=function.physical,
                hint=f"terraform has not made it: penstock deploy -e {release.environment}",
            )
        if seen.find(function) is not None:
            continue
        if applied.configs.get(function.physical) != function.config:
            raise NotFound(
                f"release {release.id} needs a version of {key} that is gone, with a configuration of its own",
                where=function.physical,
                hint=f"check out {release.commit or 'its commit'} and deploy it again",
            )
        yield EnsureVersion(
            function=function.physical,
            artifact=function.artifact,
            config=function.config,
            release=release.id,
            architecture=function.architecture,
            runtime=function.runtime,
            timeout=function.timeout,
        )


def _freeze(observed: Observed, publishing: Iterable[EnsureVersion], slot: Slot) -> Iterator[Effect]:
    """Functions that Terraform has just made have their aliases on `$LATEST`: new code would show through them all.

    Versions first, then one alias after the other, so that neighbours can run side by side.
    """
    exposed = [
        (alias, effect.function, seen.revision or None)
        for effect in publishing
        for alias, seen in observed.functions[effect.function].aliases.items()
        if seen.version == UNPUBLISHED and alias != slot
    ]
    frozen = {function: FreezeLatest(function=function) for _, function, _ in exposed}
    yield from frozen.values()
    for alias, function, revision in sorted(exposed, key=lambda one: one[:2]):
        yield SetAlias(function=function, alias=alias, version=frozen[function].symbol, revision=revision)


def _move_aliases(observed: Observed, release: Release, slot: Slot) -> Iterator[SetAlias]:
    for _, function in sorted(release.functions.items()):
        seen = observed.functions[function.physical]
        version = seen.find(function, preferred=slot)
        if version is not None and seen.at(slot) != version:
            yield _point(function.physical, seen, slot, version)


def _arrive(observed: Observed, slot: Slot, new: Iterable[str]) -> Iterator[SetAlias]:
    """Callers of new functions go to the slot's version, and so does the live slot, which says where `live` belongs.

    So whoever repairs, or takes a rollout back, leaves them there and needs not know which functions were new.
    """
    for alias in (observed.pointer.live, LIVE_ALIAS):
        for name in sorted(new):
            seen = observed.functions[name]
            version = seen.at(slot)
            if version is not None and seen.at(alias) != version:
                yield _point(name, seen, alias, version)


def _deployment(
    api: ApiSeen, release: Release, applied: Applied, preferred: str | None
) -> tuple[tuple[MakeDeployment, ...], str]:
    found = api.find(release.api, preferred=preferred)
    if found is not None:
        return (), found
    if applied.api != release.api:
        raise NotFound(
            f"the routes of release {release.id} have no deployment any more, and other routes are in place",
            where=f"API {api.id}",
            hint=f"check out {release.commit or 'its commit'} and deploy it again",
        )
    make = MakeDeployment(api=api.id, digest=release.api)
    return (make,), make.symbol


def _show(preview: ApiSeen, release: Release, applied: Applied, slot: Slot) -> Iterator[Effect]:
    """The preview stage serves the slot with the release's own routes."""
    preferred = preview.stage.deployment if preview.stage else None
    made, deployment = _deployment(preview, release, applied, preferred)
    yield from made
    yield from _serve(preview, PREVIEW_STAGE, deployment, slot)


# ------------------------------------------------------------------------------------------ switch


def _go_live(observed: Observed, desired: Live) -> Iterator[Effect]:
    release = desired.release
    if observed.pointer.slot(observed.pointer.idle).release == release.id:
        # Its share of the traffic grows to all of it, and is not taken away in between.
        observed = unshared(observed)
    settling = tuple(_settle(observed, withdrawn=False))
    if settling and _is_ready(observed, release):
        # A switch away from it was cut short: it is not finished first, since what cut it short may still be there.
        turning = _turn(observed)
        yield turning
        yield from _settle(after(observed, [turning]), withdrawn=True)
        return
    yield from settling
    observed = after(observed, settling)
    pointer = observed.pointer
    if pointer.live_release == release.id:
        # Somebody may have moved an alias of the live slot by hand: traffic is to be on a named release.
        filling = tuple(_fill(observed, release, desired.applied, pointer.live, offered=False))
        yield from filling
        yield from _settle(after(observed, filling), withdrawn=True)
        return
    loading = tuple(_fill(observed, release, desired.applied, pointer.idle, offered=pointer.candidate is not None))
    yield from loading
    observed = after(observed, loading)
    switching = _turn(observed)
    yield switching
    observed = after(observed, [switching])
    if not desired.returns:
        sending = tuple(_send_callers(observed, observed.pointer.live))
        yield from sending
        observed = after(observed, sending)
    yield from _settle(observed, withdrawn=True)


# ------------------------------------------------------------------------------------------ repair


def _settle(observed: Observed, *, withdrawn: bool) -> Iterator[Effect]:
    pointer = observed.pointer
    if withdrawn and pointer.candidate is not None:
        yield WritePointer(name=observed.pointer_name, pointer=replace(pointer, candidate=None))
    live = pointer.live
    if observed.live is not None and observed.live.stage is not None:
        yield from _serve(observed.live, LIVE_STAGE, _noted_deployment(observed.live, pointer.slot(live)), live)
    if pointer.live_release is not None:
        yield from _send_callers(observed, live)
    if observed.preview is not None and observed.preview.stage is not None:
        yield from _serve(
            observed.preview, PREVIEW_STAGE, _preview_deployment(observed, observed.preview), pointer.idle
        )


def _send_callers(observed: Observed, live: Slot) -> Iterator[SetAlias]:
    """Queues, streams, schedules and direct callers follow the live slot, function by function."""
    for name, seen in sorted(observed.functions.items()):
        version = seen.at(live)
        if version is not None and version != UNPUBLISHED and seen.at(LIVE_ALIAS) != version:
            yield _point(name, seen, LIVE_ALIAS, version)


def _serve(api: ApiSeen, stage: str, deployment: str, slot: Slot) -> Iterator[SetStage]:
    seen = api.stage
    if seen is None:
        raise NotFound(
            f"API {api.id} has no stage {stage}", where=api.id, hint="terraform has not made it; deploy again"
        )
    if (seen.deployment, seen.slot, seen.canary) != (deployment, slot, None):
        yield SetStage(api=api.id, stage=stage, deployment=deployment, slot=slot)


def _noted_deployment(api: ApiSeen, slot: SlotState) -> str:
    """The slot's deployment by the pointer; what the stage serves when there is no such deployment (any more)."""
    serving = api.stage.deployment if api.stage else ""
    if slot.deployment is not None and slot.deployment in api.deployments:
        return slot.deployment
    return serving


def _preview_deployment(observed: Observed, preview: ApiSeen) -> str:
    """The preview API's deployment of the same document as the idle slot's; else what its stage serves."""
    serving = preview.stage.deployment if preview.stage else ""
    noted = observed.pointer.slot(observed.pointer.idle).deployment
    if observed.live is None or noted is None:
        return serving
    digest = observed.live.deployments.get(noted)
    return (preview.find(digest, preferred=serving) if digest else None) or serving


# ------------------------------------------------------------------------------------------ small things


def _point(function: str, seen: FunctionSeen, alias: str, version: str) -> SetAlias:
    found = seen.aliases.get(alias)
    return SetAlias(
        function=function, alias=alias, version=version, revision=(found.revision or None) if found else None
    )


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


def _noted(pointer: Pointer, slot: Slot, state: SlotState, *, candidate: Slot | None) -> Pointer:
    if slot == "blue":
        return replace(pointer, blue=state, candidate=candidate)
    return replace(pointer, green=state, candidate=candidate)
