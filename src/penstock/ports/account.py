"""The rest of an account: who acts, parameters, secrets, what `status` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@runtime_checkable
class Identity(Protocol):
    """Who acts."""

    def caller(self) -> str:
        """The STS caller's ARN. Raises AccessDenied when there are no valid credentials."""

    def account(self) -> str:
        """The STS caller's account."""


@runtime_checkable
class Parameters(Protocol):
    """Parameter Store."""

    def get(self, name: str) -> str | None:
        """The value, or None."""

    def put(self, name: str, value: str) -> None:
        """Write, whatever is there."""

    def delete(self, name: str) -> None:
        """Delete; done when it is not there."""


@runtime_checkable
class Secrets(Protocol):
    """Secrets Manager. Values go in; only those that a webhook is asked with are ever read back."""

    def has_value(self, name: str) -> bool:
        """Whether the secret exists and has a current value."""

    def put(self, name: str, value: str) -> None:
        """Set the current value, creating the secret's container when it is missing."""

    def value(self, name: str) -> str | None:
        """The current value as text, or None where there is none."""


@runtime_checkable
class Notices(Protocol):
    """SNS topics, which people and machines have subscribed to."""

    def publish(self, topic: str, *, subject: str, message: str) -> None:
        """Tell a topic of this account and region, by its physical name. Raises NotFound when there is none."""


@runtime_checkable
class Schedules(Protocol):
    """EventBridge Scheduler: what calls a function every minute for as long as there is something to do."""

    def start(self, name: str, *, group: str, function: str, role: str, payload: str, until: float) -> None:
        """Call a function of this account and region every minute until then (seconds since the epoch).

        Function, group and role by their names; the role is the one that calls. A schedule of that name is replaced.
        Raises NotFound when there is no such group.
        """

    def stop(self, name: str, *, group: str) -> None:
        """Call it no more; done when there is no such schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionHealth:
    """Lambda's metrics of one function over a window: counts, and p95 in milliseconds (None without calls)."""

    invocations: int
    errors: int
    throttles: int
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHealth:
    """A DynamoDB table: its status, item count, and throttled requests in a window."""

    status: str
    items: int
    throttled: int


@runtime_checkable
class Health(Protocol):
    """What `penstock status` shows of a running environment."""

    def functions(self, names: Sequence[str], minutes: int) -> Mapping[str, FunctionHealth]:
        """Metrics per physical function name."""

    def tables(self, names: Sequence[str], minutes: int) -> Mapping[str, TableHealth]:
        """State per physical table name; missing tables are left out."""
