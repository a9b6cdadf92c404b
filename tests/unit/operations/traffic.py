"""Callers whose requests follow the weights, minute by minute, and what CloudWatch counts of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from unit.release.shop import NAMES

from penstock.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.operations.harness import Verbs

    from penstock.model.rollouts import RolloutPolicy
    from penstock.model.workspace import Workspace
    from penstock.testing import FakeMetrics

PERCENTS = 100


@dataclass
class Traffic:
    """So many calls a minute to every function's two slots, by the stage's weights; so many of each side are bad."""

    verbs: Verbs
    per_minute: int = 600
    bad: dict[str, float] = field(default_factory=dict)
    """Share of bad calls of a function's candidate."""
    slower: dict[str, float] = field(default_factory=dict)
    """Milliseconds by which every call of a function's candidate takes longer."""
    everywhere: float = 0.0
    """Share of bad calls on both sides."""
    logged: bool = True
    """Whether the stage's access log is written."""
    queried: bool = False
    """Whether no metric filter counts it."""
    handled: dict[str, float] = field(default_factory=dict)
    """Share of calls that a function's candidate answers with 503 itself."""
    timed: bool = True
    """Whether Lambda tells how long calls took."""
    loyal: float = 0.0
    """Share of callers that name the live slot's alias themselves."""
    quiet: set[str] = field(default_factory=set)
    """Functions that nobody calls."""
    hangs: tuple[float, float] | None = None
    """Between these moments all calls hang: the candidate's fail at once, the stable side's are counted as failed …"""
    patience: float = 0.0
    """… so many seconds after they began."""
    meanwhile: Callable[[], object] = bool
    """What else happens while time goes by."""
    _hanging: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def between(self, begin: float, end: float) -> None:
        """Record the minutes that have ended between two moments."""
        for minute in range(int(begin // 60), int(end // 60)):
            self._minute(minute * 60)
        for due in [due for due in self._hanging if due[0] <= end]:
            self._hanging.remove(due)
            due[1]()
        self.meanwhile()

    def _minute(self, at: int) -> None:
        stage = self.verbs.shop.gateway.stage(self.verbs.shop.api, "live")
        assert stage is not None
        live = stage.variables["slot"]
        share = stage.canary.percent / PERCENTS * (1 - self.loyal) if stage.canary else 0.0
        for name in (name for name in NAMES if name not in self.quiet):
            for slot in ("blue", "green"):
                canary = slot != live
                calls = round(self.per_minute * (share if canary else 1 - share))
                wrong = self.everywhere + (self.bad.get(name, 0.0) if canary else 0.0)
                slower = self.slower.get(name, 0.0) if canary else 0.0
                hang = self.hangs is not None and self.hangs[0] <= at < self.hangs[1]
                bad = calls if hang else round(calls * wrong)
                count = partial(self._calls, (f"shop-dev-{name}", slot), calls, bad, 20.0 + slower, at)
                if hang and not canary:
                    self._hanging.append((at + self.patience, count))
                else:
                    count()
                if self.logged and stage.canary:
                    self._answers(name, canary, calls, at)

    def _calls(self, alias: tuple[str, str], calls: int, bad: int, milliseconds: float, at: int) -> None:
        function, slot = alias
        metrics: FakeMetrics = self.verbs.shop.metrics
        dimensions = {"FunctionName": function, "Resource": f"{function}:{slot}"}
        metrics.record("AWS/Lambda", "Invocations", dimensions, 1.0, at=at, count=calls)
        metrics.record("AWS/Lambda", "Errors", dimensions, 1.0, at=at, count=bad)
        if self.timed:
            metrics.record("AWS/Lambda", "Duration", dimensions, milliseconds, at=at, count=calls)

    def _answers(self, name: str, canary: bool, calls: int, at: int) -> None:
        metrics, route = self.verbs.shop.metrics, f"GET /{name}/health"
        errors = round(calls * self.handled.get(name, 0.0)) if canary else 0
        if self.queried:
            group = "/aws/apigateway/shop-dev"
            metrics.request(group, route, canary=canary, status=200, at=at, count=calls - errors)
            metrics.request(group, route, canary=canary, status=503, at=at, count=errors)
            return
        dimensions = {"Route": route, "Canary": "true" if canary else "false"}
        metrics.record("Penstock/shop-dev", "Requests", dimensions, 1.0, at=at, count=calls)
        metrics.record("Penstock/shop-dev", "ServerErrors", dimensions, 1.0, at=at, count=errors)


class Busy(FakeClock):
    """A clock during whose sleeps callers go on calling."""

    traffic: Traffic | None = None

    def sleep(self, seconds: float) -> None:
        begin = self.now()
        super().sleep(seconds)
        if self.traffic is not None:
            self.traffic.between(begin, self.now())


def with_rollout(verbs: Verbs, policy: RolloutPolicy) -> Workspace:
    environment = replace(verbs.workspace.environment, rollout=policy)
    return replace(verbs.workspace, environment=environment)
