"""The states of CloudWatch's alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.adapters.aws.faults import calling
from penstock.ports import AlarmState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.adapters.aws.session import AwsSession

NAMES = 100
"""Alarms that one DescribeAlarms call takes by name."""


class AwsAlarms:
    """Alarms of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def states(self, names: Sequence[str] = (), *, prefix: str | None = None) -> Mapping[str, AlarmState]:
        """The alarms of these names and those whose names begin with the prefix; missing ones are left out."""
        asked = list(dict.fromkeys(names))
        found = [
            alarm for at in range(0, len(asked), NAMES) for alarm in self._described(AlarmNames=asked[at : at + NAMES])
        ]
        if prefix is not None:
            found += self._described(AlarmNamePrefix=prefix)
        return {alarm["AlarmName"]: _state(alarm) for alarm in found}

    def _described(self, **which: Any) -> Iterable[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        with calling("cloudwatch:DescribeAlarms"):
            pages = self._session.client("cloudwatch").get_paginator("describe_alarms")
            # Without the types, composite alarms are left out.
            for page in pages.paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"], **which):
                found += [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
        return found


def _state(alarm: Mapping[str, Any]) -> AlarmState:
    # The state's own time; "updated" also moves when only the reason does.
    since = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
    return AlarmState(
        name=alarm["AlarmName"],
        value=alarm["StateValue"],
        since=since.timestamp(),
        reason=alarm.get("StateReason") or "",
    )
