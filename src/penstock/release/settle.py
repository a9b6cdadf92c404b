"""What the pointer says is made true of stages and of the aliases `live`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound
from penstock.model.release import LIVE_ALIAS, Slot, SlotState
from penstock.release.effects import Effect, SetAlias, SetStage, WritePointer
from penstock.release.observed import LIVE_STAGE, PREVIEW_STAGE, UNPUBLISHED, ApiSeen, FunctionSeen, Observed

if TYPE_CHECKING:
    from collections.abc import Iterator


def settle(observed: Observed, *, withdrawn: bool) -> Iterator[Effect]:
    """What is left to do until all of it is true; with `withdrawn` there is no candidate either."""
    pointer = observed.pointer
    if withdrawn and pointer.candidate is not None:
        yield WritePointer(name=observed.pointer_name, pointer=replace(pointer, candidate=None))
    live = pointer.live
    if observed.live is not None and observed.live.stage is not None:
        yield from serve(observed.live, LIVE_STAGE, _noted_deployment(observed.live, pointer.slot(live)), live)
    if pointer.live_release is not None:
        yield from send_callers(observed, live)
    if observed.preview is not None and observed.preview.stage is not None:
        yield from serve(observed.preview, PREVIEW_STAGE, _preview_deployment(observed, observed.preview), pointer.idle)


def send_callers(observed: Observed, live: Slot) -> Iterator[SetAlias]:
    """Queues, streams, schedules and direct callers follow the live slot, function by function."""
    for name, seen in sorted(observed.functions.items()):
        version = seen.at(live)
        if version is not None and version != UNPUBLISHED and seen.at(LIVE_ALIAS) != version:
            yield point(name, seen, LIVE_ALIAS, version)


def serve(api: ApiSeen, stage: str, deployment: str, slot: Slot) -> Iterator[SetStage]:
    """The stage serves the slot with that deployment, and nobody has a share. Raises NotFound without a stage."""
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


def point(function: str, seen: FunctionSeen, alias: str, version: str) -> SetAlias:
    """The alias moved to the version, unless somebody else moves it first."""
    found = seen.aliases.get(alias)
    return SetAlias(
        function=function, alias=alias, version=version, revision=(found.revision or None) if found else None
    )
