"""EventBridge Scheduler that calls: ministack keeps schedules and never looks at them again.

Every second of CloudWatch's clock the schedules that are due call their function, under the role that they name and
only where that may call it. `rate` and `at` expressions are known; a `cron` expression is kept and not called, which is
said in the log. Targets are Lambda functions; others are said in the log as well.

Reference: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.localaws.execution_roles import Roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_EVERY = 1.0
_NOT_OFTENER = 1.0
"""Seconds of this machine: a clock that runs sixty times as fast must not start sixty calls where one is meant."""
_UNITS: Mapping[str, float] = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
log = logging.getLogger("penstock.localaws")


class Scheduler:
    """Which schedule was called when."""

    def __init__(self, ministack: Ministack, settings: Settings) -> None:
        self._ministack = ministack
        self._clock = settings.clock
        self._roles = Roles(ministack)
        self._called: dict[tuple[str, str, str], float] = {}
        self._running: set[tuple[str, str, str]] = set()
        self._told: set[str] = set()

    async def watch(self) -> None:
        """Call what is due, for as long as the server runs."""
        while True:
            await asyncio.sleep(max(_EVERY / self._clock.scale, _NOT_OFTENER))
            try:
                self.look(self._clock.now())
            except Exception:
                log.exception("the schedules could not be looked at")

    def look(self, now: float) -> None:
        """Call every schedule that is due at that moment."""
        schedules = self._ministack.scheduler._schedules.to_dict()
        for key in [known for known in self._called if known not in schedules]:
            del self._called[key]
        for key, schedule in schedules.items():
            account, region = key[:2]
            with self._ministack.responses.request_scope(account, region):
                self._one(key, schedule, now)

    def _one(self, key: Any, schedule: Mapping[str, Any], now: float) -> None:
        end = _moment(schedule.get("EndDate"))
        is_over = end is not None and time.time() > end  # a date of people's, whatever CloudWatch's clock says
        if is_over:
            if schedule.get("ActionAfterCompletion") == "DELETE":
                self._ministack.scheduler._delete_schedule(schedule["Name"], {"groupName": schedule["GroupName"]})
            return
        if schedule.get("State") == "DISABLED" or key in self._running or not self._is_due(key, schedule, now):
            return
        self._called[key] = now
        self._call(key, schedule)

    def _is_due(self, key: Any, schedule: Mapping[str, Any], now: float) -> bool:
        expression = str(schedule.get("ScheduleExpression", ""))
        if found := _RATE.fullmatch(expression):
            last = self._called.get(key, 0.0)  # the first call is at once, as on AWS
            return now - last >= int(found[1]) * _UNITS[found[2]]
        if found := _AT.fullmatch(expression):
            at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
            return key not in self._called and now >= at
        self._tell_once(f"the schedule {schedule.get('Name')} is never called here: {expression}")
        return False

    def _call(self, key: Any, schedule: Mapping[str, Any]) -> None:
        target = schedule["Target"]
        arn, role = str(target["Arn"]), str(target["RoleArn"])
        if ":lambda:" not in arn:
            self._tell_once(f"the schedule {schedule.get('Name')} is never called here: {arn} is no function")
            return
        if not self._roles.allows(role, "lambda:InvokeFunction", arn):
            self._tell_once(f"the schedule {schedule.get('Name')} cannot call {arn}: {role} may not")
            return
        lambdas = self._ministack.lambdas
        function, config, _ = lambdas._get_func_record_for_ref(arn)
        if not function or not config:
            self._tell_once(f"the schedule {schedule.get('Name')} calls {arn}, which is not there")
            return
        record = lambdas._execution_record_for_config(function, config)
        event = json.loads(target.get("Input") or "{}")

        def run() -> None:
            try:
                lambdas._execute_function_with_config_scope(record, event)
            finally:
                self._running.discard(key)

        self._running.add(key)
        threading.Thread(target=run, daemon=True, name="schedule").start()

    def _tell_once(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", what)


def _moment(given: Any) -> float | None:
    """A date as clients send it: seconds since the epoch, or ISO 8601."""
    if given is None or isinstance(given, (int, float)):
        return given
    return datetime.fromisoformat(str(given)).timestamp()
