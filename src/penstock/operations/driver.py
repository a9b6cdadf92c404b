"""The loop around `advance`, turn by turn: observe, ask, write it down, act, read back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from penstock.model.errors import RemoteFault, VerificationFailed
from penstock.model.events import RolloutMoved
from penstock.model.release import Pointer
from penstock.operations.alarms import beside_alarms, ringing
from penstock.operations.callers import callers_of
from penstock.operations.engine import bring_back, names_of, settle_all
from penstock.operations.gates import consult, points
from penstock.operations.history import read_history
from penstock.operations.measure import Measured, late_thresholds, measure, with_thresholds
from penstock.operations.moves import go_back, go_live
from penstock.operations.pointer import read_pointer
from penstock.operations.rollout_news import tell_news
from penstock.operations.rollout_store import RolloutStore, unmark
from penstock.operations.steps import step, warn
from penstock.operations.synthetic import ask, wanted
from penstock.operations.verify import verify_release
from penstock.operations.warmth import warm
from penstock.release.reconcile import Applied, Settled, reconcile
from penstock.release.share import Shared
from penstock.rollout.advance import Judged, decide, judged
from penstock.rollout.minutes import first_due, old_enough, to_judge
from penstock.rollout.state import Ask, Check, Finished, Observation, Promote, Revert, Rollout, Shift, Wait

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.operations.looks import Looks
    from penstock.operations.measure import Measures
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.state import Action, Order
    from penstock.rollout.webhooks import Reply

REFUSALS = 5
"""Actions in a row that AWS may refuse before traffic goes back; after as many again the command gives up."""
VISIT = 40.0
"""Seconds of the metrics' clock for which a visit of the controller sends requests of our own."""
LAST_QUESTION = 120.0
"""Seconds after which a visit asks no further webhook: one may take 25, and the function has 300."""
LONGEST_PAUSE = 20.0
"""Seconds between two attempts, at most; the SDK has retried each by itself before."""


@dataclass
class Driver:
    """The loop's memory: what was told, and how often AWS has refused in a row.

    Whatever AWS refuses, be it the bucket or a move, is tried again with jitter: nothing was acted that is not written
    down, and what was written is only done again. Too many refusals take traffic back; as many again end the command,
    and the next one goes on.
    """

    world: World
    session: Session
    store: RolloutStore
    release: Release
    applied: Applied
    looks: Looks
    told: Rollout
    waits: bool = True
    """Whether it stays while nothing is to be done; who does not has `rests` set instead, and comes back later."""
    refusals: int = 0
    checked: tuple[int, str] | None = None
    replies: tuple[Reply, ...] = ()
    has_ended: bool = False
    rests: bool = False
    asks: bool = False
    is_live: bool = False
    """Whether this driver has moved all traffic, and looked."""
    promotes: bool = False
    """Whether it, or a driver before it, has begun to move all traffic, so that a way back may be under way."""
    pending: dict[str, Order] = field(default_factory=dict)
    """Orders that were read and are not in the ledger yet, by their ids."""
    began: float = 0.0
    """When this driver began, by the clock's `monotonic`."""
    judged: Judged | None = None
    """What was judged last: it holds until a minute, a gate or a reply is new."""
    _seen: Observation | None = None

    def turn(self, rollout: Rollout, measures: Measures) -> Rollout:
        """Observe, ask, write down, tell, act; the rollout as it is then. Raises RemoteFault after many refusals."""
        try:
            self.session.hold()  # a machine that slept past its lease must not act on what it knew before
            if self.promotes and read_history(self.world.objects).is_taking_back(rollout.release, rollout.stable):
                self._go_back(rollout, rollout.reverting or "its way back was cut short")
            action: Action = Finished()
            if rollout.outcome is None:
                seen = _look(self.world, self.store, self.looks, rollout, measures)
                self._seen = replace(seen, checked=self.checked, replies=self.replies)
                self.pending |= {order.id: order for order in self._seen.orders}
                rollout, action, self.judged = decide(rollout, self._seen, self.judged)
            self._tell(rollout)
            if rollout.outcome is not None:
                self._close(rollout)
            self.store.save(rollout, self.session)
            self.has_ended = rollout.outcome is not None
            if isinstance(action, Wait) and action.synthetic:
                self._ask(rollout, action.seconds if self.waits else VISIT)
                action = Wait(0.0)
            if isinstance(action, Ask):
                if self._is_spent():
                    self.rests = True
                    return rollout
                self.replies = (consult(self.world, rollout, action.webhook),)
            if isinstance(action, Wait) and not self.waits:
                self.rests = True
                return rollout
            done = self._do(action, rollout)
            self.checked = done or self.checked
            self.rests = self.rests or self.session.is_out_of_time()
            self.is_live = self.is_live or isinstance(action, Promote)
            self.refusals = 0
        except RemoteFault as fault:
            return self._refused(rollout, fault)
        return rollout

    def _do(self, action: Action, rollout: Rollout) -> tuple[int, str] | None:
        self.promotes = self.promotes or isinstance(action, Promote)
        grows = isinstance(action, Promote) or (isinstance(action, Shift) and action.percent > 0)
        if grows and not self.waits and not warm(self.world, self.session, waits=False):
            self.rests = True  # Lambda takes minutes, and a visit has no more than five
            return None
        try:
            return act(self.world, self.session, action, rollout, self.release, self.applied)
        finally:
            if not isinstance(action, Wait):
                self.looks.moved()

    def _tell(self, rollout: Rollout) -> None:
        """Before it is written down: what the next driver finds written it takes for told, and twice is not lost."""
        self.session.hold()  # a look may take minutes, and nobody tells of a rollout that is somebody else's
        self._book(rollout.release)
        if self._seen is not None:
            self.judged = judged(rollout, self.judged)
            tell_news(self.world, self.session, self.told, rollout, self._seen, self.judged.judgement)
        self.told = rollout

    def _book(self, release: str) -> None:
        """Who ordered what and why, in the ledger before it is obeyed: an order that is taken up is not read again."""
        for order in tuple(self.pending.values()):
            self.session.record("order", {"release": release, "verb": order.verb, "by": order.by, "why": order.why})
            del self.pending[order.id]

    def _is_spent(self) -> bool:
        """Whether a visit has lasted so long that a webhook's answer might be too much for it."""
        return not self.waits and self.world.clock.monotonic() - self.began > LAST_QUESTION

    def _close(self, rollout: Rollout) -> None:
        """Make true that it has ended, before that is written down.

        When the pointer names the candidate, and the move behind it was not ours or was refused half-way, the move is
        ended, or taken back when somebody has ordered that meanwhile. What was turned down before it had any traffic
        waits no more: nobody may switch to it.
        """
        if rollout.outcome == "promoted" and not self.is_live:
            self.promotes = True
            if rollout.reverting is not None and self._can_go_back():
                self.store.save(rollout.going(), self.session)
                self._go_back(rollout, rollout.reverting)
            self.session.forget()
            go_live(self.world, self.session, self.release, self.applied)
            self.is_live = True
        if rollout.outcome == "reverted":
            # Why, first: whoever finds this cut short has no orders to read any more.
            self.store.save(rollout.going(), self.session)
            bring_back(self.world, self.session, ())
        unmark(self.world, self.session)

    def _can_go_back(self) -> bool:
        """Whether all traffic has moved, and nobody has found that the release is well there, or it is to go back."""
        pointer = read_pointer(self.world) or Pointer()
        return read_history(self.world.objects).way_back(pointer) is not None

    def _go_back(self, rollout: Rollout, why: str) -> NoReturn:
        self.session.forget()
        go_back(self.world, self.session, self.release, rollout.stable, why)

    def _ask(self, rollout: Rollout, seconds: float) -> None:
        """Send requests of our own instead of only waiting; said once by each driver."""
        if not self.asks:
            self.asks = True
            policy = self.world.workspace.environment.synthetic
            what = f"too few calls to judge: {policy.rate:g} requests of our own a minute help out"
            if not wanted(self.world, rollout.changed):
                what = "too few calls to judge, and no route that requests of our own could ask"
            self.world.events.emit(RolloutMoved(release=rollout.release, weight=rollout.weight, what=what))
            if self.waits:  # a visit tells it each time, in its log alone
                self.session.record("rollout", {"release": rollout.release, "weight": rollout.weight, "what": what})
        ask(self.world, rollout, seconds)

    def _refused(self, rollout: Rollout, fault: RemoteFault) -> Rollout:
        self.refusals += 1
        if self.refusals >= 2 * REFUSALS:
            raise fault
        warn(self.world, f"AWS refused, {self.refusals}. time: {fault.what}")
        if self.refusals >= REFUSALS and rollout.outcome is None:
            rollout = replace(rollout, reverting=rollout.reverting or f"AWS refused: {fault.what}")
        pause = random.uniform(0, min(2.0**self.refusals, LONGEST_PAUSE))  # noqa: S311 - jitter
        self.world.traffic_clock.sleep(pause)
        return rollout


def act(  # noqa: PLR0917 - what is to be done, and all that it takes
    world: World, session: Session, action: Action, rollout: Rollout, release: Release, applied: Applied
) -> tuple[int, str] | None:
    """Do it; what came of a check: the index of its step, and what was wrong."""
    names = names_of(world, release)
    if not isinstance(action, Shift):  # which goes by what was read for its decision, if that is not old
        session.forget()
    match action:
        case Wait(seconds=seconds):
            world.traffic_clock.sleep(seconds)
        case Check():
            return (rollout.at, _check(world, session, rollout))
        case Shift(percent=0):  # before its first share somebody else gave it one
            settle_all(world, session, names, Settled())
        case Shift(percent=percent):
            warm(world, session)
            callers = callers_of(world)
            goal = Shared(release=release, percent=percent, callers=callers)
            session.execute(reconcile(session.glance(callers), goal))
        case Promote():
            go_live(world, session, release, applied)
        case Revert():
            callers = callers_of(world)
            bring_back(world, session, callers)
            settle_all(world, session, names - callers, Settled(withdrawn=True))
        case Finished() | Ask():
            pass
    return None


def _look(world: World, store: RolloutStore, looks: Looks, rollout: Rollout, measures: Measures) -> Observation:
    """Everything that a decision needs; what cannot be read is left out, and asked for the next time."""
    now = world.traffic_clock.now()
    try:
        percent: int | None = looks.weight(rollout.release, callers_of(world))
    except RemoteFault as fault:
        warn(world, f"the weight cannot be read: {fault.what}")
        percent = None
    minutes = to_judge(rollout, now)
    until = rollout.judged
    found, late = Measured(), dict[str, float]()
    if minutes:
        try:
            known = dict(rollout.slow or {})
            late |= late_thresholds(
                world, with_thresholds(measures, known), lambda service: first_due(rollout, service, now)
            )
            found = measure(world, with_thresholds(measures, known | late), minutes)
            until = max(until, old_enough(rollout, now))
        except RemoteFault as fault:
            warn(world, f"the measurements cannot be read: {fault.what}")
    rings = ringing(world, rollout.alarms)
    beside = beside_alarms(world, rollout, measures, rings or ())
    return Observation(
        now=now,
        weight=percent,
        strata=found.strata,
        shares=found.shares,
        until=until,
        slow=late,
        alarms=None if rings is None else tuple(name for name in rings if beside.get(name, "well") == "well"),
        shared_alarms=tuple(name for name, side in beside.items() if side == "fails"),
        open_alarms=tuple(name for name, side in beside.items() if side == "silent"),
        orders=store.orders(rollout),
        points=points(world, rollout, now),
    )


def _check(world: World, session: Session, rollout: Rollout) -> str:
    """What is wrong with the candidate in its slot while it has a share of the traffic; empty when it is well."""
    slot = (read_pointer(world) or Pointer()).idle
    functions = [function for function in world.workspace.functions if function.service in rollout.changed]
    try:
        with step(world, f"verify slot {slot} at {rollout.weight} %"):
            verify_release(world, session, rollout.release, slot, functions)
    except VerificationFailed as failure:
        return "; ".join(line.strip() for line in failure.what.splitlines()[1:])
    return ""
