"""EventBridge Scheduler: the minute's tick of the controller function while a rollout is under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.adapters.aws.faults import calling
from penstock.infra.naming import partition
from penstock.model.errors import Conflict, NotFound

if TYPE_CHECKING:
    from penstock.adapters.aws.session import AwsSession

EVERY = "rate(1 minute)"
"""The finest that EventBridge Scheduler knows."""


class AwsSchedules:
    """Schedules of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def start(self, name: str, *, group: str, function: str, role: str, payload: str, until: float) -> None:
        """Call the function every minute until then. Raises NotFound when there is no such group."""
        region, account = self._session.region, self._session.account
        wanted: dict[str, Any] = {
            "Name": name,
            "GroupName": group,
            "ScheduleExpression": EVERY,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "EndDate": datetime.fromtimestamp(until, tz=UTC),
            # Left behind by everybody, it goes by itself.
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": f"arn:{partition(region)}:lambda:{region}:{account}:function:{function}",
                "RoleArn": f"arn:{partition(region)}:iam::{account}:role/{role}",
                "Input": payload,
                # The next minute is the next attempt.
                "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
            },
        }
        client = self._session.client("scheduler")
        try:
            with calling("scheduler:CreateSchedule", f"{group}/{name}"):
                client.create_schedule(**wanted)
        except Conflict:
            with calling("scheduler:UpdateSchedule", f"{group}/{name}"):
                client.update_schedule(**wanted)

    def stop(self, name: str, *, group: str) -> None:
        """Call it no more; done when there is no such schedule."""
        try:
            with calling("scheduler:DeleteSchedule", f"{group}/{name}"):
                self._session.client("scheduler").delete_schedule(Name=name, GroupName=group)
        except NotFound:
            return
