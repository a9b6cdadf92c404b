"""`penstock approve`: a yes to exactly one plan, or to the step of a rollout that waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.errors import Refused, UsageError
from penstock.operations import plans
from penstock.operations.orders import tell
from penstock.operations.rollout_store import RolloutStore
from penstock.rollout.advance import step_of
from penstock.rollout.strategies import Approve

if TYPE_CHECKING:
    from penstock.model.plan import Approval
    from penstock.operations.orders import Told
    from penstock.operations.world import World
    from penstock.rollout.state import Rollout

SHORTEST = 6
"""Characters of a release's id that name it."""


def approve(world: World, what: str, *, why: str = "") -> Approval | Told:
    """Say yes as the STS caller, to the plan of this id or to the rollout of the release whose id begins so.

    Raises NotFound when there is neither, Refused when it is the caller's own and the policy wants somebody else,
    UsageError when the rollout does not wait for an approval.
    """
    rollout = RolloutStore(world.objects).under_way()
    if rollout is None or len(what) < SHORTEST or not rollout.release.startswith(what):
        return plans.approve(world, what, why=why)
    _may_say_yes(world, rollout)
    return tell(world, "approve", why=why)


def _may_say_yes(world: World, rollout: Rollout) -> None:
    name = rollout.environment
    RolloutStore.require_known(rollout)
    if not isinstance(step_of(rollout), Approve):
        raise UsageError(
            f"the rollout of {rollout.release} does not wait for an approval", hint=f"penstock status -e {name}"
        )
    caller = world.identity.caller()
    if caller in rollout.authors:
        raise Refused(
            f"{caller} made or began this rollout, and the author's own yes does not count in {name}",
            where=name,
            hint=f"ask a colleague to run: penstock approve -e {name} {rollout.release}",
        )
