"""EventBridge Scheduler's schedules and EventBridge's scheduled rules, called by CloudWatch's clock.

ministack looks at both every ten seconds of the machine's clock, asks no role, knows no time zones and forgets at a
restart what it has called; that is switched off. Here they are looked at every second of CloudWatch's clock. A schedule
calls its target under the role that it names, and only where that may. What became due while the server was down is
called once when it is there again.

Functions are invoked as on AWS: not waited for, twice more when they fail, then given to their dead-letter queue.

References: https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.localaws.execution_roles import Roles
from penstock.localaws.schedule_times import Times, zone_of
from penstock.localaws.state import Store, add_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_EVERY = 1.0
_NOT_OFTENER = 1.0
"""Seconds of this machine: a clock that runs sixty times as fast must not start sixty calls where one is meant."""
_ACTIONS: Mapping[str, str] = {
    "events": "events:PutEvents",
    "lambda": "lambda:InvokeFunction",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
    "states": "states:StartExecution",
}
"""What a schedule's role must allow for the target's service."""
_KEPT_EVENTS = 100
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, _settings: Settings) -> None:
    """Switch ministack's timers off; refuse expressions that AWS refuses; invoke functions as EventBridge does."""
    times = Times(ministack.eventbridge)

    def around_schedule(original: Callable[..., Any]) -> Callable[..., Any]:
        def put(name: str, body: dict[str, Any]) -> Any:
            problem = _problem(times, body)
            return ministack.scheduler._error(400, "ValidationException", problem) if problem else original(name, body)

        return put

    def around_events(original: Callable[..., Any]) -> Callable[..., Any]:
        def put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Response:  # noqa: FBT001, FBT002 - theirs
            answer: Response = original(data, allow_aws_source)
            del ministack.eventbridge._events_log_list()[:-_KEPT_EVENTS]  # nobody ever reads them
            return answer

        return put_events

    for module in (ministack.eventbridge, ministack.scheduler):
        ministack.wrap(module, "start_scheduler", "()", lambda _: lambda: None)
    for name in ("_create_schedule", "_update_schedule"):
        ministack.wrap(ministack.scheduler, name, "(name, body)", around_schedule)
    ministack.wrap(
        ministack.eventbridge,
        "_validate_schedule_expression",
        "(expr)",
        lambda _: lambda expr: not expr or (times.is_valid(expr) and not expr.startswith("at(")),
    )
    ministack.wrap(ministack.eventbridge, "_put_events", "(data, allow_aws_source=)", around_events)
    ministack.wrap(ministack.eventbridge, "_dispatch_to_lambda", "(arn, payload)", lambda _: _invoker(ministack))


class Scheduler:
    """Which schedule, and which rule, was called when."""

    def __init__(self, ministack: Ministack, settings: Settings) -> None:
        self._ministack = ministack
        self._clock = settings.clock
        self._roles = Roles(ministack)
        self._times = Times(ministack.eventbridge)
        self._notes = Store(ministack)
        self._told: set[str] = set()
        add_state(ministack, "penstock_schedules", self._notes)

    async def watch(self) -> None:
        """Call what is due, for as long as the server runs."""
        while True:
            await asyncio.sleep(max(_EVERY / self._clock.scale, _NOT_OFTENER))
            try:
                self.look(self._clock.now())
            except Exception:
                log.exception("the schedules could not be looked at")

    def look(self, now: float) -> None:
        """Call every schedule and every rule that is due at that moment."""
        events, schedules = self._ministack.eventbridge, self._ministack.scheduler
        known = set()
        for kind, stored, look in (
            ("schedule", schedules._schedules, self._schedule),
            ("rule", events._rules, self._rule),
        ):
            for (account, region, name), item in stored.to_dict().items():
                if not item.get("ScheduleExpression"):
                    continue
                known.add((account, region, f"{kind}:{name}"))
                with self._ministack.responses.request_scope(account, region):
                    look(f"{kind}:{name}", item, now)
        for account, region, key in set(self._notes.to_dict()) - known:
            with self._ministack.responses.request_scope(account, region):
                self._notes.pop(key, None)

    def _schedule(self, key: str, schedule: Mapping[str, Any], now: float) -> None:
        end, start = _moment(schedule.get("EndDate")), _moment(schedule.get("StartDate"))
        today = time.time()  # begin and end are dates of people's, whatever CloudWatch's clock says
        if end is not None and today > end:
            self._completed(schedule)
            return
        if start is not None and today < start:
            return
        at = self._due(key, schedule, now, at_once=True)
        if at is None:
            return
        self._call(schedule, at)
        if str(schedule["ScheduleExpression"]).startswith("at("):
            self._completed(schedule)

    def _rule(self, key: str, rule: Mapping[str, Any], now: float) -> None:
        at = self._due(key, rule, now, at_once=False)
        if at is None:
            return
        events = self._ministack.eventbridge
        event = self._event("aws.events", str(rule["Arn"]), at)
        for target in events._targets.get(key.removeprefix("rule:"), []):
            events._invoke_target(target, event, rule)

    def _due(self, key: str, item: Mapping[str, Any], now: float, *, at_once: bool) -> float | None:
        """For when a call is due now, which is noted as made; None: there is none."""
        zone = str(item.get("ScheduleExpressionTimezone") or "UTC")
        expression = str(item["ScheduleExpression"])
        note = self._notes.get(key)
        if note is None or note["expression"] != [expression, zone]:
            note = {"expression": [expression, zone], "since": now}
        if item.get("State") == "DISABLED":
            self._notes[key] = note | {"paused": True}
            return None
        if note.pop("paused", False):
            note["since"] = now  # what was due meanwhile is not made up for
        self._notes[key] = note
        if "called" not in note:
            at = self._times.first(expression, note["since"], zone, at_once=at_once)
        else:
            at = self._times.following(expression, max(note["called"], note["since"]), zone)
        if at is None or at > now:
            return None
        self._notes[key] = note | {"called": now}
        return at

    def _completed(self, schedule: Mapping[str, Any]) -> None:
        if schedule.get("ActionAfterCompletion") == "DELETE":
            self._ministack.scheduler._delete_schedule(schedule["Name"], {"groupName": schedule["GroupName"]})

    def _call(self, schedule: Mapping[str, Any], at: float) -> None:
        target = schedule["Target"]
        name, arn, role = str(schedule["Name"]), str(target["Arn"]), str(target["RoleArn"])
        action = _ACTIONS.get(arn.split(":")[2])
        if action is None:
            self._tell_once(f"the schedule {name} is never called here: nothing here calls {arn}")
        elif not self._roles.allows(role, action, arn):
            self._tell_once(f"the schedule {name} cannot call {arn}: {role} may not")
        else:
            event = self._event("aws.scheduler", str(schedule["Arn"]), at)
            given = {"Input": _filled(str(target["Input"]), event)} if target.get("Input") else {}
            self._ministack.eventbridge._invoke_target({**target, **given}, event, schedule)

    def _event(self, source: str, resource: str, at: float) -> dict[str, Any]:
        account, region = self._ministack.responses_scope()
        return {
            "Account": account,
            "Detail": "{}",
            "DetailType": "Scheduled Event",
            "EventId": str(uuid.uuid4()),
            "Region": region,
            "Resources": [resource],
            "Source": source,
            "Time": int(at),
        }

    def _tell_once(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", what)


def _invoker(ministack: Ministack) -> Callable[[str, str], None]:
    """In the place of ministack's, which calls a function once, whatever comes of it."""

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        lambdas = ministack.lambdas
        function, config, name = lambdas._get_func_record_for_ref(arn)
        if not function or not config:
            log.warning("EventBridge calls %s, which is not there", name)
            return
        try:
            event = json.loads(payload)
        except ValueError:
            event = payload
        lambdas.invoke_async_with_retry(lambdas._execution_record_for_config(function, config), event)

    return dispatch_to_lambda


def _filled(text: str, event: Mapping[str, Any]) -> str:
    """The input with the words that Scheduler puts in: schedule, time, attempt."""
    words = {
        "attempt-number": "1",
        "execution-id": event["EventId"],
        "schedule-arn": event["Resources"][0],
        "scheduled-time": datetime.fromtimestamp(event["Time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for word, value in words.items():
        text = text.replace(f"<aws.scheduler.{word}>", value)
    return text


def _problem(times: Times, body: Mapping[str, Any]) -> str | None:
    """What AWS says of a schedule that it does not take."""
    expression, zone = str(body.get("ScheduleExpression") or ""), body.get("ScheduleExpressionTimezone") or "UTC"
    if expression and not times.is_valid(expression):
        return f"Invalid Schedule Expression {expression}."
    if zone_of(str(zone)) is None:
        return f"The ScheduleExpressionTimezone {zone} is not valid."
    return None


def _moment(given: Any) -> float | None:
    """A date as clients send it: seconds since the epoch, or ISO 8601."""
    if given is None or isinstance(given, (int, float)):
        return given
    return datetime.fromisoformat(str(given)).timestamp()
