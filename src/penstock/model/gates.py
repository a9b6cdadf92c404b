"""Gates of the user's own: what besides the judge may stop a rollout, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - model/plain.py reads annotations
from dataclasses import dataclass, field
from typing import Literal

MissingData = Literal["inconclusive", "zero", "fail"]
When = Literal["before-traffic", "each-step", "promotion"]

CANDIDATE, STABLE = "{candidate}", "{stable}"
"""Stand for the two slots' names in dimensions and expressions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTerm:
    """One series of CloudWatch's and a statistic of it; `dimensions` is the whole set."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """A number of CloudWatch's that must stay within limits while the candidate has a share of the traffic.

    Args:
        name: what people call it.
        terms: series by the names that the expression gives them; exactly one where there is no expression.
        expression: metric math over the terms, or a query of Metrics Insights; empty for the one term itself.
        period: seconds of one point, whole minutes.
        max: a larger value is a failing point.
        min: a smaller one is.
        max_rise: share by which it may be above what it was in the hour before the rollout.
        max_fall: share by which it may be below that.
        missing: what a point without data is: nothing that can be told, a value of 0, or a failing point.
        failures: failing points in a row that take traffic back.
    """

    name: str
    terms: Mapping[str, MetricTerm] = field(default_factory=dict)
    expression: str = ""
    period: int = 60
    max: float | None = None
    min: float | None = None
    max_rise: float | None = None
    max_fall: float | None = None
    missing: MissingData = "inconclusive"
    failures: int = 2

    @property
    def is_relative(self) -> bool:
        """Whether it is compared with what was before the rollout."""
        return self.max_rise is not None or self.max_fall is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Something that is asked over HTTP whether a rollout may go on.

    Args:
        name: what people call it.
        url: https, or http on 127.0.0.1; it gets a POST.
        when: before any traffic, after each bake and before all traffic, or only before all traffic.
        timeout: seconds of one request, its answer included.
        retries: further requests soon after one that brings no usable answer; later ones come each minute.
        deadline: seconds for its yes, from when it was first asked; afterwards traffic goes back.
        headers: names of secrets of the workspace, by the headers that bear their values.
        secret: name of the secret that signs the body; None leaves it unsigned.
    """

    name: str
    url: str
    when: When
    timeout: float = 10.0
    retries: int = 2
    deadline: float = 600.0
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of all secrets that it needs."""
        return tuple(dict.fromkeys((*self.headers.values(), *((self.secret,) if self.secret else ()))))
