"""`penstock status`: what is live, what waits, and how it does: API, Lambda's metrics, DynamoDB.

Also `penstock releases`: every release that the bucket holds, and what became of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.model.release import SLOTS, Pointer
from penstock.operations.bypass import who_may_bypass
from penstock.operations.history import read_history
from penstock.operations.holder import holder, last_failure
from penstock.operations.late import somebody_late
from penstock.operations.pointer import agrees, live_stage, read_pointer
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.store import ReleaseStore
from penstock.operations.terraform import kept_for_a_rollback
from penstock.rollout.advance import judgement_of
from penstock.rollout.strategies import describe
from penstock.rollout.traffic import findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.release import Release, Slot
    from penstock.operations.history import History
    from penstock.operations.world import World
    from penstock.ports import FunctionHealth, TableHealth
    from penstock.rollout.state import Rollout

WINDOW = 60
"""Minutes that metrics are summed over."""
OK_STATUS = range(200, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One slot: its release with commit and author, and whether traffic goes there."""

    slot: str
    live: bool
    candidate: bool
    release: str | None
    commit: str = ""
    author: str = ""
    created: str = ""
    failed: bool = False
    """Whether its last verification failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """What a health route answered through the live stage. `seconds` is the whole exchange."""

    route: str
    status: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the answer is a good one."""
        return self.status in OK_STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """Where a rollout stands: the percent that the release has, the step under way, what the judge says so far.

    `held` says why it stands still, `reverting` why traffic goes back; None when it does not.
    """

    release: str
    weight: int
    step: str
    held: str | None
    reverting: str | None
    verdict: str
    sentence: str
    traffic: tuple[str, ...] = ()
    """What the traffic check found: functions whose calls are not shared by the weight."""
    detached: bool = False
    """Whether the controller in the account drives it."""
    outcome: str | None = None
    """promoted or reverted, None while it is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A running environment at one look."""

    environment: str
    url: str | None
    deployed: bool
    slots: tuple[SlotStatus, ...] = ()
    agrees: bool = True
    """Whether the live stage serves what the pointer says, and nothing else without a rollout; nobody came late.

    False only after a crash, a change by hand or a driver that slept past its lease: the next deploy puts it right.
    """
    routes: tuple[RouteStatus, ...] = ()
    functions: Mapping[str, FunctionHealth] = field(default_factory=dict)
    tables: Mapping[str, TableHealth] = field(default_factory=dict)
    holder: str | None = None
    """Who changes the environment right now, in words."""
    failure: str | None = None
    """How the last command that changed the environment failed, in words."""
    rollout: RolloutStatus | None = None
    """The rollout under way, None when there is none."""
    kept: str | None = None
    """What is there only so that the release before can come back, in words."""

    @property
    def ok(self) -> bool:
        """Whether everything that was asked is well."""
        return self.deployed and self.agrees and all(route.ok for route in self.routes)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLine:
    """One release in `penstock releases`, newest promotion first."""

    release: str
    state: str
    """live, waiting, previous, rolled back, failed verification, came back, never live, or past."""
    slot: str | None
    promoted: str
    by: str
    commit: str
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of the code of every function, by its key."""


def status(world: World) -> Status:
    """Look at the environment; nothing is changed."""
    name = world.workspace.environment.name
    pointer = read_pointer(world)
    api = world.gateway.find(world.workspace.api_name)
    url = world.gateway.url(api, world.workspace.api_name, "live") if api else None
    if pointer is None or pointer.live_release is None:
        return Status(environment=name, url=url, deployed=False, holder=holder(world), failure=last_failure(world))
    releases = ReleaseStore(world.objects)
    failed = read_history(world.objects).failed
    rollout = rollout_status(world)
    routes = []
    for function in world.workspace.functions:
        if api and function.health:
            answer = world.gateway.call(api, "live", "GET", function.health.path)
            routes.append(
                RouteStatus(route=str(function.health), status=answer.status, seconds=round(answer.seconds, 4))
            )
    functions = [function.physical for function in world.workspace.functions]
    tables = [table.physical for table in world.workspace.tables]
    return Status(
        environment=name,
        url=url,
        deployed=True,
        slots=tuple(_slot(pointer, slot, releases, failed) for slot in SLOTS),
        agrees=agrees(pointer, live_stage(world), shared=rollout is not None) and somebody_late(world) is None,
        routes=tuple(routes),
        functions=world.health.functions(functions, WINDOW),
        tables=world.health.tables(tables, WINDOW),
        holder=holder(world),
        failure=last_failure(world),
        rollout=rollout,
        kept=kept_for_a_rollback(world),
    )


def rollout_status(world: World, *, ended: bool = False) -> RolloutStatus | None:
    """The rollout under way, or with `ended` the last one that was; nothing is changed."""
    store = RolloutStore(world.objects)
    found = store.read() if ended else store.under_way()
    if found is None:
        return None
    judgement = judgement_of(found)
    return RolloutStatus(
        release=found.release,
        weight=found.weight,
        step=_step(found),
        held=found.held,
        reverting=found.reverting,
        verdict=judgement.verdict.name,
        sentence=judgement.sentence,
        traffic=tuple(finding.sentence for finding in findings(found.traffic, who_may_bypass(world.workspace))),
        detached=found.detached,
        outcome=found.outcome,
    )


def _step(rollout: Rollout) -> str:
    if rollout.foreign:
        return "unknown"
    return describe(rollout.steps[rollout.at]) if rollout.at < len(rollout.steps) else "promote"


def releases(world: World) -> Sequence[ReleaseLine]:
    """Every promoted release, newest promotion first; then those that wait or were never promoted."""
    pointer = read_pointer(world)
    if pointer is None:
        return ()
    store = ReleaseStore(world.objects)
    history = read_history(world.objects)
    lines: dict[str, ReleaseLine] = {}
    for promotion in reversed(history.promotions):
        if promotion.release not in lines:
            lines[promotion.release] = _line(
                promotion.release, store.get(promotion.release), pointer, history, promotion.at, promotion.by
            )
    for release in store.ids():
        if release not in lines:
            lines[release] = _line(release, store.get(release), pointer, history, "", "")
    return tuple(lines.values())


def _line(  # noqa: PLR0917 - a row of a table
    release: str, stored: Release | None, pointer: Pointer, history: History, at: str, by: str
) -> ReleaseLine:
    slot = next((slot for slot in SLOTS if pointer.slot(slot).release == release), None)
    return ReleaseLine(
        release=release,
        state=_state(release, slot, pointer, history, promoted=bool(at)),
        slot=slot,
        promoted=at,
        by=by or (stored.author if stored else ""),
        commit=stored.commit if stored else "",
        artifacts={key: function.artifact for key, function in stored.functions.items()} if stored else {},
    )


def _state(release: str, slot: Slot | None, pointer: Pointer, history: History, *, promoted: bool) -> str:
    if slot == pointer.live:
        return "live"
    if slot is not None and slot == pointer.candidate:
        return "waiting"
    if release in history.bad():
        return "rolled back"
    if release in history.failed:
        return "failed verification"
    if not promoted:
        return "came back" if release in history.came_back else "never live"
    return "previous" if slot is not None else "past"


def _slot(pointer: Pointer, slot: Slot, releases: ReleaseStore, failed: frozenset[str]) -> SlotStatus:
    state = pointer.slot(slot)
    release = releases.get(state.release) if state.release else None
    return SlotStatus(
        slot=slot,
        live=slot == pointer.live,
        candidate=slot == pointer.candidate,
        release=state.release,
        commit=release.commit if release else "",
        author=release.author if release else "",
        created=release.created if release else "",
        failed=state.release in failed,
    )
