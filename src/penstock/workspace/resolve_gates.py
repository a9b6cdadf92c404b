"""The gates of a rollout, from documents whose shape has been checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.gates import MetricGate, MetricTerm, Webhook
from penstock.workspace.durations import seconds

if TYPE_CHECKING:
    from penstock.workspace.layers import Document


def metric_gate(values: Document) -> MetricGate:
    """A metric gate from its table."""
    terms = values.get("terms", {}) if "expression" in values else {"series": values}
    limits = {key: float(values[key]) if key in values else None for key in ("max", "min", "max_rise", "max_fall")}
    return MetricGate(
        name=values["name"],
        terms={name: _term(term) for name, term in terms.items()},
        expression=values.get("expression", ""),
        period=seconds(values.get("period", "1m")),
        missing=values.get("missing", "inconclusive"),
        failures=values.get("failures", 2),
        **limits,
    )


def webhook(values: Document) -> Webhook:
    """A webhook from its table."""
    return Webhook(
        name=values["name"],
        url=values["url"],
        when=values["when"],
        timeout=float(seconds(values.get("timeout", "10s"))),
        retries=values.get("retries", 2),
        deadline=float(seconds(values.get("deadline", "10m"))),
        headers={header: one["secret"] for header, one in values.get("headers", {}).items()},
        secret=values.get("secret"),
    )


def _term(values: Document) -> MetricTerm:
    return MetricTerm(
        namespace=values["namespace"],
        metric=values["metric"],
        statistic=values["statistic"],
        dimensions=dict(values.get("dimensions", {})),
    )
