"""Execution environments of functions: one process each, ended with the server, isolated from the host.

A process speaks JSON lines over two pipes of its own, so everything a function prints is its log. The pipes also tie
its life to the server's: when the server is gone, however it went, they close and the process ends.

Reference: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.localaws.deadlines import Deadline
from penstock.localaws.interpreters import NoInterpreterError
from penstock.localaws.unpacking import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.localaws.interpreters import Interpreters

_BOOTSTRAPS = Path(__file__).with_name("bootstrap")
_INIT_SECONDS = 10.0
_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a function's log; ``at`` in milliseconds since 1970."""

    at: int
    text: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one invocation came to. ``failure`` is the error document as AWS returns it."""

    result: Any = None
    failure: dict[str, Any] | None = None
    lines: list[Line] = field(default_factory=list)
    init_ms: float | None = None
    peak_mb: int = 0
    pid: int | None = None
    """Of the process that ran it, which may have ended since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where functions run: what the server gives to every process."""

    code: Path
    interpreters: Interpreters
    python_sdk: Path
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One invocation's own values."""

    arn: str
    event: Any
    request_id: str
    trace_id: str
    timeout: float


class FunctionProcess:
    """An execution environment. Has the attributes that ministack's pool of workers asks of its members."""

    def __init__(self, func_name: str, config: Mapping[str, Any], code_zip: bytes, host: Host) -> None:
        self.func_name = func_name
        self.config = config
        self.code_zip = code_zip
        self.in_use = False
        self.last_used = time.time()
        self.log_stream = _log_stream(config)
        self._lock = threading.Lock()
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = -1
        self._answers = -1
        self._log = -1
        self._unfinished = b""
        self.doomed = False
        """Condemned while it was leased: the pool knows it no more, and it ends with its lease."""

    @property
    def _proc(self) -> subprocess.Popen[bytes] | None:
        """What ministack's pool may kill now: nothing while an invocation runs; it ends after that one."""
        if self.in_use:
            self.doomed = True
            return None
        return self._process

    @_proc.setter
    def _proc(self, _value: None) -> None:
        if not self.doomed:
            self._forget()

    def _discard_tmpdir(self) -> None:
        """Nothing to discard: code is shared by all processes that run it."""

    def run(self, call: Call, environment: Mapping[str, str], started: Callable[[], None]) -> Outcome:
        """Answer one invocation, starting the process when there is none; `started` is called when it is up."""
        with self._lock:
            outcome = Outcome()
            try:
                if self._process is None or self._process.poll() is not None:
                    # Lambda begins a late init anew within the function's timeout: this is as long as both together.
                    self._start(environment, outcome, _INIT_SECONDS + call.timeout, call)
                started()
                outcome.pid = self._process.pid if self._process else None
                if outcome.failure is None:
                    self._invoke(call, outcome)
            except NoInterpreterError as error:
                outcome.failure = _failure("Runtime.InvalidRuntime", str(error), call)
                outcome.lines.append(Line(at=_now(), text=f"[ERROR] {error}"))
            if outcome.failure is None or self._process is not None:
                outcome.peak_mb = self._peak_mb()
            return outcome

    def end(self) -> None:
        """Stop the process now."""
        process = self._process
        self._forget()
        if process is not None:
            process.kill()
            process.wait()

    def _start(self, environment: Mapping[str, str], outcome: Outcome, seconds: float, call: Call) -> None:
        self._forget()
        began = time.monotonic()
        root = unpacked(self._host.code, self.code_zip)
        runtime = str(self.config.get("Runtime", ""))
        program = self._host.interpreters.of(runtime)
        commands_in, self._commands = os.pipe()
        self._answers, answers_out = os.pipe()
        self._log, log_out = os.pipe()
        node = runtime.startswith("nodejs")
        command = (
            [program, "--enable-source-maps", str(_BOOTSTRAPS / "node_bootstrap.mjs")]
            if node
            else [program, "-S", "-s", str(_BOOTSTRAPS / "python_bootstrap.py")]
        )
        try:
            self._process = subprocess.Popen(
                [*command, str(commands_in), str(answers_out)],
                cwd=root,
                env={**environment, "LAMBDA_TASK_ROOT": str(root), "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream},
                pass_fds=(commands_in, answers_out),
                stderr=log_out,
                stdin=subprocess.DEVNULL,
                stdout=log_out,
            )
        finally:
            for descriptor in (commands_in, answers_out, log_out):
                os.close(descriptor)
        os.set_blocking(self._log, False)
        os.set_blocking(self._answers, False)
        start = {
            "after": [str(self._host.python_sdk)],
            "before": [],
            "handler": self.config.get("Handler", ""),
            "task_root": str(root),
        }
        answer = self._exchange(start, seconds, outcome)
        outcome.init_ms = (time.monotonic() - began) * 1000
        if answer is None:
            outcome.failure = self._ended_or_late(call, seconds)
            self.end()
        elif "init_error" in answer:
            outcome.failure = {**answer["init_error"], "requestId": call.request_id}
            self.end()

    def _invoke(self, call: Call, outcome: Outcome) -> None:
        command = {
            "arn": call.arn,
            "deadline": time.time() + call.timeout,
            "event": call.event,
            "request_id": call.request_id,
            "trace_id": call.trace_id,
        }
        answer = self._exchange(command, call.timeout, outcome)
        if answer is None:
            outcome.failure = self._ended_or_late(call, call.timeout)
            outcome.lines.append(Line(at=_now(), text=f"{_iso()} {call.request_id} {_short(outcome.failure)}"))
            self.end()
        elif "exit" in answer:
            outcome.failure = _exit(call, answer["exit"])
            self.end()
        elif "error" in answer:
            outcome.failure = {**answer["error"], "requestId": call.request_id}
        else:
            outcome.result = answer.get("result")

    def _exchange(self, message: Any, seconds: float, outcome: Outcome) -> dict[str, Any] | None:
        """Send one line, wait for one line; gather the log meanwhile. None: the process ended or is late."""
        deadline = Deadline(seconds, self._process.pid if self._process else 0)
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        waiting.register(self._log, select.POLLIN)
        sender = threading.Thread(target=self._send, args=(message,), daemon=True)
        data = json.dumps(message).encode() + b"\n"
        if len(data) <= select.PIPE_BUF:
            with contextlib.suppress(OSError):
                os.write(self._commands, data)
        else:
            sender.start()
        received = b""
        ended = False
        while not received.endswith(b"\n"):
            left = deadline.left()
            if left <= 0 or ended:
                self._gather(outcome)
                return None
            for descriptor, _ in waiting.poll(left * 1000):
                if descriptor == self._log:
                    if not self._gather(outcome):
                        waiting.unregister(self._log)
                else:
                    chunk = os.read(self._answers, _CHUNK)
                    ended = not chunk
                    received += chunk
        self._gather(outcome)
        answer: dict[str, Any] = json.loads(received)
        return answer

    def _send(self, message: Any) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._commands, data) :]

    def _gather(self, outcome: Outcome) -> bool:
        """Take what is in the log pipe; False when its other end is closed."""
        while True:
            try:
                chunk = os.read(self._log, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                if self._unfinished:
                    outcome.lines.append(Line(at=_now(), text=self._unfinished.decode("utf-8", "replace")))
                    self._unfinished = b""
                return False
            *whole, self._unfinished = (self._unfinished + chunk).split(b"\n")
            outcome.lines.extend(Line(at=_now(), text=line.decode("utf-8", "replace")) for line in whole)

    def _ended_or_late(self, call: Call, seconds: float) -> dict[str, Any]:
        process = self._process
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return _exit(call, process.wait(timeout=0.05))
        text = f"RequestId: {call.request_id} Error: Task timed out after {seconds:.2f} seconds"
        return {"errorType": "Sandbox.Timedout", "errorMessage": text}

    def _peak_mb(self) -> int:
        if self._process is None:
            return 0
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
        return 0

    def _forget(self) -> None:
        for descriptor in (self._commands, self._answers, self._log):
            if descriptor >= 0:
                os.close(descriptor)
        self._commands = self._answers = self._log = -1
        self._process = None
        self._unfinished = b""


def environment_of(config: Mapping[str, Any], credentials: Mapping[str, str], url: str) -> dict[str, str]:
    """The variables a function finds: Lambda's, its configuration's, its role's; nothing of the host."""
    name = str(config["FunctionName"])
    region = str(config["FunctionArn"]).split(":")[3]
    own = {str(k): str(v) for k, v in ((config.get("Environment") or {}).get("Variables") or {}).items()}
    reserved = {
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', '')}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(config.get("Version", "$LATEST")),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(config),
        "AWS_REGION": region,
        "_HANDLER": str(config.get("Handler", "")),
        **credentials,
    }
    defaults = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": url,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LANG": "en_US.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONUTF8": "1",
        "TZ": ":UTC",
    }
    return {**defaults, **own, **reserved}


def log_group(config: Mapping[str, Any]) -> str:
    """The log group of a function."""
    return str((config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}")


def _log_stream(config: Mapping[str, Any]) -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}/[{config.get('Version', '$LATEST')}]{secrets.token_hex(16)}"


def _exit(call: Call, status: int) -> dict[str, Any]:
    what = f"signal: {-status}" if status < 0 else f"exit status {status}"
    return _failure("Runtime.ExitError", f"RequestId: {call.request_id} Error: Runtime exited with error: {what}", call)


def _failure(kind: str, text: str, _call: Call) -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": text}


def _short(failure: Mapping[str, Any]) -> str:
    return str(failure["errorMessage"]).partition("Error: ")[2] or str(failure["errorMessage"])


def _now() -> int:
    return time.time_ns() // 1_000_000


def _iso() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def tail(lines: Sequence[str], size: int = 4096) -> str:
    """The last ``size`` bytes of a log, as ``LogType=Tail`` returns them."""
    return ("\n".join(lines) + "\n").encode()[-size:].decode("utf-8", "replace")
