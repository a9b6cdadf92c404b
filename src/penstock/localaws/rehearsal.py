"""Faults on request, and a record of who answered what: only in a server that was started with ``--rehearsal``.

A candidate is told from the stable release by a file in its ZIP, ``PENSTOCK_REHEARSAL``, so functions of any language
can be made to fail without their sources being touched. Faults are what the server does around a call of theirs, around
the calls that they make themselves, around alarms, and around what drivers ask of control planes.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.localaws.api_faults import control_plane, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from penstock.localaws.api_faults import Answer
    from penstock.localaws.ministack_api import Ministack

MARK = b"PENSTOCK_REHEARSAL"
PATH = "/_penstock/rehearsal"
KINDS = (
    "errors",
    "latency",
    "cold-start",
    "init-crash",
    "throttling",
    "dependency-denied",
    "alarm-ringing",
    "aws-errors",
)
SIDES = ("candidate", "stable", "both")
_MOST = 1000.0
_DIRECTORY = 1 << 20
"""Bytes at the end of a ZIP in which the names of its files are looked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``value`` is a share, a factor for latency, seconds for a cold start; the other kinds have none.

    A cold start is the first call of each execution environment since there is the fault, of those that ran before too:
    one that a check has warmed may answer everything that comes.

    ``alarm-ringing`` and ``aws-errors`` are of no side: they take either for both.
    """

    kind: str
    side: str
    value: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Fault:
        """From a request's JSON. Raises ValueError, KeyError or TypeError on anything else."""
        fault = cls(str(found["kind"]), str(found["side"]), float(found["value"]))
        if fault.kind not in KINDS or fault.side not in SIDES or not 0 <= fault.value <= _MOST:
            raise ValueError(f"not a fault: {found}")
        return fault


class Rehearsal:
    """Wraps invocations."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._sides: dict[str, str] = {}
        self._warm: set[object] = set()
        self._sessions: dict[str, tuple[str, str]] = {}
        self._ringing: Callable[[], Iterator[str]] = lambda: iter(())
        self._hits: Counter[str] = Counter()
        self._calls: list[tuple[float, str, str, float, bool]] = []

    def install(self, ministack: Ministack) -> None:
        """Around everything else that surrounds an invocation, a decision about a grant, and an alarm."""
        ministack.wrap(ministack.lambdas, "_execute_function_warm", "(func, event, request_id)", self.around_execute)
        ministack.wrap(ministack.lambda_runtime, "execution_credentials", "(config)", self.around_credentials)
        ministack.wrap(
            ministack.evaluator,
            "enforce",
            "(access_key_id, iam_action, service, region, resource_arn=, service_context=)",
            lambda original: self.around_enforce(original, ministack.evaluator.EvalResult),
        )
        ministack.wrap(ministack.cloudwatch, "_evaluate_alarm", "(alarm)", self.around_evaluate)
        alarms = ministack.cloudwatch._alarms
        self._ringing = lambda: (
            str(alarm["AlarmName"]) for alarm in alarms.to_dict().values() if alarm.get("StateValue") == "ALARM"
        )

    def around_execute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Let calls fail, be late, or both, as the faults say; write down each."""

        def execute(func: Mapping[str, Any], event: Any, request_id: str) -> Any:
            config = func.get("config") or func
            side = self._side(config, func.get("code_zip") or b"")
            began, at = time.monotonic(), time.time()
            result = self._kept_off(side) or self._broken(self._run(original, func, event, request_id, side), side)
            for fault in self._of("latency", side):
                time.sleep(max(fault.value - 1, 0) * (time.monotonic() - began))
                if "duration_ms" in result:
                    result["duration_ms"] *= max(fault.value, 1)
                self._hit(fault)
            failed = bool(result.get("error")) or _is_5xx(result.get("body"))
            with self._lock:
                self._calls.append((at, str(config["FunctionName"]), side, time.monotonic() - began, failed))
            return result

        return execute

    def around_credentials(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Credentials of their own for each version, by which the calls that it makes are told from others'."""

        def credentials(config: Mapping[str, Any]) -> dict[str, str]:
            *unqualified, name = str(config["FunctionArn"]).split(":")[:7]
            arn = ":".join((*unqualified, name, str(config.get("Version") or "$LATEST")))
            found: dict[str, str] = original({**config, "FunctionArn": arn})
            role = str(config.get("Role", "")).rpartition("/")[2]
            session = f"arn:aws:sts::{unqualified[4]}:assumed-role/{role}/{name}"
            side = self._sides.get(str(config.get("CodeSha256")), "stable")
            self._sessions[found["AWS_ACCESS_KEY_ID"]] = (side, session)
            return found

        return credentials

    def around_enforce(self, original: Callable[..., Any], refused: Callable[..., Any]) -> Callable[..., Any]:
        """What a side is denied, its role is: the signature is checked before, and nothing is more allowed."""

        def enforce(access_key_id: str, *arguments: Any, **keywords: Any) -> Any:
            decision = original(access_key_id, *arguments, **keywords)
            side, session = self._sessions.get(access_key_id, ("", ""))
            denied = self._of("dependency-denied", side) if decision is None and side else []
            if not denied:
                return decision
            self._hit(denied[0])
            return refused("ImplicitDeny", principal_arn=session)

        return enforce

    def around_evaluate(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """An alarm that rings goes on ringing, also in a moment in which its metric looks well."""

        def evaluate(alarm: dict[str, Any]) -> None:
            if alarm.get("StateValue") != "ALARM" or not self._of("alarm-ringing", "both"):
                original(alarm)

        return evaluate

    def refusal(self, scope: Mapping[str, Any]) -> Answer | None:
        """What a control plane answers instead of doing what a driver asks: busy one time, broken the other."""
        for fault in self._of("aws-errors", "both"):
            service = control_plane(scope)
            if service is not None and self._chance() < fault.value:
                return refusal(scope, service, throttled=self._hit(fault) % 2 == 1)
        return None

    def answer(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """``PUT`` the faults that hold from now on; ``GET`` what came of them.

        That is the calls since the last time, the alarms that ring, and how often each ``kind side`` has struck so far.
        """
        if method == "GET":
            with self._lock:
                calls, self._calls = self._calls, []
            return 200, {"calls": calls, "alarms": sorted(self._ringing()), "hits": dict(self._hits)}
        if method == "PUT":
            try:
                faults = tuple(Fault.of(found) for found in json.loads(body)["faults"])
            except (ValueError, KeyError, TypeError) as error:
                return 400, {"message": f"faults are a list of kind, side and value: {error}"}
            with self._lock:
                self._faults = faults
                self._warm.clear()
            return 200, {"faults": len(self._faults)}
        return 404, {"message": f"{method} {PATH} is not one of: GET, PUT"}

    def _hit(self, fault: Fault) -> int:
        """Write down that it struck; how often it has."""
        with self._lock:
            self._hits[f"{fault.kind} {fault.side}"] += 1
            return self._hits[f"{fault.kind} {fault.side}"]

    def _kept_off(self, side: str) -> dict[str, Any] | None:
        """What becomes of a call that does not get as far as the function, or None."""
        for fault in self._of("throttling", side):
            if self._chance() < fault.value:
                self._hit(fault)
                return _throttle()
        for fault in self._of("init-crash", side):
            self._hit(fault)
            return _failure("Runtime.ImportModuleError", "rehearsal: the candidate crashes while it starts")
        return None

    def _run(
        self, original: Callable[..., Any], func: Mapping[str, Any], event: Any, request_id: str, side: str
    ) -> dict[str, Any]:
        """Call the function; a start that is late is waited for here, and is none of its Duration, as on AWS."""
        result: dict[str, Any] = original(func, event, request_id)
        environment = result.pop("environment", None)
        faults = self._of("cold-start", side)
        if faults:
            with self._lock:
                is_cold = environment not in self._warm
                self._warm.add(environment)
            for fault in faults if is_cold else ():
                time.sleep(fault.value)
                self._hit(fault)
        return result

    def _broken(self, result: dict[str, Any], side: str) -> dict[str, Any]:
        """The result, or a failure that took as long: one that came at once would tell the sides by their latency."""
        for fault in self._of("errors", side):
            if self._chance() < fault.value:
                self._hit(fault)
                taken = {"duration_ms": result["duration_ms"]} if "duration_ms" in result else {}
                return {**_failure("RuntimeError", "rehearsal: broken in some calls"), **taken}
        return result

    def _of(self, kind: str, side: str) -> list[Fault]:
        return [
            fault for fault in self._faults if fault.kind == kind and (side == "both" or fault.side in (side, "both"))
        ]

    def _side(self, config: Mapping[str, Any], code_zip: bytes) -> str:
        code = str(config.get("CodeSha256"))
        side = self._sides.get(code)
        if side is None:
            side = self._sides[code] = "candidate" if MARK in code_zip[-_DIRECTORY:] else "stable"
        return side


def _is_5xx(body: Any) -> bool:
    status = body.get("statusCode") if isinstance(body, dict) else None
    return isinstance(status, int) and status >= 500  # noqa: PLR2004 - HTTP's own


def _failure(kind: str, text: str) -> dict[str, Any]:
    log = f"[ERROR] {kind}: {text}"
    body = {"errorType": kind, "errorMessage": text}
    return {"body": body, "error": True, "function_error": "Unhandled", "log": log, "log_source": "penstock"}


def _throttle() -> dict[str, Any]:
    """As a function without concurrency left answers: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html."""
    body = {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "__type": "TooManyRequestsException",
        "message": "Rate Exceeded.",
        "retryAfterSeconds": "1",
    }
    return {"body": body, "throttle": True, "error": True, "log": "", "log_source": "penstock"}
