"""A slot is filled with a release: versions, aliases, deployments, the preview stage, and the note of what it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound
from penstock.model.release import LIVE_ALIAS, Pointer, Release, Slot, SlotState
from penstock.release.effects import (
    Effect,
    EnsureVersion,
    FreezeLatest,
    MakeDeployment,
    SetAlias,
    WritePointer,
)
from penstock.release.observed import PREVIEW_STAGE, UNPUBLISHED, ApiSeen, Observed, after
from penstock.release.settle import point, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.release.reconcile import Applied


def fill(
    observed: Observed,
    release: Release,
    applied: Applied,
    slot: Slot,
    *,
    offered: bool,
    new: frozenset[str] = frozenset(),
) -> Iterator[Effect]:
    """What is left to do until the slot holds the release; `offered` and `new` are those of `Loaded`.

    Raises NotFound when something is not there and cannot be made of what is `applied`.
    """
    publishing = tuple(_publish(observed, release, applied))
    freezing = tuple(_freeze(observed, publishing, slot))
    yield from (*freezing, *publishing)
    observed = after(observed, (*freezing, *publishing))
    moving = tuple(_move_aliases(observed, release, slot))
    note = observed.pointer
    if moving and slot == note.idle and note.slot(slot) != SlotState():
        # While aliases move, the slot holds no release: nobody must switch to it, nor roll back into it.
        yield WritePointer(name=observed.pointer_name, pointer=noting(note, slot, SlotState(), candidate=None))
    yield from moving
    deployment: str | None = None
    if observed.live is not None:
        made, deployment = _deployment(observed.live, release, applied, note.slot(slot).deployment)
        yield from made
    if slot == note.idle and observed.preview is not None:
        yield from _show(observed.preview, release, applied, slot)
    yield from _arrive(after(observed, moving), slot, new)
    candidate = slot if offered and slot == note.idle else None
    wanted = noting(note, slot, SlotState(release=release.id, deployment=deployment), candidate=candidate)
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
            yield point(function.physical, seen, slot, version)


def _arrive(observed: Observed, slot: Slot, new: Iterable[str]) -> Iterator[SetAlias]:
    """Callers of new functions go to the slot's version, and so does the live slot, which says where `live` belongs.

    So whoever repairs, or takes a rollout back, leaves them there and needs not know which functions were new.
    """
    for alias in (observed.pointer.live, LIVE_ALIAS):
        for name in sorted(new):
            seen = observed.functions[name]
            version = seen.at(slot)
            if version is not None and seen.at(alias) != version:
                yield point(name, seen, alias, version)


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
    yield from serve(preview, PREVIEW_STAGE, deployment, slot)


def noting(pointer: Pointer, slot: Slot, state: SlotState, *, candidate: Slot | None) -> Pointer:
    """The pointer that notes this of the slot, and that candidate."""
    if slot == "blue":
        return replace(pointer, blue=state, candidate=candidate)
    return replace(pointer, green=state, candidate=candidate)
