"""Sharing traffic between the stable release and the candidate: a percent that is set, and read back.

HTTP callers share by the stage's canary, in one action for all services of the API; everybody else by the weights of
the alias `live`, function by function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound
from penstock.model.release import LIVE_ALIAS, Release, Slot
from penstock.release.effects import Effect, SetCanary, ShareAlias
from penstock.release.observed import LIVE_STAGE, UNPUBLISHED, CanarySeen, Observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNEVEN = -1
"""A weight that is another one for some callers than for others: a move was cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The candidate, complete in the idle slot, gets this percent (1 to 99) of the traffic.

    `callers` are the functions, by physical name, that somebody calls through the alias `live`: event sources and
    other services. HTTP callers go through the API.
    """

    release: Release
    percent: int
    callers: frozenset[str] = frozenset()


def weight(observed: Observed, release: str, callers: Iterable[str]) -> int:
    """The percent of traffic that the release gets, as it was read back; UNEVEN when callers differ."""
    pointer = observed.pointer
    if pointer.live_release == release:
        return 100
    slot = pointer.idle
    if pointer.slot(slot).release != release:
        return 0
    found: set[int] = set()
    if observed.live is not None and observed.live.stage is not None:
        canary = observed.live.stage.canary
        if observed.live.stage.slot == slot:  # its way back was cut short behind the pointer
            return UNEVEN
        found.add(canary.percent if canary is not None and canary.slot == slot else 0)
    found |= {share for _, _, share in _callers(observed, slot, callers)}
    return found.pop() if len(found) == 1 else (UNEVEN if found else 0)


def sharing(observed: Observed, callers: Iterable[str]) -> tuple[str, ...]:
    """Those of these callers whose `live` has something to share: both releases have a version of their own for it."""
    return tuple(name for name, _, _ in _callers(observed, observed.pointer.idle, callers))


def share(observed: Observed, desired: Shared) -> Iterator[Effect]:
    """What is left to do for that percent.

    Callers of `live` come first: who consumes is to understand what who produces will write.

    Raises NotFound when the release does not wait in the idle slot.
    """
    pointer, release = observed.pointer, desired.release
    slot = pointer.idle
    if pointer.slot(slot).release != release.id or pointer.candidate != slot:
        raise NotFound(
            f"release {release.id} does not wait in slot {slot}",
            where=release.environment,
            hint=f"penstock deploy -e {release.environment}",
        )
    for name, version, share in _callers(observed, slot, desired.callers):
        if share != desired.percent:
            alias = observed.functions[name].aliases[LIVE_ALIAS]
            yield ShareAlias(
                function=name,
                alias=LIVE_ALIAS,
                version=alias.version,
                candidate=version,
                percent=desired.percent,
                revision=alias.revision or None,
            )
    api = observed.live
    if api is not None and api.stage is not None:
        deployment = pointer.slot(slot).deployment or api.stage.deployment
        wanted = CanarySeen(deployment=deployment, slot=slot, percent=desired.percent)
        if api.stage.canary != wanted:
            yield SetCanary(api=api.id, stage=LIVE_STAGE, deployment=deployment, slot=slot, percent=desired.percent)


def unshared(observed: Observed) -> Observed:
    """The observation without the candidate's share of traffic: nothing is done about what is not seen."""
    live = observed.live
    stage = live.stage if live is not None else None
    if live is not None and stage is not None and stage.canary and stage.canary.slot == observed.pointer.idle:
        live = replace(live, stage=replace(stage, canary=None))
    functions = {
        name: replace(seen, aliases={alias: replace(found, shares={}) for alias, found in seen.aliases.items()})
        for name, seen in observed.functions.items()
    }
    return replace(observed, live=live, functions=functions)


def _callers(observed: Observed, slot: Slot, callers: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Functions whose `live` has something to share: name, the candidate's version, its percent now."""
    for name in sorted(callers):
        seen = observed.functions.get(name)
        version = seen.at(slot) if seen else None
        alias = seen.aliases.get(LIVE_ALIAS) if seen else None
        if version is None or alias is None or version == alias.version:
            continue
        if UNPUBLISHED not in (version, alias.version):
            yield name, version, alias.shares.get(version, 0)
