"""A rollout from its beginning to its end, by whoever drives it: a command, or the controller's visits.

All of it runs under the environment's lease. Whatever ends the process leaves `rollout.json` with the decision before
the effect, and the weight in AWS: the next command goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.model.errors import CameBack, RemoteFault
from penstock.model.release import Pointer, other
from penstock.operations.alarms import quiet_alarms
from penstock.operations.bake import baking_of
from penstock.operations.driver import Driver, act
from penstock.operations.foretell import foretell, tell_unjudged
from penstock.operations.history import read_history
from penstock.operations.looks import Looks
from penstock.operations.measure import compared, history, watched
from penstock.operations.moves import take_back
from penstock.operations.notices import tell_topics
from penstock.operations.pointer import read_pointer
from penstock.operations.rollout_news import ended_badly
from penstock.operations.rollout_store import RolloutStore, mark, unmark
from penstock.operations.steps import note, warn
from penstock.operations.store import ReleaseStore
from penstock.operations.warmth import follow
from penstock.operations.watchdog import call_off, hand_over, watch_over
from penstock.release.reconcile import Applied
from penstock.rollout.gates import gates_of
from penstock.rollout.judge import JudgePolicy, accumulate
from penstock.rollout.state import Revert, Rollout, Rules
from penstock.rollout.strategies import ALL, is_weighted

if TYPE_CHECKING:
    from collections.abc import Collection

    from penstock.model.release import Release
    from penstock.model.rollouts import RolloutPolicy
    from penstock.operations.measure import Measures
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.rollout.strategies import Step

DEADLINE = 3600.0
"""Seconds after which an undecided rollout goes back where nothing is said."""


def begin(
    world: World,
    release: Release,
    stable: str,
    *,
    steps: tuple[Step, ...],
    changed: frozenset[str],
    authors: Collection[str],
) -> Rollout:
    """The walk of a release that is verified in the idle slot: not a step of it is taken yet.

    `authors` are who made its plan and who ships it.
    """
    policy = world.workspace.environment.rollout
    now = world.traffic_clock.now()
    candidate = (read_pointer(world) or Pointer()).idle
    return Rollout(
        id=f"{release.id}-{world.run}",
        environment=world.workspace.environment.name,
        release=release.id,
        stable=stable,
        steps=steps,
        rules=rules_of(world, changed, ReleaseStore(world.objects).get(stable)),
        policy=judge_policy(policy),
        changed=tuple(sorted(changed)),
        authors=() if world.workspace.environment.approvals.self_approval else tuple(sorted(authors)),
        alarms=quiet_alarms(world),
        gates=gates_of(policy.metrics, candidate=candidate, stable=other(candidate)),
        began=now,
        entered=now,
        moved=now,
    )


def rules_of(world: World, changed: frozenset[str], live: Release | None) -> Rules:
    """How the configuration has a release of these services walked, beside the live one."""
    policy = world.workspace.environment.rollout
    return Rules(
        on_inconclusive=policy.on_inconclusive,
        deadline=policy.deadline or DEADLINE,
        delay=policy.delay,
        slowest=slowest(world, changed, live),
        timeouts={
            service.name: slowest(world, frozenset({service.name}), live) for service in world.workspace.services
        },
    )


def slowest(world: World, changed: frozenset[str], live: Release | None) -> float:
    """The longest time, in seconds, that a function of these services may run on either side.

    A release that shortens a timeout is not judged by its own errors alone while the live one's are still to come.
    """
    functions = (*world.workspace.functions, *(live.functions.values() if live else ()))
    return float(max((f.timeout for f in functions if f.service in changed), default=0))


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

    A rollout that was under way before keeps what it is measured by. Raises UsageError when another version of Penstock
    has begun it.
    """
    store.require_known(rollout)
    changed = frozenset(rollout.changed)
    is_live = (session.pointer() or Pointer()).live_release == release.id  # and there is nothing to compare it with
    observed = session.glance(() if is_live else compared(world, changed))
    measures = watched(world, observed, observed.pointer.idle, changed, rollout.slow)
    if rollout.slow is None:
        rollout = replace(_informed(world, rollout, measures), slow=measures.slow)
    store.save(rollout, session)
    mark(world, session, release.id)  # again: who slept past its lease may have taken it away when it woke
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
        back = read_history(world.objects).is_taking_back(release.id, rollout.stable)
        driver = Driver(
            world=world,
            session=session,
            store=store,
            release=release,
            applied=applied,
            looks=Looks(world, session),
            told=rollout,
            waits=waits,
            promotes=back,
            began=world.clock.monotonic(),
        )
        while not driver.has_ended and not driver.rests:
            rollout = driver.turn(rollout, measures)
    except CameBack as back:  # from all traffic
        known, why = store.saved or rollout, back.what.partition("\n")[0]
        _gone_back(world, session, store, replace(known, weight=ALL, reverting=known.reverting or why))
        raise
    except KeyboardInterrupt:  # in the middle of a turn, of which only the store knows how far it came
        _interrupted(world, session, store, store.saved or rollout, release)
        raise
    if rollout.outcome == "reverted":
        follow(world, session)
        ended = ended_badly(rollout)
        if rollout.weight:
            tell_topics(world, "came-back", release=release.id, previous=rollout.stable, what=ended.what)
        call_off(world, rollout.id, session)
        raise ended
    if rollout.outcome is not None and not baking_of(world, rollout):
        call_off(world, rollout.id, session)
    return rollout


def _interrupted(world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release) -> None:
    """Traffic goes back; another Ctrl-C leaves the way back to the next driver."""
    warn(world, "interrupted: traffic goes back to the stable release; once more leaves it where it is")
    undo(world, session, store, replace(rollout, reverting="interrupted"), release)


def undo(world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release) -> None:
    """Traffic goes back, from the middle of the promotion as well, for the reason that the rollout is `reverting`.

    That it does is written down first, for whoever finds this cut short: a second Ctrl-C may be on its way.
    """
    store.save(rollout, session)
    what = f"goes back: {rollout.reverting}"
    session.record("rollout", {"release": release.id, "weight": rollout.weight, "what": what})
    if (read_pointer(world) or Pointer()).live_release == release.id:  # in the middle of the promotion
        session.forget()
        take_back(world, session, release, rollout.stable, rollout.reverting or "")
        _gone_back(world, session, store, rollout)
    else:
        _withdraw(world, session, store, rollout, release)


def _withdraw(world: World, session: Session, store: RolloutStore, rollout: Rollout, release: Release) -> None:
    """Take back what traffic the candidate has; it waits no more."""
    act(world, session, Revert(rollout.reverting or ""), rollout, release, Applied())
    _gone_back(world, session, store, rollout)


def _gone_back(world: World, session: Session, store: RolloutStore, rollout: Rollout) -> None:
    unmark(world, session)
    store.save(rollout.ended("reverted", at=world.traffic_clock.now()), session)
    follow(world, session)
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
