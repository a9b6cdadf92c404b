"""The account's limit of executions at once: what functions have reserved is theirs, the others share the rest.

ministack counts all accounts together, against what the machine can bear, and lets functions reserve any number.

Reference: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

LEAST_UNRESERVED = 100
"""What AWS keeps for functions that have reserved nothing."""


class _Shared(str):
    """The slot of an execution that takes from what the functions share."""

    __slots__ = ()


def install(ministack: Ministack, settings: Settings) -> None:
    """Count executions by account and region; refuse reservations that leave too little."""
    limit = Concurrency(ministack, settings.concurrency)
    lambdas = ministack.lambdas
    ministack.wrap(lambdas, "_acquire_execution_slot", "(func, config)", limit.around_acquire)
    ministack.wrap(lambdas, "_release_execution_slot", "(key)", limit.around_release)
    ministack.wrap(lambdas, "_put_function_concurrency", "(func_name, data)", limit.around_put)
    ministack.wrap(lambdas, "_get_account_settings", "()", limit.around_settings)


class Concurrency:
    """What is under way without a reservation, by account and region."""

    def __init__(self, ministack: Ministack, most: int) -> None:
        self._ministack = ministack
        self._most = most
        self._shared: Counter[str] = Counter()
        self._lock = threading.Lock()

    def around_acquire(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """No slot when the others have taken all that nobody has reserved."""

        def acquire(func: dict[str, Any], config: dict[str, Any]) -> tuple[str | None, str | None]:
            if self._ministack.lambdas._reserved_concurrency(func, config) is not None:
                reserved: tuple[str | None, str | None] = original(func, config)
                return reserved
            scope = ":".join(self._ministack.responses_scope())
            with self._lock:
                count = self._shared[scope]
                # Summing up what is reserved takes a while: not where it cannot matter.
                is_near = count >= LEAST_UNRESERVED or self._most <= LEAST_UNRESERVED
                if is_near and count >= self._most - self._reserved():
                    return None, "account"
                key, refused = original(func, config)
                if key is None:
                    return None, refused
                self._shared[scope] += 1
                return _Shared(key), None

        return acquire

    def around_release(self, original: Callable[..., None]) -> Callable[..., None]:
        """Give the slot back to those who share."""

        def release(key: str) -> None:
            original(key)
            if isinstance(key, _Shared):
                with self._lock:
                    self._shared[key.rpartition(":")[0]] -= 1

        return release

    def around_put(self, original: Callable[..., Response]) -> Callable[..., Response]:
        """Refuse a reservation that leaves the others fewer than a hundred."""

        def put(func_name: str, data: dict[str, Any]) -> Response:
            wanted = int(data.get("ReservedConcurrentExecutions") or 0)
            if wanted and self._most - self._reserved(but=func_name) - wanted < LEAST_UNRESERVED:
                return self._ministack.error(
                    "InvalidParameterValueException",
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}].",
                    400,
                )
            return original(func_name, data)

        return put

    def around_settings(self, original: Callable[[], Response]) -> Callable[[], Response]:
        """The limit as it is here."""

        def account_settings() -> Response:
            status, headers, body = original()
            answer = json.loads(body)
            answer["AccountLimit"]["ConcurrentExecutions"] = self._most
            answer["AccountLimit"]["UnreservedConcurrentExecutions"] = max(self._most - self._reserved(), 0)
            return status, headers, json.dumps(answer).encode()

        return account_settings

    def _reserved(self, but: str | None = None) -> int:
        """What functions of the account and region under way have reserved."""
        functions = self._ministack.lambdas._functions
        return sum(int(function.get("concurrency") or 0) for name, function in functions.items() if name != but)
