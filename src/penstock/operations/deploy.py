"""`penstock deploy`: from the files as they are to the release that answers.

Here is what only reads: what is wanted, and whether there is anything to do. `carry_out` does the rest, and is loaded
when there is something: a deploy with nothing to do is over before half of Penstock is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import UsageError
from penstock.model.events import NothingToDo
from penstock.model.names import instead_of
from penstock.operations.history import read_history
from penstock.operations.holder import in_turn, somebody_is_at_it
from penstock.operations.late import somebody_late
from penstock.operations.pointer import agrees, live_stage, live_url, read_pointer
from penstock.operations.rollout_store import RolloutStore, is_marked
from penstock.operations.terraform import is_current, read_applied
from penstock.operations.wanted import Deployed, wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.artifact import Target
    from penstock.model.release import Pointer
    from penstock.operations.wanted import DeployRequest, Wanted
    from penstock.operations.world import Confirm, World


def deploy(world: World, request: DeployRequest, targets: Mapping[str, Target], confirm: Confirm) -> Deployed:
    """Carry out one deploy. The errors of `model.errors` say how else it can end.

    Args:
        world: the environment.
        request: what was asked for.
        targets: what each unit is built for.
        confirm: asks the person, where the policy wants a yes.
    """
    _check(world, request)
    return in_turn(world, request.lock_timeout, lambda: _deploy(world, request, targets, confirm))


def _deploy(world: World, request: DeployRequest, targets: Mapping[str, Target], confirm: Confirm) -> Deployed:
    pointer = read_pointer(world)
    found = wanted(world, request, targets, pointer)
    if not request.plan_only:
        idle = _nothing_to_do(world, found, pointer)
        if idle is not None:
            return idle
    from penstock.operations.carry_out import carry_out, plan_only  # noqa: PLC0415 - start-up counts

    if request.plan_only:
        return plan_only(world, found, request)
    return carry_out(world, found, request, confirm)


def _check(world: World, request: DeployRequest) -> None:
    known = {service.name for service in world.workspace.services}
    unknown = sorted(set(request.services) - known)
    if unknown:
        raise UsageError(f"there is no service {', '.join(unknown)}", hint=instead_of(unknown, known))
    name, policy = world.workspace.environment.name, world.workspace.environment.rollout
    if request.strategy == "custom" and not policy.steps:
        raise UsageError(
            f"{name} spells no steps out",
            hint=f'write strategy = "custom" and steps = [...] in [environments.{name}.rollout]',
        )
    if request.detach:
        _check_detached(world, request)
    if request.services and request.source is not None:
        raise UsageError("--service and --from do not go together", hint="a promotion takes the whole release")


def _check_detached(world: World, request: DeployRequest) -> None:
    from penstock.operations.watchdog import require_controller  # noqa: PLC0415 - start-up counts
    from penstock.rollout.strategies import STRATEGIES, is_walked  # noqa: PLC0415

    policy = world.workspace.environment.rollout
    strategy = request.strategy or policy.strategy
    if not is_walked(STRATEGIES[strategy](policy)):
        raise UsageError(
            f"there is nothing to detach: {strategy} takes no time", hint="leave --detach out, or: --strategy canary"
        )
    require_controller(world)


def _nothing_to_do(world: World, wanted: Wanted, pointer: Pointer | None) -> Deployed | None:
    """The answer of a deploy that has nothing to do, or None."""
    if pointer is None or not _is_at_rest(world, pointer):
        return None
    before = read_applied(world)
    if not is_current(world, wanted.shape, before):
        return None
    release = wanted.release.id
    if pointer.live_release == release and pointer.candidate is None:
        reason = f"release {release} is live and no input of it changed"
    elif pointer.waiting == release and _waits(wanted):
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
        url=live_url(world, before.api),
    )


def _is_at_rest(world: World, pointer: Pointer) -> bool:
    """Whether nobody is at work, and nothing is left by a crash or by a driver that woke up past its lease."""
    if somebody_is_at_it(world) or RolloutStore(world.objects).under_way() is not None or is_marked(world):
        return False
    history = read_history(world.objects)
    if history.move is not None or not history.has_booked(pointer.live_release):
        return False  # interrupted after traffic had moved, or moved by hand: whether it is well is still to be asked
    return somebody_late(world) is None and agrees(pointer, live_stage(world), shared=False)


def _waits(wanted: Wanted) -> bool:
    return wanted.strategy == "blue-green"
