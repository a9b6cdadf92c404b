"""The loop around `advance`: observe, ask, write it down, act, read back.

All of it runs under the environment's lease. Whatever ends the process leaves `rollout.json` with the decision before
the effect, and the weight in AWS: the next command goes on from there.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, RemoteFault, VerificationFailed
from penstock.model.events import RolloutMoved
from penstock.model.release import LIVE_ALIAS, Pointer, other
from penstock.operations.engine import bring_back, reach
from penstock.operations.foretell import foretell, tell_unjudged
from penstock.operations.gates import consult, points
from penstock.operations.looks import Looks
from penstock.operations.measure import Measured, history, late_thresholds, measure, watched, with_thresholds
from penstock.operations.notices import tell_topics
from penstock.operations.pointer import read_pointer
from penstock.operations.rollout_news import ended_badly, tell_news
from penstock.operations.rollout_store import RolloutStore, mark, unmark
from penstock.operations.steps import note, step, warn
from penstock.operations.switch import go_live, take_back
from penstock.operations.synthetic import ask, wanted
from penstock.operations.verify import verify_release
from penstock.operations.warmth import follow, shares_live, warm
from penstock.operations.watchdog import call_off, hand_over, watch_over
from penstock.release.reconcile import Applied, Settled
from penstock.release.share import Shared
from penstock.rollout.advance import advance
from penstock.rollout.gates import gates_of
from penstock.rollout.judge import JudgePolicy, accumulate
from penstock.rollout.minutes import first_due, old_enough, to_judge
from penstock.rollout.state import Ask, Check, Finished, Observation, Promote, Revert, Rollout, Rules, Shift, Wait
from penstock.rollout.strategies import is_weighted

if TYPE_CHECKING:
    from penstock.model.release import Release
    from penstock.model.rollouts import RolloutPolicy
    from penstock.operations.measure import Measures
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.state import Action, Order
    from penstock.rollout.strategies import Step
    from penstock.rollout.webhooks import Reply

DEADLINE = 3600.0
"""Seconds after which an undecided rollout goes back where nothing is said."""
REFUSALS = 5
"""Actions in a row that AWS may refuse before traffic goes back; after as many again the command gives up."""
VISIT = 40.0
"""Seconds of the metrics' clock for which a visit of the controller sends requests of our own."""
LAST_QUESTION = 120.0
"""Seconds after which a visit asks no further webhook: one may take 25, and the function has 300."""
LONGEST_PAUSE = 20.0
"""Seconds between two attempts, at most; the SDK has retried each by itself before."""


def begin(world: World, release: Release, stable: str, *, steps: tuple[Step, ...], changed: frozenset[str]) -> Rollout:
    """The walk of a release that is verified in the idle slot: not a step of it is taken yet."""
    policy = world.workspace.environment.rollout
    now = world.traffic_clock.now()
    candidate = (read_pointer(world) or Pointer()).idle
    return Rollout(
        id=f"{release.id}-{world.run}",
        environment=world.workspace.environment.name,
        release=release.id,
        stable=stable,
        steps=steps,
        rules=rules_of(world, changed),
        policy=judge_policy(policy),
        changed=tuple(sorted(changed)),
        author="" if world.workspace.environment.approvals.self_approval else world.identity.caller(),
        alarms=_quiet_alarms(world),
        gates=gates_of(policy.metrics, candidate=candidate, stable=other(candidate)),
        began=now,
        entered=now,
        moved=now,
    )


def rules_of(world: World, changed: frozenset[str]) -> Rules:
    """How the configuration has a release of these services walked."""
    policy = world.workspace.environment.rollout
    return Rules(
        on_inconclusive=policy.on_inconclusive,
        deadline=policy.deadline or DEADLINE,
        delay=policy.delay,
        slowest=slowest(world, changed),
        timeouts={service.name: slowest(world, frozenset({service.name})) for service in world.workspace.services},
    )


def slowest(world: World, changed: frozenset[str]) -> float:
    """The longest time, in seconds, that a function of these services may run."""
    return float(max((f.timeout for f in world.workspace.functions if f.service in changed), default=0))


def judge_policy(policy: RolloutPolicy) -> JudgePolicy:
    """What the configuration asks of a canary."""
    return JudgePolicy(
        margin=policy.margin,
        latency_margin=policy.latency_margin,
        alpha=policy.alpha,
        minimum=policy.minimum,
        clusters=policy.clusters,
    )


def leave(world: World, session: Session, rollout: Rollout, release: Release) -> Rollout:
    """Set out, and leave the walk to the controller in the account.

    It is said to be driven there only when it is: else it would keep everybody out, and nobody would end it. A rollout
    without any traffic yet is taken back when it cannot be handed over, and by Ctrl-C any.
    """
    store = RolloutStore(world.objects)
    try:
        rollout, _ = set_out(world, session, store, rollout, release)
        hand_over(world, session, rollout)
        rollout = replace(rollout, detached=True)
        store.save(rollout, session)
    except KeyboardInterrupt:
        _interrupted(world, session, store, rollout, release)
        raise
    except RemoteFault as fault:
        if not rollout.weight:
            with suppress(RemoteFault):  # the next command does it
                _withdraw(world, session, store, replace(rollout, reverting=f"AWS refused: {fault.what}"), release)
        raise
    return rollout


def set_out(
    world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release
) -> tuple[Rollout, Measures]:
    """Write down that the release is on its way, and what it is to be measured by; moves no traffic yet.

    A rollout that was under way before keeps what it is measured by.
    """
    names = {f.physical for f in world.workspace.functions} | {f.physical for f in release.functions.values()}
    observed = session.observe(names)
    measures = watched(world, observed, observed.pointer.idle, frozenset(rollout.changed), rollout.slow)
    if rollout.slow is None:
        rollout = replace(_informed(world, rollout, measures), slow=measures.slow)
    store.save(rollout, session)  # first, so that a mark without a rollout is never left behind
    mark(world, session, release.id)
    return rollout, measures


def drive(
    world: World, session: Session, rollout: Rollout, release: Release, applied: Applied, *, waits: bool = True
) -> Rollout:
    """Walk to the end; the rollout as it is then. Without `waits` only until nothing is to be done for a moment.

    Raises CameBack when the candidate was found bad and traffic is back, Inconclusive when nobody could tell in time
    and it is back, too, Refused when it was turned down before it had any. Ctrl-C takes traffic back before it is
    passed on; a second one leaves everything as it is.
    """
    store = RolloutStore(world.objects)
    try:
        rollout, measures = set_out(world, session, store, rollout, release)
        if waits:
            watch_over(world, session, rollout)
        driver = _Driver(
            world=world,
            session=session,
            store=store,
            release=release,
            applied=applied,
            looks=Looks(world),
            told=rollout,
            waits=waits,
            began=world.clock.monotonic(),
        )
        while not driver.has_ended and not driver.rests:
            rollout = driver.turn(rollout, measures)
    except CameBack:
        _gone_back(world, session, store, rollout)
        raise
    except KeyboardInterrupt:
        _interrupted(world, session, store, rollout, release)
        raise
    if rollout.outcome == "reverted":
        follow(world)
        ended = ended_badly(rollout)
        if rollout.weight:
            tell_topics(world, "came-back", release=release.id, previous=rollout.stable, what=ended.what)
        call_off(world, rollout.id, session)
        raise ended
    if rollout.outcome is not None:
        call_off(world, rollout.id, session)
    return rollout


@dataclass
class _Driver:
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
    pending: dict[str, Order] = field(default_factory=dict)
    """Orders that were read and are not in the ledger yet, by their ids."""
    began: float = 0.0
    """When this driver began, by the clock's `monotonic`."""
    _seen: Observation | None = None

    def turn(self, rollout: Rollout, measures: Measures) -> Rollout:
        """Observe, ask, write down, tell, act; the rollout as it is then. Raises RemoteFault after many refusals."""
        try:
            self.session.hold()  # a machine that slept past its lease must not act on what it knew before
            action: Action = Finished()
            if rollout.outcome is None:
                seen = _look(self.world, self.store, self.looks, rollout, measures)
                self._seen = replace(seen, checked=self.checked, replies=self.replies)
                self.pending |= {order.id: order for order in self._seen.orders}
                rollout, action = advance(rollout, self._seen)
            if rollout.outcome == "promoted" and not self.is_live:
                self._finish()
            if rollout.outcome is not None:
                unmark(self.world, self.session)
            self._book(rollout.release)
            self.store.save(rollout, self.session)
            if self._seen is not None:
                tell_news(self.world, self.session, self.told, rollout, self._seen)
            self.told = rollout
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
            self.is_live = self.is_live or isinstance(action, Promote)
            self.refusals = 0
        except RemoteFault as fault:
            return self._refused(rollout, fault)
        return rollout

    def _do(self, action: Action, rollout: Rollout) -> tuple[int, str] | None:
        if not isinstance(action, Wait):
            self.looks.moved()
        return _act(self.world, self.session, action, rollout, self.release, self.applied)

    def _book(self, release: str) -> None:
        """Who ordered what and why, in the ledger before it is obeyed: an order that is taken up is not read again."""
        for order in tuple(self.pending.values()):
            self.session.record("order", {"release": release, "verb": order.verb, "by": order.by, "why": order.why})
            del self.pending[order.id]

    def _is_spent(self) -> bool:
        """Whether a visit has lasted so long that a webhook's answer might be too much for it."""
        return not self.waits and self.world.clock.monotonic() - self.began > LAST_QUESTION

    def _finish(self) -> None:
        """The pointer names the candidate, and the move behind it was not ours, or was refused half-way: end it."""
        self.session.forget()
        go_live(self.world, self.session, self.release, self.applied)
        self.is_live = True

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


def _interrupted(world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release) -> None:
    """Traffic goes back. That it does is written down first: another Ctrl-C leaves the way back to the next driver."""
    warn(world, "interrupted: traffic goes back to the stable release; once more leaves it where it is")
    rollout = replace(rollout, reverting="interrupted")
    store.save(rollout, session)
    if (read_pointer(world) or Pointer()).live_release == release.id:  # in the middle of the promotion
        session.forget()
        take_back(world, session, release, rollout.stable, "interrupted")
        _gone_back(world, session, store, rollout)
    else:
        _withdraw(world, session, store, rollout, release)


def _withdraw(world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release) -> None:
    """Take back what traffic the candidate has; it waits no more."""
    _act(world, session, Revert(rollout.reverting or ""), rollout, release, Applied())
    _gone_back(world, session, store, rollout)


def _gone_back(world: World, session: Session, store: RolloutStore, rollout: Rollout) -> None:
    unmark(world, session)
    store.save(rollout.ended("reverted"), session)
    follow(world)
    call_off(world, rollout.id, session)


def _informed(world: World, rollout: Rollout, measures: Measures) -> Rollout:
    """The rollout that knows what is normal; what it will be able to tell is said."""
    try:
        before = history(world, measures)
    except RemoteFault as fault:
        warn(world, f"the last hour cannot be read: {fault.what}")
        return rollout
    if is_weighted(rollout.steps):
        tell_unjudged(world, measures, frozenset(rollout.changed))
    said = foretell(before, rollout.changed, rollout.steps, rollout.rules, rollout.policy)
    if said:
        note(world, f"forecast: {said}")
    evidence = accumulate(rollout.evidence, before, rollout.policy, frozenset(rollout.changed))
    return replace(rollout, evidence=evidence)


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


def _quiet_alarms(world: World) -> tuple[str, ...]:
    """The alarms that may stop a rollout: ours of the slot to come, of `live` and of the API, and the user's by name.

    One that rings already would stop the fix as well: it is told, and the release is judged beside what runs.
    """
    workspace = world.workspace
    prefix = f"{workspace.prefix}-rollout-"
    slot = (read_pointer(world) or Pointer()).idle
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


def _ringing(world: World, rollout: Rollout) -> tuple[str, ...] | None:
    """The alarms that ring; None when one of them cannot be read, which is no good news."""
    if not rollout.alarms:
        return ()
    try:
        found = world.alarms.states(rollout.alarms)
    except RemoteFault as fault:
        warn(world, f"the alarms cannot be read, and nothing goes on without them: {fault.what}")
        return None
    gone = sorted(set(rollout.alarms) - set(found))
    if gone:
        warn(world, f"nothing goes on without the alarms that were there: {', '.join(gone)}")
        return None
    return tuple(sorted(name for name, state in found.items() if state.value == "ALARM"))


def _act(  # noqa: PLR0917 - what is to be done, and all that it takes
    world: World, session: Session, action: Action, rollout: Rollout, release: Release, applied: Applied
) -> tuple[int, str] | None:
    """Do it; what came of a check: the index of its step, and what was wrong."""
    names = {f.physical for f in world.workspace.functions} | {f.physical for f in release.functions.values()}
    session.forget()
    match action:
        case Wait(seconds=seconds):
            world.traffic_clock.sleep(seconds)
        case Check():
            return (rollout.at, _check(world, session, rollout))
        case Shift(percent=0):  # before its first share somebody else gave it one
            reach(session, Settled(), names)
        case Shift(percent=percent):
            warm(world)
            reach(session, Shared(release=release, percent=percent, callers=_callers(world)), names)
        case Promote():
            go_live(world, session, release, applied)
        case Revert():
            bring_back(world, session, _callers(world))
            reach(session, Settled(withdrawn=True), names)
        case Finished() | Ask():
            pass
    return None


def _callers(world: World) -> frozenset[str]:
    """Functions that something calls through `live`; HTTP callers and other services go to a slot."""
    return frozenset(f.physical for f in world.workspace.functions if shares_live(f))


def _look(world: World, store: RolloutStore, looks: Looks, rollout: Rollout, measures: Measures) -> Observation:
    """Everything that a decision needs; what cannot be read is left out, and asked for the next time."""
    now = world.traffic_clock.now()
    try:
        percent: int | None = looks.weight(rollout.release, _callers(world))
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
    return Observation(
        now=now,
        weight=percent,
        strata=found.strata,
        shares=found.shares,
        until=until,
        slow=late,
        alarms=_ringing(world, rollout),
        orders=store.orders(rollout),
        points=points(world, rollout, now),
    )
