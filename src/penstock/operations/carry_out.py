"""What a deploy does once there is something to do.

Read `_ship` and `_walk` top to bottom: they are the whole flow, and each helper is one arrow of it. Everything in
them holds the environment's lease.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.infra.expand import expanded
from penstock.model.errors import Refused
from penstock.model.events import PlanReady
from penstock.operations import plans
from penstock.operations.alarms import quiet_alarms
from penstock.operations.artifacts import prepare_store, upload
from penstock.operations.assemble import only_services
from penstock.operations.bake import bake, bake_under_way, begin_bake, begin_behind, behind
from penstock.operations.callers import judged
from penstock.operations.engine import names_of, reach
from penstock.operations.history import read_history
from penstock.operations.holder import nobody_at_work
from penstock.operations.moves import go_live, origin_of
from penstock.operations.planned_walk import arriving, changed_functions, forecast_of, traffic_of, walks_of
from penstock.operations.pointer import live_url, read_pointer
from penstock.operations.promote import copy_artifacts
from penstock.operations.prune import collect
from penstock.operations.recall import recalled
from penstock.operations.retained import as_variables, retain, to_retain
from penstock.operations.rollout import begin, drive, leave
from penstock.operations.rollout_store import RolloutStore, mark
from penstock.operations.secrets import generate_missing
from penstock.operations.session import exclusive
from penstock.operations.steps import note, step, warn
from penstock.operations.store import ReleaseStore
from penstock.operations.summary import counted, summary
from penstock.operations.terraform import (
    apply_plan,
    contract,
    document_digest,
    is_contracted,
    is_current,
    make_plan,
    read_applied,
    read_wanted,
    remember_applied,
    remember_wanted,
    removed_after,
    seal,
    telling_of_the_root,
    write_root,
)
from penstock.operations.verify import verify_release
from penstock.operations.wanted import Deployed, live_release
from penstock.operations.warmth import follow
from penstock.operations.way_back import way_back
from penstock.policy.destruction import loses_no_data_but
from penstock.release.effects import EnsureVersion
from penstock.release.reconcile import Applied, Loaded
from penstock.rollout.strategies import (
    AwaitSwitch,
    Bake,
    Verify,
    is_walked,
    is_weighted,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from penstock.model.plan import Plan, ResourceChange
    from penstock.model.release import Release
    from penstock.operations.bake import Baking
    from penstock.operations.session import Session
    from penstock.operations.wanted import DeployRequest, Wanted
    from penstock.operations.world import Confirm, World
    from penstock.ports import TerraformPlan
    from penstock.rollout.state import Rollout
    from penstock.rollout.strategies import Step


def plan_only(world: World, wanted: Wanted, request: DeployRequest) -> Deployed:
    """Say what a deploy would do; nothing that serves is changed."""
    prepare_store(world)
    nobody_at_work(world)
    with telling_of_the_root(world):
        planned = _plan(world, wanted, live_release(world, read_pointer(world)), request.allow_destroy, only=True)
    reached = _result(world, wanted, changed=False, live=False, plan=planned.plan)
    return replace(reached, forecast=planned.forecast)


def carry_out(world: World, wanted: Wanted, request: DeployRequest, confirm: Confirm) -> Deployed:
    """Plan, ask, apply, publish, verify, move traffic: with the environment's lease."""
    prepare_store(world)
    release = wanted.release
    with telling_of_the_root(world):
        with exclusive(world, f"deploy release {release.id}", resuming=release.id) as session:
            unfinished = RolloutStore(world.objects).under_way()
            walked: Rollout | None = None
            if unfinished is not None:
                note(world, f"the rollout of {release.id} goes on at {unfinished.weight} %")
                if request.detach:
                    _detach(world, session, unfinished, release)
                    return replace(_result(world, wanted, changed=True, live=False, plan=None), detached=True)
                walked = drive(world, session, unfinished, release, Applied.of(wanted.whole))
            shipped = _ship(world, session, wanted, request, confirm, walked)
        if shipped.baking is not None and bake(world, shipped.baking) and shipped.planned is not None:
            with behind(world, shipped.baking) as held:
                if held is not None and _is_wanted(world, shipped.wanted):
                    _clean_up(world, held, shipped.wanted, shipped.planned)
    reached = shipped.reached
    return replace(reached, back=way_back(world)) if reached.live else reached


def _ship(  # noqa: PLR0917 - what was asked for, and what was walked of it
    world: World, session: Session, wanted: Wanted, request: DeployRequest, confirm: Confirm, walked: Rollout | None
) -> _Shipped:
    live = live_release(world, session.pointer())
    # Before anybody is asked anything: it is live, and that it is watched does not hang on their answer.
    watched = begin_behind(world, session, walked) if walked is not None else None
    if request.services:
        # Once more, on what is live now that nobody else can change it.
        wanted = replace(wanted, release=only_services(wanted.whole, live, request.services))
    planned = _plan(world, wanted, live, request.allow_destroy, only=False)
    try:
        approvals = plans.admit(world, planned.plan, auto_approve=request.auto_approve, confirm=confirm)
    except Refused as refused:
        if walked is None:
            raise
        left = "; ".join(refused.what.splitlines())
        note(world, f"what else there is to do is left to the next penstock deploy -e {walked.environment}: {left}")
        reached = _result(world, wanted, changed=True, live=True, plan=planned.plan)
        return _Shipped(reached=reached, wanted=wanted, planned=None, baking=watched)
    session.record("approved", {"plan": planned.plan.id, "by": [approval.by for approval in approvals]})
    remember_wanted(session, wanted.shape, wanted.release.id)
    retain(world, session, planned.retained)
    if planned.saved is not None:
        if planned.saved.changed:
            apply_plan(world, session, planned.saved, sealed=planned.sealed)
            session.forget()
        if is_contracted(world, wanted.shape):
            remember_applied(world, session, wanted.shape, planned.retained)
    session.hold()
    generate_missing(world)
    if request.source is not None:
        copy_artifacts(world, request.source, wanted.release)
    release = replace(wanted.release, author=session.actor)
    with step(world, f"publish release {release.id}") as handle:
        upload(world, wanted.artifacts)
        ReleaseStore(world.objects).save(release)
        loaded = Loaded(release=release, applied=Applied.of(wanted.whole), offered=False)
        effects = reach(session, loaded, names_of(world, release))
        handle.detail = counted(sum(isinstance(effect, EnsureVersion) for effect in effects), "new version")
    authors = plans.authors_of(world, planned.plan)
    promoted, baking = _walk(world, session, release, wanted, live, detach=request.detach, authors=authors)
    if walked is not None:
        baking = watched
    if promoted and baking is None:
        _clean_up(world, session, wanted, planned)
    reached = _result(world, wanted, changed=True, live=promoted, plan=planned.plan)
    detached = replace(reached, detached=request.detach and not promoted)
    return _Shipped(reached=detached, wanted=wanted, planned=planned, baking=baking)


def _clean_up(world: World, session: Session, wanted: Wanted, planned: _Planned) -> None:
    """Away with what only the release before needed, and with what nothing needs."""
    if recalled(world, wanted.release.id):
        note(world, "somebody is about to go back from it: nothing is removed")
        return
    contract(
        world,
        session,
        wanted.release,
        wanted.shape,
        retained=planned.retained,
        admitted=lambda change: loses_no_data_but(change, planned.plan),
    )
    session.forget()
    follow(world, session, forgotten=True)
    collect(world, session)


def _is_wanted(world: World, wanted: Wanted) -> bool:
    """Whether nobody has admitted another shape while nobody held the environment."""
    shape = read_wanted(world)
    return shape is not None and shape.fingerprint == wanted.shape.fingerprint


def _walk(
    world: World,
    session: Session,
    release: Release,
    wanted: Wanted,
    live: Release | None,
    *,
    detach: bool,
    authors: Collection[str],
) -> tuple[bool, Baking | None]:
    """Take the strategy's steps; whether the release went live, and what is to be watched then."""
    pointer = session.pointer()
    already = pointer is not None and pointer.live_release == release.id
    applied, changed = Applied.of(wanted.whole), changed_functions(world, release, live)
    whole, steps = walks_of(world, wanted.strategy, changed, live)
    walks = not already and is_walked(steps)
    for current in whole:
        match current:
            case Verify():
                if pointer is not None and not already:
                    with step(world, f"verify slot {pointer.idle}"):
                        verify_release(world, session, release.id, pointer.idle, changed)
                if live is not None and walks:  # Terraform must not switch to what is offered only to be walked
                    mark(world, session, release.id)
                loaded = Loaded(release=release, applied=applied, new=arriving(world, release, live))
                reach(session, loaded, names_of(world, release))
            case AwaitSwitch():
                if not already:
                    name = world.workspace.environment.name
                    if world.workspace.environment.rollout.webhooks:
                        warn(world, "no webhook is asked: with blue-green a person decides, by penstock switch")
                    note(
                        world,
                        f"release {release.id} waits beside the live one; to move traffic: penstock switch -e {name}",
                    )
                    return False, None
            case _:
                break
    _say_who_is_not_asked(world, steps, live)
    if live is None or not walks:
        return True, _move_all(world, session, release, live, applied)
    _say_what_is_not_there(world, steps)
    rollout = begin(world, release, live.id, steps=steps, changed=judged(changed, live), authors=authors)
    if detach:
        _detach(world, session, rollout, release)
        return False, None
    return True, begin_behind(world, session, drive(world, session, rollout, release, applied))


def _move_all(
    world: World, session: Session, release: Release, live: Release | None, applied: Applied
) -> Baking | None:
    """All traffic in one move; what is to be watched then.

    A release that is live already may bake: the same deploy again watches on, and removes nothing before.
    """
    arrived = live is not None and live.id == release.id
    begun = bake_under_way(world, release.id) if arrived else None
    history = read_history(world.objects)
    previous = origin_of(history, live.id if live else None, release.id)
    previous = None if previous in history.bad() else previous  # a killed rollback has left it
    bakes = bool(world.workspace.environment.rollout.bake_after) and previous not in (None, release.id)
    alarms = quiet_alarms(world, arrived=arrived) if bakes else ()
    go_live(world, session, release, applied)
    return begun or begin_bake(world, session, release.id, previous, alarms)


def _say_what_is_not_there(world: World, steps: Sequence[Step]) -> None:
    """A canary on request, in an environment whose own strategy judges nothing, misses what Terraform makes for one."""
    environment = world.workspace.environment
    if environment.rollout.is_judged or not any(isinstance(step, Bake) for step in steps):
        return
    log = ", 5xx that a handler answers itself are not seen" if environment.profile == "minimal" else ""
    warn(
        world,
        f"no alarms of ours stop this rollout{log}, and nobody goes on with it should this command die, because "
        f'{environment.name} has strategy = "{environment.rollout.strategy}"; '
        f"name the strategy in [environments.{environment.name}.rollout] to have all of it",
    )


def _say_who_is_not_asked(world: World, steps: tuple[Step, ...], live: Release | None) -> None:
    """A gate that nobody will ask on this walk is told, and not skipped silently."""
    policy = world.workspace.environment.rollout
    if policy.webhooks and live is None:
        note(world, "this is the first release: there is no traffic that webhooks could keep from it")
    if policy.metrics and live is not None and not is_weighted(steps):
        names = ", ".join(metric.name for metric in policy.metrics)
        warn(world, f"nobody looks at {names}: this release shares no traffic with the one before")


def _detach(world: World, session: Session, rollout: Rollout, release: Release) -> None:
    """Leave the walk to the controller in the account."""
    leave(world, session, rollout, release)
    session.record("detached", {"release": release.id, "rollout": rollout.id})
    if world.workspace.environment.after.smoke:
        note(world, "it asks the health routes; smoke tests run where a command promotes")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What would happen; Terraform's saved plan when there is one to apply, and what tells it from any other."""

    plan: Plan
    saved: TerraformPlan | None
    sealed: str | None
    retained: str | None
    forecast: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shipped:
    """How it went, what was shipped by which plan, and what is still to be watched before the end."""

    reached: Deployed
    wanted: Wanted
    """With `--service` its release has what is live now of the others."""
    planned: _Planned | None
    """None where it waits for a yes, behind a rollout that was resumed and has promoted the release."""
    baking: Baking | None


def _plan(world: World, wanted: Wanted, live: Release | None, allow_destroy: Sequence[str], *, only: bool) -> _Planned:
    """Ask Terraform, unless it was asked the same before; `only` changes nothing that serves."""
    history = read_history(world.objects)
    if wanted.release.id in history.bad() and (live is None or live.id != wanted.release.id):
        what = f"release {wanted.release.id} was rolled back here: a deploy brings the same code back to traffic"
        warn(world, f"{what}; mend or revert it first, unless you mean it")
    before = read_applied(world)
    retained = to_retain(world, live, wanted.release)
    saved: TerraformPlan | None = None
    changes: Sequence[ResourceChange] = ()
    if only or before.retained != retained or not is_current(world, wanted.shape, before):
        write_root(world, expanded(wanted.shape.root, before.root))
        saved, changes = make_plan(world, variables=as_variables(retained))
        if only:
            write_root(world, wanted.shape.root)
    else:
        with step(world, "terraform") as handle:
            handle.skip("its inputs are those of the last apply")
    traffic, policy = traffic_of(world, wanted, live)
    plan = plans.make(
        wanted.release,
        live,
        (*changes, *removed_after(wanted.shape, before)),
        strategy=wanted.strategy,
        terraform_digest=document_digest(saved.document) if saved is not None and saved.changed else "",
        allow_destroy=allow_destroy,
        promotions=len(history.promotions),
        walk=traffic,
        rollout=policy,
    )
    forecast = forecast_of(world, wanted, live) if only and policy is not None and not plan.is_empty else None
    text = summary(plan, forecast or "")
    plans.save(world, plan, text)
    world.events.emit(PlanReady(plan={**plan.to_json(), "forecast": forecast}, summary=text))
    sealed = seal(world, saved) if saved else None
    return _Planned(plan=plan, saved=saved, sealed=sealed, retained=retained, forecast=forecast)


# ------------------------------------------------------------------------------------------ small things


def _result(world: World, wanted: Wanted, *, changed: bool, live: bool, plan: Plan | None) -> Deployed:
    return Deployed(
        environment=world.workspace.environment.name,
        release=wanted.release.id,
        changed=changed,
        live=live,
        url=live_url(world),
        plan=plan,
    )
