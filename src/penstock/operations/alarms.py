"""CloudWatch's alarms during a rollout: which may stop it, which ring, and which of those tell of both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.access_log import fits_filters
from penstock.model.errors import RemoteFault
from penstock.model.release import LIVE_ALIAS, SLOTS, Pointer, other
from penstock.operations.pointer import read_pointer
from penstock.operations.steps import warn
from penstock.rollout.incidents import beside, look_back
from penstock.rollout.signals import alarm_name, alarm_prefix, queries, slot_watch, strata

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.operations.measure import Measures
    from penstock.operations.world import World
    from penstock.rollout.incidents import Beside
    from penstock.rollout.signals import RouteWatch, Watch
    from penstock.rollout.state import Rollout, Rules


def quiet_alarms(world: World, *, arrived: bool = False) -> tuple[str, ...]:
    """The alarms that may stop a rollout: ours of the slot to come, of `live` and of the API, and the user's by name.

    One that rings already would stop the fix as well: it is told, and the release is judged beside what runs. With
    `arrived` traffic has moved there before: a command that had begun the move was killed.
    """
    workspace = world.workspace
    prefix = alarm_prefix(workspace.prefix)
    pointer = read_pointer(world) or Pointer()
    slot = pointer.live if arrived else pointer.idle
    found = world.alarms.states(workspace.environment.rollout.alarms, prefix=prefix)
    ours = (f"-{slot}", f"-{LIVE_ALIAS}", f"{prefix}api")
    watched = {name: state for name, state in found.items() if not name.startswith(prefix) or name.endswith(ours)}
    for name in workspace.environment.rollout.alarms:
        if name not in found:
            warn(world, f"alarm {name} does not exist in {workspace.environment.region}, so it can stop nothing")
    for name, state in watched.items():
        if state.value == "ALARM":
            warn(world, f"alarm {name} rings already: it cannot stop this rollout, which is judged beside what runs")
    return tuple(sorted(name for name, state in watched.items() if state.value != "ALARM"))


def ringing(world: World, alarms: Sequence[str]) -> tuple[str, ...] | None:
    """Those of them that ring; None when one of them cannot be read, which is no good news."""
    rings, problem = read_alarms(world, alarms)
    if problem:
        warn(world, f"nothing goes on without the alarms: {problem}")
        return None
    return rings


def read_alarms(world: World, alarms: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Those of them that ring, and what keeps one of them from being read, in words; empty when nothing does."""
    if not alarms:
        return (), ""
    try:
        found = world.alarms.states(alarms)
    except RemoteFault as fault:
        return (), f"the alarms cannot be read: {fault.what}"
    gone = sorted(set(alarms) - set(found))
    rings = tuple(sorted(name for name, state in found.items() if state.value == "ALARM"))
    return rings, f"there is no alarm {', '.join(gone)} any more" if gone else ""


def beside_alarms(world: World, rollout: Rollout, measures: Measures, rings: Iterable[str]) -> Mapping[str, Beside]:
    """How the stable side is, by the alarms of ours among those that ring.

    One of the user's own is a hard stop, whatever else fails, and lacks. So does one of ours while nobody can tell.
    """
    prefix, by_hand = alarm_prefix(world.workspace.prefix), world.workspace.environment.rollout.alarms
    ours = [name for name in rings if name.startswith(prefix) and name not in by_hand]
    if not ours:
        return {}
    now = world.traffic_clock.now()
    try:
        return {name: _stable_side(world, rollout, measures, name, now) for name in ours}
    except RemoteFault as fault:
        warn(world, f"whether the stable release fails as well cannot be read: {fault.what}")
        return {}


def _stable_side(world: World, rollout: Rollout, measures: Measures, alarm: str, now: float) -> Beside:
    rules = rollout.rules
    watches, routes, timeout = _beside(world, measures, alarm, rules)
    values = world.metrics.minutes(queries(watches, routes), start=now - look_back(timeout, rules.delay), end=now)
    found = strata(values, watches, routes)
    return beside(found, percent=rollout.weight, now=now, timeout=timeout, delay=rules.delay)


def _beside(
    world: World, measures: Measures, alarm: str, rules: Rules
) -> tuple[Sequence[Watch], Sequence[RouteWatch], float]:
    """What tells the stable side of an alarm, and how many seconds a call to it may last.

    That is its own function's, or all that is watched where it has none.
    """
    for function in world.workspace.functions:
        name, physical = function.key, function.physical
        timeout = rules.timeouts.get(function.service, rules.slowest)
        for slot in SLOTS:
            if alarm == alarm_name(world.workspace.prefix, name, slot):
                return [slot_watch(physical, physical, stable=other(slot), canary=slot)], (), timeout
        if alarm == alarm_name(world.workspace.prefix, name, LIVE_ALIAS):
            own = [watch for watch in measures.watches if watch.function == physical and watch.is_of_versions]
            if own:
                return [replace(watch, service=physical, slow=None) for watch in own], (), timeout
    each = [replace(watch, service=watch.stable.name, slow=None) for watch in measures.watches]
    slowest = max((rules.slowest, *rules.timeouts.values()))
    return each, measures.routes if fits_filters(world.workspace) else (), slowest
