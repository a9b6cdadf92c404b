"""Execution environments: who is condemned while he is leased ends with his lease, and nobody's first log is lost."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from unit.localaws.test_unpacking import zipped

from penstock.adapters.processes import is_alive
from penstock.localaws.clock import Clock
from penstock.localaws.execution import Execution, Places
from penstock.localaws.execution_roles import Roles
from penstock.localaws.workers import Call, FunctionProcess, Host, Line, environment_of

if TYPE_CHECKING:
    from pathlib import Path

CODE = zipped({"app.py": b"import os\ndef handler(event, context):\n    return os.getpid()\n"})
ARN = "arn:aws:lambda:eu-west-1:111111111111:function:f"
CONFIG = {"FunctionName": "f", "FunctionArn": ARN, "Handler": "app.handler", "Runtime": "python3.13"}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    interpreters: Any = SimpleNamespace(of=lambda _runtime: sys.executable)
    return Host(code=tmp_path / "code", interpreters=interpreters, python_sdk=tmp_path, url="http://127.0.0.1:1")


def run(worker: FunctionProcess) -> int:
    call = Call(arn=ARN, event={}, request_id="1", trace_id="1", timeout=30)
    outcome = worker.run(call, environment_of(CONFIG, {}, "http://127.0.0.1:1"), lambda: None)
    assert outcome.failure is None, outcome
    pid: int = outcome.result
    return pid


def give_back(worker: FunctionProcess) -> None:
    pool = SimpleNamespace(release_worker=lambda one: setattr(one, "in_use", False))
    ministack: Any = SimpleNamespace(lambda_runtime=pool)
    Places(ministack).give_back(worker)


@pytest.mark.parametrize("when", ["before it has started", "after its call"])
def test_an_environment_that_is_condemned_while_it_is_leased_ends_with_its_lease(host: Host, when: str) -> None:
    worker = FunctionProcess("f", CONFIG, CODE, host)
    worker.in_use = True
    if when == "before it has started":
        assert worker._proc is None
    pid = run(worker)
    assert is_alive(pid)
    if when == "after its call":
        assert worker._proc is None
    give_back(worker)
    assert not is_alive(pid)


def test_an_environment_that_nobody_condemned_stays_for_the_next_call(host: Host) -> None:
    worker = FunctionProcess("f", CONFIG, CODE, host)
    worker.in_use = True
    pid = run(worker)
    give_back(worker)
    try:
        assert run(worker) == pid
    finally:
        worker.end()


def test_two_first_calls_at_once_write_into_one_log_group(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    def allows(_roles: Roles, _role: str, action: str, _resource: str) -> bool:
        if action == "logs:CreateLogGroup":
            both.wait(10)
        return True

    monkeypatch.setattr(Roles, "allows", allows)
    logs = SimpleNamespace(
        _log_groups={},
        _make_group_arn=lambda name: f"arn:aws:logs:eu-west-1:1:log-group:{name}:*",
        _append_log_events=lambda stream, events: stream["events"].extend(events),
        _fanout_to_subscription_filters=lambda *_: time.sleep(0),
    )
    ministack: Any = SimpleNamespace(logs=logs)
    execution = Execution(ministack, host, Clock())
    with ThreadPoolExecutor(2) as threads:
        for stream in ("one", "two"):
            threads.submit(execution._write_log, {**CONFIG, "Role": "r"}, stream, [Line(at=1000, text=stream)])
    (group,) = logs._log_groups.values()
    assert sorted(group["streams"]) == ["one", "two"]
