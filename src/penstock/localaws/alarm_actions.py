"""Functions as actions of alarms; ministack tells topics only.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_ACTIONS = {"ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions", "OK": "OKActions"}


def install(ministack: Ministack, settings: Settings) -> None:
    """Invoke the functions that are actions of an alarm's new state."""

    def around(original: Callable[..., None]) -> Callable[..., None]:
        def dispatch(alarm: Mapping[str, Any], old_state: str, new_state: str, reason: str) -> None:
            original(alarm, old_state, new_state, reason)
            if not alarm.get("ActionsEnabled", True):
                return
            for arn in alarm.get(_ACTIONS.get(new_state, "")) or []:
                if ":lambda:" in arn:
                    event = _event(ministack, alarm, (old_state, new_state, reason), settings.clock.now())
                    ministack.eventbridge._dispatch_to_lambda(arn, json.dumps({**event, "alarmArn": _arn(alarm)}))

        return dispatch

    ministack.wrap(ministack.cloudwatch, "_dispatch_alarm_actions", "(alarm, old_state, new_state, reason)", around)


def _event(ministack: Ministack, alarm: Mapping[str, Any], change: tuple[str, str, str], now: float) -> dict[str, Any]:
    account, region = ministack.responses_scope()
    before, after, reason = change
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {
        "accountId": account,
        "alarmData": {
            "alarmName": alarm.get("AlarmName"),
            "configuration": {"description": alarm.get("AlarmDescription"), "metrics": _metrics(alarm)},
            "previousState": {"value": before},
            "state": {"reason": reason, "timestamp": at, "value": after},
        },
        "region": region,
        "source": "aws.cloudwatch",
        "time": at,
    }


def _arn(alarm: Mapping[str, Any]) -> str:
    return str(alarm.get("AlarmArn", ""))


def _metrics(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The alarm's metric, or its queries, in the words of the event."""
    if alarm.get("Metrics"):
        return [
            {
                "id": query["Id"],
                "returnData": query.get("ReturnData", True),
                **({"expression": query["Expression"]} if query.get("Expression") else {}),
                **({"metricStat": _stat(query["MetricStat"])} if query.get("MetricStat") else {}),
            }
            for query in alarm["Metrics"]
        ]
    stat = {
        "Metric": alarm,
        "Period": alarm.get("Period"),
        "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
    }
    return [{"id": "m1", "metricStat": _stat(stat), "returnData": True}]


def _stat(stat: Mapping[str, Any]) -> dict[str, Any]:
    metric = stat["Metric"]
    return {
        "metric": {
            "dimensions": {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []},
            "name": metric.get("MetricName"),
            "namespace": metric.get("Namespace"),
        },
        "period": int(stat["Period"] or 60),
        "stat": stat["Stat"],
    }
