"""Schedules and rules of EventBridge call their targets, by CloudWatch's clock, until they end."""

from __future__ import annotations

import importlib
import json
import threading
import time
import types
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from localaws.harness import LOGS, Account, Server

from penstock.localaws import scheduler
from penstock.localaws.ministack_api import Ministack
from penstock.localaws.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNTS = """
import boto3
def handler(event, context):
    name = event.get("name") or event["resources"][0].rpartition("/")[2]
    boto3.client("ssm").put_parameter(
        Name=f"/{name}/{context.function_version}", Value=event.get("said", "-"), Type="String", Overwrite=True)
    if event.get("fails"):
        raise ValueError(name)
"""
ANYWHERE = {"Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "*"}
SCALE = 60


@dataclass(frozen=True)
class Scheduled:
    """An account with a function whose alias shares its calls out among two versions, which count them."""

    account: Account
    arn: str
    caller: str

    @classmethod
    def of(cls, server: Server) -> Scheduled:
        account = Account(server, f"{time.time_ns() % 10**12:012d}")
        account.function("f", COUNTS, account.role("function", LOGS, ANYWHERE))
        versions = [account.release("f", COUNTS + f"\n# {number}") for number in range(2)]
        arn = account.client("lambda").create_alias(
            FunctionName="f",
            Name="live",
            FunctionVersion=versions[0],
            RoutingConfig={"AdditionalVersionWeights": {versions[1]: 0.5}},
        )["AliasArn"]
        caller = account.role("caller", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn})
        account.role("nobody")
        return cls(account, arn, caller)

    def schedule(self, name: str, *, role: str | None = None, said: str = "-", **settings: Any) -> None:
        self.account.client("scheduler").create_schedule(
            Name=name,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": self.arn, "RoleArn": role or self.caller, "Input": json.dumps({"name": name, "said": said})},
            **{"ScheduleExpression": "rate(1 minute)", **settings},
        )

    def rule(self, name: str, **settings: Any) -> None:
        client = self.account.client("events")
        client.put_rule(Name=name, **settings)
        client.put_targets(Rule=name, Targets=[{"Id": "f", "Arn": self.arn}])

    def calls(self, name: str) -> int:
        """How often the function was called for that name: versions of its parameters."""
        return sum(self.of_versions(name).values())

    def of_versions(self, name: str) -> dict[str, int]:
        found = self.account.client("ssm").describe_parameters()["Parameters"]
        return {one["Name"].rpartition("/")[2]: one["Version"] for one in found if one["Name"].startswith(f"/{name}/")}

    def counted(self) -> dict[str, float]:
        """Invocations as CloudWatch counts them, by the version that ran for the alias."""
        series = [{"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": version} for version in ("1", "2")]
        return {
            dimensions["ExecutedVersion"]: sum(
                point["Sum"]
                for point in self.account.client("cloudwatch").get_metric_statistics(
                    Namespace="AWS/Lambda",
                    MetricName="Invocations",
                    Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                    StartTime=datetime.now(tz=UTC) - timedelta(hours=1),
                    EndTime=datetime.now(tz=UTC) + timedelta(days=1),
                    Period=3600,
                    Statistics=["Sum"],
                )["Datapoints"]
            )
            for dimensions in series
        }


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An embedded AWS whose minute takes a second."""
    running = Server(tmp_path_factory.mktemp("scheduler") / "state", options=("--time-scale", str(SCALE)))
    running.start()
    yield running
    running.end()


@pytest.fixture
def scheduled(quick: Server) -> Scheduled:
    return Scheduled.of(quick)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_rate_calls_again_and_again_until_it_is_deleted(scheduled: Scheduled) -> None:
    scheduled.schedule("ticks")
    assert within(15, lambda: scheduled.calls("ticks") >= 3)
    scheduled.account.client("scheduler").delete_schedule(Name="ticks")
    time.sleep(1.5)
    before = scheduled.calls("ticks")
    time.sleep(2.5)
    assert scheduled.calls("ticks") == before


def test_a_schedule_without_a_right_a_disabled_one_and_one_that_is_over_call_nothing(scheduled: Scheduled) -> None:
    scheduled.schedule("disabled", State="DISABLED")
    scheduled.schedule("refused", role=f"arn:aws:iam::{scheduled.account.number}:role/nobody")
    scheduled.schedule("over", EndDate=datetime.now(tz=UTC) - timedelta(seconds=1), ActionAfterCompletion="DELETE")
    scheduled.schedule("not-yet", StartDate=datetime.now(tz=UTC) + timedelta(days=1))
    scheduled.schedule("once", ScheduleExpression="at(2020-01-01T00:00:00)")
    scheduled.schedule("gone", ScheduleExpression="at(2020-01-01T00:00:00)", ActionAfterCompletion="DELETE")
    assert within(15, lambda: (scheduled.calls("once"), scheduled.calls("gone")) == (1, 1))
    time.sleep(2.5)
    assert [scheduled.calls(name) for name in ("disabled", "refused", "over", "not-yet")] == [0, 0, 0, 0]
    assert [scheduled.calls(name) for name in ("once", "gone")] == [1, 1]
    left = {one["Name"] for one in scheduled.account.client("scheduler").list_schedules()["Schedules"]}
    assert left == {"disabled", "refused", "not-yet", "once"}


def test_a_cron_calls_in_its_time_zone_and_says_when_and_why(scheduled: Scheduled) -> None:
    scheduled.schedule(
        "cron",
        said="<aws.scheduler.scheduled-time> <aws.scheduler.schedule-arn>",
        ScheduleExpression="cron(5/5 * ? * SUN-SAT *)",
        ScheduleExpressionTimezone="Asia/Kathmandu",  # 5:45 h before Greenwich
    )
    assert within(25, lambda: scheduled.calls("cron") >= 1)
    found = scheduled.account.client("ssm").get_parameters_by_path(Path="/cron")["Parameters"]
    at, schedule = found[0]["Value"].split()
    assert (datetime.fromisoformat(at).minute % 5, datetime.fromisoformat(at).second) == (0, 0)
    assert schedule == f"arn:aws:scheduler:eu-west-1:{scheduled.account.number}:schedule/default/cron"


def test_schedules_rules_and_events_pass_through_the_weights_of_an_alias_and_are_counted_by_version(
    scheduled: Scheduled,
) -> None:
    scheduled.schedule("schedule")
    scheduled.rule("rate", ScheduleExpression="rate(1 minute)")
    scheduled.rule("cron", ScheduleExpression="cron(* * * * ? *)")
    scheduled.rule("off", ScheduleExpression="rate(1 minute)", State="DISABLED")
    pattern = {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}}
    scheduled.rule("pattern", EventPattern=json.dumps(pattern))
    for total in (5, *[20] * 12):
        scheduled.account.client("events").put_events(
            Entries=[
                {
                    "Detail": json.dumps({"total": total}),
                    "DetailType": "ordered",
                    "Resources": ["order/pattern"],
                    "Source": "shop",
                }
            ]
        )
    names = ("schedule", "rate", "cron", "pattern")
    assert within(40, lambda: all(set(scheduled.of_versions(name)) == {"1", "2"} for name in names))
    assert within(15, lambda: scheduled.calls("pattern") == 12)
    assert scheduled.calls("off") == 0
    ran = {name: scheduled.of_versions(name) for name in names}
    for version in ("1", "2"):
        assert scheduled.counted()[version] >= sum(versions[version] for versions in ran.values())


def test_an_event_whose_function_fails_is_tried_again_and_then_given_to_the_dead_letter_queue(
    scheduled: Scheduled,
) -> None:
    account = scheduled.account
    queue = account.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    dead = f"arn:aws:sqs:eu-west-1:{account.number}:dead"
    account.client("lambda").put_function_event_invoke_config(
        FunctionName="f",
        Qualifier="live",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": dead}},
    )
    client = account.client("events")
    client.put_rule(Name="failing", EventPattern=json.dumps({"source": ["shop"]}))
    given = json.dumps({"fails": True, "name": "failing"})
    client.put_targets(Rule="failing", Targets=[{"Id": "f", "Arn": scheduled.arn, "Input": given}])
    client.put_events(Entries=[{"Detail": "{}", "DetailType": "ordered", "Source": "shop"}])
    found = account.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    assert "failing" in found[0]["Body"]


@pytest.mark.parametrize("expression", ["cron(0 10 * * * *)", "rate(5 seconds)", "cron(61 * * * ? *)"])
def test_expressions_that_aws_refuses_are_refused(account: Account, expression: str) -> None:
    scheduler, events = account.client("scheduler"), account.client("events")
    arn = f"arn:aws:lambda:eu-west-1:{account.number}:function:none"
    target = {"Arn": arn, "RoleArn": f"arn:aws:iam::{account.number}:role/none"}
    window: dict[str, Any] = {"Mode": "OFF"}
    with pytest.raises(scheduler.exceptions.ValidationException, match=r"Invalid Schedule Expression"):
        scheduler.create_schedule(Name="s", ScheduleExpression=expression, FlexibleTimeWindow=window, Target=target)
    with pytest.raises(scheduler.exceptions.ValidationException, match="Berlin"):
        scheduler.create_schedule(
            Name="s",
            ScheduleExpression="rate(1 hour)",
            ScheduleExpressionTimezone="Berlin",
            FlexibleTimeWindow=window,
            Target=target,
        )
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        events.put_rule(Name="r", ScheduleExpression=expression)
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        events.put_rule(Name="r", ScheduleExpression="at(2030-01-01T00:00:00)")  # schedules only


def test_what_was_called_once_is_not_called_again_after_a_restart(own_server: Server) -> None:
    scheduled = Scheduled.of(own_server)
    scheduled.schedule("once", ScheduleExpression="at(2020-01-01T00:00:00)")
    scheduled.schedule("daily", ScheduleExpression="rate(1 day)")
    assert within(15, lambda: (scheduled.calls("once"), scheduled.calls("daily")) == (1, 1))
    time.sleep(1.5)  # the state is on disk
    own_server.restart()
    time.sleep(2.5)
    assert (scheduled.calls("once"), scheduled.calls("daily")) == (1, 1)


def test_the_timers_of_ministack_which_would_call_a_second_time_are_off() -> None:
    modules: dict[str, Any] = {
        name: types.SimpleNamespace(**vars(importlib.import_module(f"ministack.services.{name}")))
        for name in ("eventbridge", "scheduler")
    }
    fields: dict[str, Any] = dict.fromkeys(Ministack.__dataclass_fields__.keys() - {"wrapped", "state_modules"})
    ministack = Ministack(**{**fields, **modules})
    scheduler.install(ministack, Settings(port=1, state=Path()))
    for module in modules.values():
        module.start_scheduler()
    assert not {"eb-scheduler", "evb-scheduler-ticker"} & {thread.name for thread in threading.enumerate()}


def test_a_role_may_be_kept_to_the_schedules_of_one_group(account: Account) -> None:
    delete = """
import boto3
def handler(event, context):
    try:
        boto3.client("scheduler").delete_schedule(Name="s", GroupName=event["group"])
    except Exception as error:
        return getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))
    return "done"
"""
    client = account.client("scheduler")
    target = {
        "Arn": f"arn:aws:lambda:eu-west-1:{account.number}:function:none",
        "RoleArn": f"arn:aws:iam::{account.number}:role/none",
    }
    for group in ("mine", "theirs"):
        client.create_schedule_group(Name=group)
        client.create_schedule(
            Name="s",
            GroupName=group,
            State="DISABLED",
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target,
        )
    own = f"arn:aws:scheduler:eu-west-1:{account.number}:schedule/mine/*"
    grant = {"Effect": "Allow", "Action": "scheduler:DeleteSchedule", "Resource": own}
    account.function("f", delete, account.role("role", LOGS, grant))
    assert account.invoke("f", {"group": "theirs"})[0] == "AccessDeniedException"
    assert account.invoke("f", {"group": "mine"})[0] == "done"
