"""The function in the account that looks after rollouts: `handler` is what EventBridge Scheduler calls every minute.

The same verbs as the command line's, behind the same ports, with what a function has: the role's credentials, the
brief in the environment's bucket instead of a checkout, a log instead of a terminal. There is no Terraform here, no
builder and no program to run: `drive` needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """One look at the rollout that the event names; what was done, in words."""
    from penstock.controller.wiring import world_of  # noqa: PLC0415 - its faults are this call's, and in the log
    from penstock.operations.tick import tick  # noqa: PLC0415

    done = tick(world_of(event, run=str(context.aws_request_id)), str(event["rollout"]))
    return {"rollout": event["rollout"], "done": done}
