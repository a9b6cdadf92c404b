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
from penstock.operations.history import read_history
from penstock.operations.promote import copy_artifacts, release_from
from penstock.operations.prune import collect
from penstock.operations.retained import retain
from penstock.operations.secrets import generate_missing
from penstock.operations.session import exclusive, nobody_at_work, somebody_is_at_it
from penstock.operations.steps import note, step, warn
from penstock.operations.store import ReleaseStore
from penstock.operations.summary import counted, summary
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
    remember_wanted,
    removed_after,
    seal,
    telling_of_the_root,
    wanted_shape,
    write_root,
)
from penstock.operations.verify import verify_release
from penstock.policy.destruction import loses_no_data_but
from penstock.release.effects import EnsureVersion
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
    whole: Release
    """The same with all services as the files say, whatever `--service` asks for."""
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
        nobody_at_work(world)
        with telling_of_the_root(world):
            planned = _plan(world, wanted, _live_release(world, pointer), request.allow_destroy, only=True)
        return _result(world, wanted, changed=False, live=False, plan=planned.plan)
    with telling_of_the_root(world), exclusive(world, f"deploy release {wanted.release.id}") as session:
        return _carry_out(world, session, wanted, request, confirm)


def _carry_out(world: World, session: Session, wanted: _Wanted, request: DeployRequest, confirm: Confirm) -> Deployed:
    live = _live_release(world, read_pointer(world))
    if request.services:
        # Once more, on what is live now that nobody else can change it.
        wanted = replace(wanted, release=only_services(wanted.whole, live, request.services))
    planned = _plan(world, wanted, live, request.allow_destroy, only=False)
    approvals = plans.admit(world, planned.plan, auto_approve=request.auto_approve, confirm=confirm)
    session.record("approved", {"plan": planned.plan.id, "by": [approval.by for approval in approvals]})
    remember_wanted(world, wanted.shape)
    if planned.saved is not None:
        if planned.saved.changed:
            apply_plan(world, planned.saved, sealed=planned.sealed)
        if is_contracted(world, wanted.shape):
            remember_applied(world, wanted.shape, live_url(world), planned.retained)
    generate_missing(world)
    if request.source is not None:
        copy_artifacts(world, request.source, wanted.release)
    release = replace(wanted.release, author=session.actor)
    with step(world, f"publish release {release.id}") as handle:
        upload(world, wanted.artifacts)
        ReleaseStore(world.objects).save(release)
        loaded = Loaded(release=release, applied=wanted.applied, offered=False)
        effects = reach(world, session, loaded, _names(world, release))
        handle.detail = counted(sum(isinstance(effect, EnsureVersion) for effect in effects), "new version")
    promoted = _walk(world, session, release, wanted, live)
    if promoted:
        contract(
            world,
            wanted.shape,
            live_url(world),
            retained=planned.retained,
            admitted=lambda change: loses_no_data_but(change, planned.plan),
        )
        collect(world, session)
    return _result(world, wanted, changed=True, live=promoted, plan=planned.plan)


def _walk(world: World, session: Session, release: Release, wanted: _Wanted, live: Release | None) -> bool:
    """Take the strategy's steps; whether the release went live."""
    pointer = read_pointer(world)
    already = pointer is not None and pointer.live_release == release.id
    for current in STRATEGIES[wanted.strategy]():
        match current:
            case Verify():
                if pointer is not None and not already:
                    with step(world, f"verify slot {pointer.idle}"):
                        verify_release(world, release.id, pointer.idle, _changed(world, release, live))
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
        return _Wanted(
            release=release,
            whole=release,
            artifacts=(),
            applied=Applied.of(release),
            shape=shape,
            strategy=strategy,
        )
    artifacts = world.builds().build(world.workspace, None, targets)
    whole = release = assemble(world, artifacts)
    if request.services:
        release = only_services(whole, _live_release(world, pointer), request.services)
    return _Wanted(
        release=release,
        whole=whole,
        artifacts=artifacts,
        applied=Applied.of(whole),
        shape=shape,
        strategy=strategy,
    )


def _nothing_to_do(world: World, wanted: _Wanted, pointer: Pointer | None) -> Deployed | None:
    """The answer of a deploy that has nothing to do, or None: pointer, lease, history, last apply, state are read."""
    if pointer is None or somebody_is_at_it(world):
        return None
    if read_history(world.objects).move is not None:
        return None  # interrupted after traffic had moved: whether the live release is well is still to be asked
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What would happen; Terraform's saved plan when there is one to apply, and what tells it from any other."""

    plan: Plan
    saved: TerraformPlan | None
    sealed: str | None
    retained: str | None


def _plan(world: World, wanted: _Wanted, live: Release | None, allow_destroy: Sequence[str], *, only: bool) -> _Planned:
    """Ask Terraform, unless it was asked the same before; `only` changes nothing that serves."""
    history = read_history(world.objects)
    if wanted.release.id in history.bad() and (live is None or live.id != wanted.release.id):
        what = f"release {wanted.release.id} was rolled back here: a deploy brings the same code back to traffic"
        warn(world, f"{what}; mend or revert it first, unless you mean it")
    before = read_applied(world)
    retained = retain(world, live, wanted.release, write=not only)
    saved: TerraformPlan | None = None
    changes: Sequence[ResourceChange] = ()
    if only or before.retained != retained or not is_current(world, wanted.shape, before):
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
        terraform_digest=document_digest(saved.document) if saved is not None and saved.changed else "",
        allow_destroy=allow_destroy,
        promotions=len(history.promotions),
    )
    text = summary(plan)
    plans.save(world, plan, text)
    world.events.emit(PlanReady(plan=plan.to_json(), summary=text))
    return _Planned(plan=plan, saved=saved, sealed=seal(world, saved) if saved else None, retained=retained)


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
