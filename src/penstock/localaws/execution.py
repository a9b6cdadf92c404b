"""Invocations: functions run in our processes, fail as on AWS, and log to CloudWatch Logs as on AWS."""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from penstock.localaws import sdk
from penstock.localaws.execution_roles import Roles
from penstock.localaws.interpreters import Interpreters
from penstock.localaws.log_writer import write_events
from penstock.localaws.unpacking import drop_old, tidy
from penstock.localaws.workers import Call, FunctionProcess, Host, Line, environment_of, log_group, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.localaws.clock import Clock
    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings
    from penstock.localaws.workers import Outcome

_DEFAULT_TIMEOUT = 3
_IDLE_SECONDS = 300.0
_STARTS = max(2, os.cpu_count() or 2)
_PATIENCE = 10.0
_OURS = "penstock"
_RESTARTING = ("CodeSha256", "Environment", "Handler", "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout")
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, settings: Settings) -> None:
    """Run Python and Node.js functions in `FunctionProcess`es from ministack's pool."""
    host = Host(
        code=settings.state / "code",
        interpreters=Interpreters(settings, settings.home),
        python_sdk=sdk.python_folder(settings),
        url=settings.url,
    )
    tidy(host.code)
    sdk.link_node(settings, host.code)
    execution = Execution(ministack, host, settings.clock)
    ministack.wrap(ministack.lambda_runtime, "_worker_class_for", "(config)", execution.around_worker_class)
    ministack.wrap(ministack.lambdas, "reap_idle_workers", "(ttl=)", execution.around_reap)
    ministack.wrap(ministack.lambdas, "_execute_function_warm", "(func, event, request_id)", execution.around_execute)
    ministack.wrap(
        ministack.lambdas,
        "_emit_lambda_logs",
        "(func, request_id, log_text, error, duration_ms, *, log_source=)",
        _around_emit_logs,
    )


class Execution:
    """The wrappers around ministack's pool of workers."""

    def __init__(self, ministack: Ministack, host: Host, clock: Clock) -> None:
        self._ministack = ministack
        self._clock = clock
        self._host = host
        self._roles = Roles(ministack)
        self._places = Places(ministack)

    def around_worker_class(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Python and Node.js run in our processes, other runtimes in ministack's."""

        def worker_class_for(config: Mapping[str, Any]) -> Any:
            if str(config.get("Runtime", "")).startswith(("python", "nodejs")):
                return lambda name, config, code_zip: FunctionProcess(name, config, code_zip, self._host)
            return original(config)

        return worker_class_for

    def around_reap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """End idle processes of every version: ministack keeps one of each, and every release leaves versions."""

        def reap_idle_workers(ttl: float | None = None) -> int:
            killed = int(original(ttl))
            runtime = self._ministack.lambda_runtime
            now = time.time()
            idle: list[Any] = []
            with runtime._lock:
                for key, workers in list(runtime._workers.items()):
                    stay = [w for w in workers if w.in_use or now - w.last_used < (ttl or _IDLE_SECONDS)]
                    idle.extend(w for w in workers if w not in stay)
                    if stay:
                        runtime._workers[key] = stay
                    else:
                        del runtime._workers[key]
            runtime.kill_workers(idle)
            drop_old(self._host.code, self._wanted())
            return killed + len(idle)

        return reap_idle_workers

    def _wanted(self) -> set[str]:
        """`CodeSha256` of all code that a function, a version or a process has."""
        lambdas, runtime = self._ministack.lambdas, self._ministack.lambda_runtime
        with runtime._lock:
            configs = [worker.config for workers in runtime._workers.values() for worker in workers]
        for function in list(lambdas._functions.to_dict().values()):
            records = (function, *list((function.get("versions") or {}).values()))
            configs += [record.get("config") or {} for record in records]
        return {digest for config in configs if (digest := config.get("CodeSha256"))}

    def around_execute(self, _original: Callable[..., Any]) -> Callable[..., Any]:
        """Run one invocation; the result has the shape that ministack's callers read."""

        def execute(func: Mapping[str, Any], event: Any, request_id: str) -> dict[str, Any]:
            config = func.get("config") or func
            code_zip = func.get("code_zip")
            if not code_zip:
                text = "The function has no code; its ZIP is lost or was never given"
                return {"body": {"errorType": "Runtime.NoCode", "errorMessage": text}, "error": True, "log": text}
            lambdas, runtime = self._ministack.lambdas, self._ministack.lambda_runtime
            lambdas._ensure_reaper_thread()
            worker, started = self._places.take(config, code_zip)
            began = time.monotonic()
            try:
                if _differs(worker.config, config):
                    worker.end()
                    worker.config, worker.code_zip = config, code_zip
                call = Call(
                    arn=config["FunctionArn"],
                    event=event,
                    request_id=request_id,
                    timeout=float(config.get("Timeout") or _DEFAULT_TIMEOUT),
                    trace_id=_trace_id(config),
                )
                credentials = runtime.execution_credentials(config)
                outcome = worker.run(call, environment_of(config, credentials, self._host.url), started)
            finally:
                started()
                self._places.give_back(worker)
            run_ms = max((time.monotonic() - began) * 1000 - (outcome.init_ms or 0.0), 0.01)
            lines = _with_platform_lines(outcome, config, request_id, run_ms)
            self._write_log(config, worker.log_stream, lines)
            environment = (worker.log_stream, outcome.pid)
            return {**_result(outcome, lines), "duration_ms": run_ms, "environment": environment}

        return execute

    def _write_log(self, config: Mapping[str, Any], stream_name: str, lines: list[Line]) -> None:
        """Put lines into the function's log group where its role may; make the group where it may that too."""
        try:
            at = [int(self._clock.of(line.at / 1000) * 1000) for line in lines]
            if self._may_write(log_group(config), str(config.get("Role", "")), stream_name, at[0]):
                told = list(zip(at, (line.text for line in lines), strict=True))
                write_events(self._ministack, log_group(config), stream_name, told)
        except Exception:  # the function has run: its caller gets the answer
            log.exception("could not write the log of %s", config.get("FunctionName"))

    def _may_write(self, group_name: str, role: str, stream_name: str, now: int) -> bool:
        """Whether the role may write this stream; the group is there afterwards, made by whoever came first."""
        logs = self._ministack.logs
        group_arn = str(logs._make_group_arn(group_name))
        stream_arn = f"{group_arn.removesuffix(':*')}:log-stream:{stream_name}"
        if not all(
            self._roles.allows(role, f"logs:{verb}", stream_arn) for verb in ("CreateLogStream", "PutLogEvents")
        ):
            return False
        if group_name in logs._log_groups:
            return True
        if not self._roles.allows(role, "logs:CreateLogGroup", group_arn.removesuffix(":*")):
            return False
        group: dict[str, Any] = {
            "arn": group_arn,
            "creationTime": now,
            "retentionInDays": None,
            "streams": {},
            "subscriptionFilters": {},
            "tags": {},
        }
        logs._log_groups.setdefault(group_name, group)
        return True


class Places:
    """Who runs where: a call waits a moment for a process that gets free rather than start one more beside many.

    Lambda starts as many execution environments at a time as there are calls. One machine that does so has no
    processor left for any of them: all are late, and all time out. So only as many start at a time as there are
    processors. Who has waited for ten seconds starts in any case: functions may call each other while they start.
    """

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self._changed = threading.Condition()
        self._starting = 0

    def take(self, config: Mapping[str, Any], code_zip: bytes) -> tuple[Any, Callable[[], None]]:
        """A process that is free or may be started, and what to call once it is up; calling that twice is fine."""
        runtime = self._ministack.lambda_runtime
        name, version = config["FunctionName"], config.get("Version", "$LATEST")
        key = runtime._worker_key(name, config, version)
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while self._starting >= _STARTS and not self._has_free(key) and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            worker, how = runtime.acquire_worker(name, config, code_zip, qualifier=version)
            if how != "spawn":
                return worker, lambda: None
            self._starting += 1
        up = threading.Event()

        def started() -> None:
            with self._changed:
                if not up.is_set():
                    up.set()
                    self._starting -= 1
                    self._changed.notify_all()

        return worker, started

    def give_back(self, worker: Any) -> None:
        """The process is free for the next call; one that was condemned meanwhile ends, since nobody else knows it."""
        with self._changed:
            self._ministack.lambda_runtime.release_worker(worker)
            self._changed.notify_all()
        if worker.doomed:
            worker.end()

    def _has_free(self, key: Any) -> bool:
        runtime = self._ministack.lambda_runtime
        with runtime._lock:
            return any(not worker.in_use for worker in runtime._workers.get(key, ()))


def _around_emit_logs(original: Callable[..., Any]) -> Callable[..., Any]:
    """Our executor wrote the log already; other executors' logs stay ministack's."""

    def emit(*arguments: Any, log_source: str | None = None) -> None:
        if log_source != _OURS:
            original(*arguments, log_source=log_source)

    return emit


def _differs(running: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return any(running.get(key) != wanted.get(key) for key in _RESTARTING)


def _result(outcome: Outcome, lines: Iterable[Line]) -> dict[str, Any]:
    common = {"log": tail([line.text for line in lines]), "log_source": _OURS}
    if outcome.failure is not None:
        return {"body": outcome.failure, "error": True, "function_error": "Unhandled", **common}
    return {"body": outcome.result, **common}


def _trace_id(config: Mapping[str, Any]) -> str:
    sampled = int((config.get("TracingConfig") or {}).get("Mode") == "Active")
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled={sampled}"


def _with_platform_lines(outcome: Outcome, config: Mapping[str, Any], request_id: str, run: float) -> list[Line]:
    """START, END and REPORT around the function's own lines; JSON records when its log format is JSON."""
    init = outcome.init_ms or 0.0
    first = outcome.lines[0].at if outcome.lines else time.time_ns() // 1_000_000
    last = time.time_ns() // 1_000_000
    version = config.get("Version", "$LATEST")
    memory = config.get("MemorySize", 128)
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        report = {
            "requestId": request_id,
            "metrics": {
                "durationMs": round(run, 3),
                "billedDurationMs": int(run) + 1,
                "memorySizeMB": memory,
                "maxMemoryUsedMB": outcome.peak_mb,
                **({"initDurationMs": round(init, 3)} if outcome.init_ms is not None else {}),
            },
            "status": _status(outcome),
        }
        return [
            Line(at=first, text=_record("platform.start", {"requestId": request_id, "version": version}, first)),
            *outcome.lines,
            Line(at=last, text=_record("platform.report", report, last)),
        ]
    report_line = (
        f"REPORT RequestId: {request_id}\tDuration: {run:.2f} ms\tBilled Duration: {int(run) + 1} ms\t"
        f"Memory Size: {memory} MB\tMax Memory Used: {outcome.peak_mb} MB\t"
    )
    if outcome.init_ms is not None:
        report_line += f"Init Duration: {init:.2f} ms\t"
    return [
        Line(at=first, text=f"START RequestId: {request_id} Version: {version}"),
        *outcome.lines,
        Line(at=last, text=f"END RequestId: {request_id}"),
        Line(at=last, text=report_line),
    ]


def _status(outcome: Outcome) -> str:
    if outcome.failure is None:
        return "success"
    return "timeout" if outcome.failure.get("errorType") == "Sandbox.Timedout" else "error"


def _record(kind: str, record: Mapping[str, Any], at: int) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at / 1000)) + f".{at % 1000:03d}Z"
    return json.dumps({"time": stamp, "type": kind, "record": record})
