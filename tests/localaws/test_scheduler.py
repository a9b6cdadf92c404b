"""EventBridge Scheduler: schedules call their function, under their role, until they end."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import LOGS, Account, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNTS = """
import boto3
def handler(event, context):
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/" + event["name"], Value=context.aws_request_id, Type="String", Overwrite=True)
"""
ANYWHERE = {"Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "*"}
SCALE = 60


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An embedded AWS whose minute takes a second."""
    running = Server(tmp_path_factory.mktemp("scheduler") / "state", options=("--time-scale", str(SCALE)))
    running.start()
    yield running
    running.end()


@pytest.fixture
def scheduled(quick: Server) -> Callable[..., Account]:
    """Makes a schedule, in an account of its own, whose function writes a parameter of the schedule's name."""
    account = Account(quick, f"{time.time_ns() % 10**12:012d}")
    account.function("f", COUNTS, account.role("function", LOGS, ANYWHERE))
    arn = f"arn:aws:lambda:eu-west-1:{account.number}:function:f"
    caller = account.role("caller", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn})
    account.role("nobody")

    def make(name: str, *, role: str = caller, **settings: Any) -> Account:
        account.client("scheduler").create_schedule(
            Name=name,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": role, "Input": json.dumps({"name": name})},
            **{"ScheduleExpression": "rate(1 minute)", **settings},
        )
        return account

    return make


def calls(account: Account, name: str) -> int:
    """How often the function was called for that schedule: versions of its parameter."""
    found = account.client("ssm").describe_parameters()["Parameters"]
    return next((one["Version"] for one in found if one["Name"] == f"/{name}"), 0)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_rate_calls_again_and_again_until_it_is_deleted(scheduled: Callable[..., Account]) -> None:
    account = scheduled("ticks")
    assert within(15, lambda: calls(account, "ticks") >= 3)
    account.client("scheduler").delete_schedule(Name="ticks")
    time.sleep(1.5)
    before = calls(account, "ticks")
    time.sleep(2.5)
    assert calls(account, "ticks") == before


def test_a_schedule_without_a_right_a_disabled_one_and_one_that_is_over_call_nothing(
    scheduled: Callable[..., Account],
) -> None:
    account = scheduled("disabled", State="DISABLED")
    scheduled("refused", role=f"arn:aws:iam::{account.number}:role/nobody")
    scheduled("over", EndDate=datetime.now(tz=UTC) - timedelta(seconds=1), ActionAfterCompletion="DELETE")
    scheduled("once", ScheduleExpression="at(2020-01-01T00:00:00)")
    assert within(15, lambda: calls(account, "once") == 1)
    assert [calls(account, name) for name in ("disabled", "refused", "over")] == [0, 0, 0]
    assert within(5, lambda: calls(account, "once") == 1)
    left = {one["Name"] for one in account.client("scheduler").list_schedules()["Schedules"]}
    assert left == {"disabled", "refused", "once"}


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
