"""How an environment's releases get their traffic, as its configuration says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from penstock.model.gates import MetricGate, Webhook  # noqa: TC001 - model/plain.py reads annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

StepKind = Literal["verify", "weight", "bake", "pause", "approve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of a walk that the configuration spells out. Only what its kind knows is set; times in seconds."""

    kind: StepKind
    percent: int = 0
    seconds: float = 0.0
    why: str = ""
    people: int = 0
    deadline: float | None = None
    """The most that the step may take before traffic goes back; None leaves it to the rollout's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPolicy:
    """How traffic moves. Weights are percent, durations seconds, `margin` and `latency_margin` shares of calls.

    `alpha` is the probability with which the judge may take a release for bad that is not, and the one with which it
    may pass one that is; `delay` how late measurements may come; `minimum` the canary calls of each changed service
    that a step needs; `clusters` the most calls that one cause makes bad.
    """

    strategy: Literal["all-at-once", "linear", "canary", "blue-green", "custom"] = "all-at-once"
    weights: tuple[int, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    by: int | None = None
    every: float | None = None
    bake: float | None = None
    margin: float = 0.01
    latency_margin: float = 0.05
    alpha: float = 0.01
    minimum: int = 50
    clusters: int = 1
    delay: float = 120.0
    alarms: tuple[str, ...] = ()
    """CloudWatch alarms of the user's own, by name, that stop a rollout when they begin to ring."""
    metrics: tuple[MetricGate, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    on_inconclusive: Literal["extend", "raise", "synthetic", "ask"] = "extend"
    deadline: float | None = None
    window: float = 0.0
    """Seconds after a promotion for which what only the release before needed is kept, so that it can come back."""
    controller: bool = True
    """Whether a function in the account watches over rollouts, and can drive them (`deploy --detach`)."""

    @property
    def is_judged(self) -> bool:
        """Whether the environment's own strategy walks under a judge."""
        return self.strategy in {"canary", "linear"} or any(step.kind == "bake" for step in self.steps)

    @property
    def bake_after(self) -> float:
        """Seconds for which alarms can take a release back after all traffic has moved; custom walks end with that."""
        return self.bake or 0.0

    @property
    def has_alarms(self) -> bool:
        """Whether Terraform makes alarms that stop releases: only where somebody looks at them."""
        return self.is_judged or bool(self.bake_after)

    @property
    def has_controller(self) -> bool:
        """Whether Terraform makes the controller function: only where rollouts take time."""
        return self.controller and self.is_judged


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to an API: a path with its query, headers beside the ordinary ones, a body."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def is_safe(self) -> bool:
        """Whether asking again changes nothing (RFC 9110, section 9.2.1)."""
        return self.method in SAFE


SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthetic:
    """Requests of our own, for environments where nobody calls: `rate` a minute, in turn; none: the health routes."""

    rate: float = 60.0
    requests: tuple[Request, ...] = ()
