"""`penstock deploy`: from the files as they are to the release that answers.

Read `deploy` and `_carry_out` top to bottom: they are the whole flow, and each helper is one arrow of it. Everything
before `exclusive` only reads; everything inside it holds the environment's lease.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.infra.expand import expanded
from penstock.model.errors import UsageError
from penstock.model.events import NothingToDo, PlanReady
from penstock.operations import plans
from penstock.operations.artifacts import prepare_store, upload
from penstock.operations.assemble import assemble, only_services
from penstock.operations.engine import reach, read_pointer
from penstock.operations.promote import copy_artifacts, release_from
from penstock.operations.prune import collect
from penstock.operations.retained import retain
from penstock.operations.secrets import generate_missing
from penstock.operations.session import exclusive, somebody_is_at_it
from penstock.operations.steps import note, step
from penstock.operations.store import ReleaseStore
from penstock.operations.summary import summary
from penstock.operations.switch import go_live, live_url
from penstock.operations.terraform import (
    apply_plan,
    contract,
    document_digest,
    is_contracted,
    is_current,
    make_plan,
    read_applied,
    remember_applied,
    removed_after,
    wanted_shape,
    write_root,
)
from penstock.operations.verify import verify_slot
from penstock.release.reconcile import Applied, Loaded
from penstock.rollout.strategies import STRATEGIES, AwaitSwitch, SetWeight, Verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.artifact import Artifact, Target
    from penstock.model.plan import Plan, ResourceChange
    from penstock.model.release import Pointer, Release
    from penstock.model.workspace import Function
    from penstock.operations.session import Session
    from penstock.operations.terraform import Shape
    from penstock.operations.world import Confirm, World
    from penstock.ports import TerraformPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """What the person asked for."""

    services: tuple[str, ...] = ()
    """Only these; empty for all."""
    plan_only: bool = False
    auto_approve: bool = False
    strategy: str | None = None
    """Instead of the environment's."""
    source: World | None = None
    """The environment whose live release is promoted; None builds from the files."""
    allow_destroy: tuple[str, ...] = ()
    """Addresses of data-bearing resources that may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """How a deploy ended. `live` is False when the release waits in the idle slot, or was only planned."""

    environment: str
    release: str
    changed: bool
    live: bool
    url: str | None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to run: the release, the ZIPs it is made of, and what Terraform will have put there for it."""

    release: Release
    artifacts: tuple[Artifact, ...]
    applied: Applied
    shape: Shape
    strategy: str


def deploy(world: World, request: DeployRequest, targets: Mapping[str, Target], confirm: Confirm) -> Deployed:
    """Carry out one deploy. The errors of `model.errors` say how else it can end.

    Args:
        world: the environment.
        request: what was asked for.
        targets: what each unit is built for.
        confirm: asks the person, where the policy wants a yes.
    """
    _check(world, request)
    pointer = read_pointer(world)
    wanted = _wanted(world, request, targets, pointer)
    if not request.plan_only:
        idle = _nothing_to_do(world, wanted, pointer)
        if idle is not None:
            return idle
    prepare_store(world)
    if request.plan_only:
        plan, _ = _plan(world, wanted, _live_release(world, pointer), only=True)
        return _result(world, wanted, changed=False, live=False, plan=plan)
    with exclusive(world, f"deploy release {wanted.release.id}") as session:
        return _carry_out(world, session, wanted, request, confirm)


def _carry_out(world: World, session: Session, wanted: _Wanted, request: DeployRequest, confirm: Confirm) -> Deployed:
    live = _live_release(world, read_pointer(world))
    plan, saved = _plan(world, wanted, live, only=False)
    approvals = plans.admit(
        world, plan, auto_approve=request.auto_approve, confirm=confirm, allow_destroy=request.allow_destroy
    )
    session.record("approved", {"plan": plan.id, "by": [approval.by for approval in approvals]})
    if saved is not None:
        if saved.changed:
            session.hold_for_long()
            apply_plan(world, saved)
        if is_contracted(world, wanted.shape):
            remember_applied(world, wanted.shape, live_url(world))
    generate_missing(world)
    if request.source is not None:
        copy_artifacts(world, request.source, wanted.release)
    upload(world, wanted.artifacts)
    release = replace(wanted.release, author=session.actor)
    ReleaseStore(world.objects).save(release)
    reach(world, session, Loaded(release=release, applied=wanted.applied, offered=False), _names(world, release))
    promoted = _walk(world, session, release, wanted, live)
    if promoted:
        contract(world, wanted.shape, live_url(world))
        collect(world, session)
    return _result(world, wanted, changed=True, live=promoted, plan=plan)


def _walk(world: World, session: Session, release: Release, wanted: _Wanted, live: Release | None) -> bool:
    """Take the strategy's steps; whether the release went live."""
    pointer = read_pointer(world)
    already = pointer is not None and pointer.live_release == release.id
    for current in STRATEGIES[wanted.strategy]():
        match current:
            case Verify():
                if pointer is not None and not already:
                    with step(world, f"verify slot {pointer.idle}"):
                        verify_slot(world, pointer.idle, _changed(world, release, live))
                offered = Loaded(release=release, applied=wanted.applied)
                reach(world, session, offered, _names(world, release))
            case AwaitSwitch():
                if not already:
                    name = world.workspace.environment.name
                    note(
                        world,
                        f"release {release.id} waits beside the live one; to move traffic: penstock switch -e {name}",
                    )
                    return False
            case SetWeight():
                go_live(world, session, release, wanted.applied)
    return True


# ------------------------------------------------------------------------------------------ what is wanted


def _check(world: World, request: DeployRequest) -> None:
    known = {service.name for service in world.workspace.services}
    unknown = sorted(set(request.services) - known)
    if unknown:
        raise UsageError(f"there is no service {', '.join(unknown)}", hint=f"one of: {', '.join(sorted(known))}")
    if request.services and request.source is not None:
        raise UsageError("--service and --from do not go together", hint="a promotion takes the whole release")


def _wanted(world: World, request: DeployRequest, targets: Mapping[str, Target], pointer: Pointer | None) -> _Wanted:
    strategy = request.strategy or world.workspace.environment.rollout.strategy
    shape = wanted_shape(world)
    if request.source is not None:
        release = release_from(world, request.source, targets)
        return _Wanted(release=release, artifacts=(), applied=Applied.of(release), shape=shape, strategy=strategy)
    artifacts = world.builds.build(world.workspace, None, targets)
    release = assemble(world, artifacts)
    applied = Applied.of(release)
    if request.services:
        release = only_services(release, _live_release(world, pointer), request.services)
    return _Wanted(release=release, artifacts=artifacts, applied=applied, shape=shape, strategy=strategy)


def _nothing_to_do(world: World, wanted: _Wanted, pointer: Pointer | None) -> Deployed | None:
    """The answer of a deploy that has nothing to do, or None: pointer, lease, last apply and state are read."""
    if pointer is None or somebody_is_at_it(world):
        return None
    before = read_applied(world)
    if not is_current(world, wanted.shape, before):
        return None
    release = wanted.release.id
    if pointer.live_release == release and pointer.candidate is None:
        reason = f"release {release} is live and no input of it changed"
    elif pointer.candidate and pointer.slot(pointer.candidate).release == release and _waits(wanted):
        name = world.workspace.environment.name
        reason = f"release {release} waits in slot {pointer.candidate}; to move traffic: penstock switch -e {name}"
    else:
        return None
    world.events.emit(NothingToDo(reason=reason))
    return Deployed(
        environment=wanted.release.environment,
        release=release,
        changed=False,
        live=pointer.live_release == release,
        url=before.url,
    )


def _waits(wanted: _Wanted) -> bool:
    return wanted.strategy in STRATEGIES and AwaitSwitch() in STRATEGIES[wanted.strategy]()


# ------------------------------------------------------------------------------------------ plan and infrastructure


def _plan(world: World, wanted: _Wanted, live: Release | None, *, only: bool) -> tuple[Plan, TerraformPlan | None]:
    """What would happen, and Terraform's saved plan when there is one to apply; `only` leaves no trace in AWS."""
    before = read_applied(world)
    kept_grants_changed = retain(world, live, wanted.release, write=not only)
    saved: TerraformPlan | None = None
    changes: Sequence[ResourceChange] = ()
    if only or kept_grants_changed or not is_current(world, wanted.shape, before):
        write_root(world, expanded(wanted.shape.root, before.root))
        saved, changes = make_plan(world)
        if only:
            write_root(world, wanted.shape.root)
    else:
        with step(world, "terraform") as handle:
            handle.skip("its inputs are those of the last apply")
    plan = plans.make(
        wanted.release,
        live,
        (*changes, *removed_after(wanted.shape, before)),
        strategy=wanted.strategy,
        terraform_digest=document_digest(saved.document) if saved is not None and changes else "",
    )
    text = summary(plan)
    plans.save(world, plan, text)
    world.events.emit(PlanReady(plan=plan.to_json(), summary=text))
    return plan, saved


# ------------------------------------------------------------------------------------------ small things


def _live_release(world: World, pointer: Pointer | None) -> Release | None:
    if pointer is None or pointer.live_release is None:
        return None
    return ReleaseStore(world.objects).get(pointer.live_release)


def _names(world: World, release: Release) -> set[str]:
    """Physical names of every function that matters: the workspace's and the release's."""
    return {function.physical for function in world.workspace.functions} | {
        function.physical for function in release.functions.values()
    }


def _changed(world: World, release: Release, live: Release | None) -> list[Function]:
    """The functions whose code, configuration or routes are not those of the live release."""
    if live is None or live.api != release.api:
        return list(world.workspace.functions)
    return [f for f in world.workspace.functions if live.functions.get(f.key) != release.functions.get(f.key)]


def _result(world: World, wanted: _Wanted, *, changed: bool, live: bool, plan: Plan | None) -> Deployed:
    return Deployed(
        environment=world.workspace.environment.name,
        release=wanted.release.id,
        changed=changed,
        live=live,
        url=live_url(world),
        plan=plan,
    )
