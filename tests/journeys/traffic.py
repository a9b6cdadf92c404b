"""A client that asks at a steady rate, whatever happens meanwhile, and remembers every answer."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from journeys.leaks import log_lines
from journeys.shop import HEALTH_ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from journeys.shop import Shop

RATE = 1.0
"""Rounds per second; a round asks every route once. Eight routes asked three times a second are more than a slow
machine answers while it also runs Terraform: calls then wait for each other until somebody's patience ends."""
HEALTHY: Mapping[str, int] = dict.fromkeys(HEALTH_ROUTES, 200)
REAL: Mapping[str, int] = {
    "/catalog": 200,
    "/users?limit=1": 200,
    "/users/nobody": 404,
    "/orders/none": 404,
}
"""Routes that read tables, and what each answers in a shop without data."""
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: when it was sent (seconds, monotonic), and what came of it; status 0 means that nothing came."""

    at: float
    route: str
    status: int
    body: str


@dataclass
class Client:
    """Asks routes in rounds while its `with` block runs.

    Args:
        shop: whom to ask.
        routes: each route, and the status of a good answer.
        rate: rounds per second.
    """

    shop: Shop
    routes: Mapping[str, int] = field(default_factory=lambda: dict(HEALTHY))
    rate: float = RATE
    environment: str = "dev"
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(route,), daemon=True) for route in self.routes]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    @property
    def failed(self) -> list[Asked]:
        """Every request that had no good answer."""
        return [asked for asked in self.asked if asked.status != self.routes[asked.route]]

    @property
    def explained(self) -> str:
        """What functions and the embedded AWS have logged of failures, for a test that expected none."""
        wrong = re.compile(r"error|timed out|exception", re.IGNORECASE)
        told = [line for line in log_lines(self.shop, self.environment) if wrong.search(line)]
        server = (self.shop.root / ".penstock" / "local.log").read_text().splitlines()
        return "\n".join((*told[-20:], *server[-40:]))

    def bodies(self, route: str) -> Counter[str]:
        """How often each body came."""
        return Counter(asked.body for asked in self.asked if asked.route == route)

    def _ask_on(self, route: str) -> None:
        due = time.monotonic()
        while not self._end.is_set():
            self.asked.append(self._ask(route))
            due = max(due + 1 / self.rate, time.monotonic())
            self._end.wait(due - time.monotonic())

    def _ask(self, route: str) -> Asked:
        at = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=_PATIENCE)
        try:
            connection.request("GET", f"/@shop-{self.environment}{route}")
            answer = connection.getresponse()
            return Asked(at=at, route=route, status=answer.status, body=answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Asked(at=at, route=route, status=0, body=repr(error))
        finally:
            connection.close()
