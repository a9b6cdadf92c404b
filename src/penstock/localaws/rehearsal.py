"""Faults on request, and a record of who answered what: only in a server that was started with ``--rehearsal``.

A candidate is told from the stable release by a file in its ZIP, ``PENSTOCK_REHEARSAL``, so functions of any language
can be made to fail without their sources being touched. Faults are what the server does around a call of theirs.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack

MARK = b"PENSTOCK_REHEARSAL"
PATH = "/_penstock/rehearsal"
KINDS = ("errors", "latency", "cold-start", "init-crash")
SIDES = ("candidate", "stable", "both")
_MOST = 1000.0
_DIRECTORY = 1 << 20
"""Bytes at the end of a ZIP in which the names of its files are looked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``value`` is a share for errors, a factor for latency, seconds for a cold start; nothing for a crash."""

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
        self._warm: set[tuple[str, str]] = set()
        self._calls: list[tuple[float, str, str, float, bool]] = []

    def install(self, ministack: Ministack) -> None:
        """Around everything else that surrounds an invocation."""
        ministack.wrap(ministack.lambdas, "_execute_function_warm", "(func, event, request_id)", self.around_execute)

    def around_execute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Let calls fail, be late, or both, as the faults say; write down each."""

        def execute(func: Mapping[str, Any], event: Any, request_id: str) -> Any:
            config = func.get("config") or func
            side = self._side(config, func.get("code_zip") or b"")
            began, at = time.monotonic(), time.time()
            result = self._failed(config, side) or original(func, event, request_id)
            for fault in self._of("latency", side):
                time.sleep(max(fault.value - 1, 0) * (time.monotonic() - began))
            failed = bool(result.get("error")) or _is_5xx(result.get("body"))
            with self._lock:
                self._calls.append((at, str(config["FunctionName"]), side, time.monotonic() - began, failed))
            return result

        return execute

    def answer(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """``PUT`` the faults that hold from now on; ``GET`` the calls since the last time they were asked for."""
        if method == "GET":
            with self._lock:
                calls, self._calls = self._calls, []
            return 200, {"calls": calls}
        if method == "PUT":
            try:
                self._faults = tuple(Fault.of(found) for found in json.loads(body)["faults"])
            except (ValueError, KeyError, TypeError) as error:
                return 400, {"message": f"faults are a list of kind, side and value: {error}"}
            return 200, {"faults": len(self._faults)}
        return 404, {"message": f"{method} {PATH} is not one of: GET, PUT"}

    def _failed(self, config: Mapping[str, Any], side: str) -> dict[str, Any] | None:
        """The failure of a call that does not get as far as the function, or None."""
        if self._of("init-crash", side):
            return _failure("Runtime.ImportModuleError", "rehearsal: the candidate crashes while it starts")
        for fault in self._of("cold-start", side):
            key = (str(config["FunctionName"]), str(config.get("Version")))
            with self._lock:
                cold = key not in self._warm
                self._warm.add(key)
            if cold:
                time.sleep(fault.value)
        for fault in self._of("errors", side):
            if self._chance() < fault.value:
                return _failure("RuntimeError", "rehearsal: broken in some calls")
        return None

    def _of(self, kind: str, side: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind == kind and fault.side in (side, "both")]

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
