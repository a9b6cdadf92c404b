"""Asking what the user's own gates are about: CloudWatch each minute, and webhooks when a step says so.

Nothing here raises what a provider did wrong: a gate that could not be asked is an ERROR, which is told and holds the
rollout up. Values of secrets go into requests and nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from penstock.model.errors import Busy, RemoteFault
from penstock.operations.measure import HISTORY
from penstock.operations.store import ReleaseStore
from penstock.ports import MetricQuery, MetricQuestion
from penstock.rollout.advance import to_ask
from penstock.rollout.gates import Points
from penstock.rollout.verdict import Verdict
from penstock.rollout.webhooks import Reply, key_of, plain, read, reply_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.gates import MetricGate, Webhook
    from penstock.operations.world import World
    from penstock.rollout.gates import Gate
    from penstock.rollout.state import Rollout

SIGNATURE = "X-Hub-Signature-256"
"""GitHub's header and format, which many receivers know how to check:
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
AGENT = "penstock-webhook"
BUSY = frozenset({408, 425, 429})
SERVER_ERROR = 500
"""Statuses that may be another one in a moment."""
HIDDEN = "***"


def points(world: World, rollout: Rollout, now: float) -> tuple[Points, ...]:
    """What CloudWatch says of the gates that have points to be looked at."""
    return tuple(_points(world, rollout, gate, due) for gate in rollout.gates if (due := to_ask(rollout, gate, now)))


def consult(world: World, rollout: Rollout, name: str) -> Reply:
    """Ask the webhook of the step under way once, and say what it replied.

    Where it has just brought no usable answer, there is a short pause before it.
    """
    hook = next((hook for hook in world.workspace.environment.rollout.webhooks if hook.name == name), None)
    if hook is None:
        verdict, sentence = Verdict.ERROR, f"{name} could not be asked: the configuration does not know it any more"
        return Reply(step=rollout.at, webhook=name, verdict=verdict, sentence=sentence, at=world.traffic_clock.now())
    known = reply_of(rollout.replies, rollout.at, name)
    left = known.left - 1 if known is not None and known.left else hook.retries
    if left < hook.retries:
        world.clock.sleep(random.uniform(0.5, 1) * 2.0 ** (hook.retries - left - 1))  # noqa: S311 - jitter
    verdict, sentence, is_passing = _asked(world, rollout, hook)
    return Reply(
        step=rollout.at,
        webhook=name,
        verdict=verdict,
        sentence=sentence,
        at=world.traffic_clock.now(),
        left=left if is_passing else 0,
    )


def _points(world: World, rollout: Rollout, gate: Gate, due: range) -> Points:
    question = _question(gate.metric)
    before: float | None = None
    try:
        if gate.metric.is_relative and gate.before is None:
            usual = world.metrics.points(question, start=rollout.began - HISTORY, end=rollout.began)
            before = median(usual.values()) if usual else None
        values = world.metrics.points(question, start=due.start, end=due.stop)
    except RemoteFault as fault:
        return Points(name=gate.metric.name, fault=plain(fault.what))
    return Points(name=gate.metric.name, until=float(due.stop), values=values, before=before)


def _question(metric: MetricGate) -> MetricQuestion:
    return MetricQuestion(
        terms=tuple(
            (
                name,
                MetricQuery(
                    namespace=term.namespace,
                    metric=term.metric,
                    dimensions=tuple(sorted(term.dimensions.items())),
                    statistic=term.statistic,
                ),
            )
            for name, term in metric.terms.items()
        ),
        expression=metric.expression,
        period=metric.period,
    )


def _asked(world: World, rollout: Rollout, hook: Webhook) -> tuple[Verdict, str, bool]:
    """Verdict, sentence, and whether there may be another answer in a moment."""
    host = urlsplit(hook.url).hostname or ""
    try:
        values = {secret: _value(world, secret) for secret in hook.secrets}
        body = _body(world, rollout, hook)
    except RemoteFault as fault:
        return Verdict.ERROR, f"{hook.name} could not be asked: {plain(fault.what)}", False
    headers = _headers(rollout, hook, values, body)
    try:
        found = world.webhooks.post(hook.url, headers=headers, body=body, timeout=hook.timeout)
    except RemoteFault as fault:
        what = f"{hook.name} could not be asked: {plain(fault.what)} from {host}"
        return Verdict.ERROR, what, isinstance(fault, Busy)
    verdict, sentence = read(hook.name, host, found.status, found.body, hide=lambda text: _hidden(text, values))
    is_passing = found.status >= SERVER_ERROR or found.status in BUSY
    return verdict, sentence, is_passing and verdict is Verdict.ERROR


def _value(world: World, secret: str) -> str:
    """Raises RemoteFault where it cannot be read, or has no value yet."""
    physical = next((one.physical for one in world.workspace.secrets if one.name == secret), secret)
    value = world.secrets.value(physical)
    if not value or not value.strip():
        environment = world.workspace.environment.name
        raise RemoteFault(f"the secret {secret} has no value: penstock secrets set -e {environment} {secret}")
    return value.strip()


def _headers(rollout: Rollout, hook: Webhook, values: Mapping[str, str], body: bytes) -> dict[str, str]:
    found = {name: values[secret] for name, secret in hook.headers.items()}
    found |= {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Idempotency-Key": key_of(rollout.id, rollout.at, hook.name),
    }
    if hook.secret:
        digest = hmac.new(values[hook.secret].encode(), body, hashlib.sha256).hexdigest()
        found[SIGNATURE] = f"sha256={digest}"
    return found


def _body(world: World, rollout: Rollout, hook: Webhook) -> bytes:
    release = ReleaseStore(world.objects).get(rollout.release)
    told = {
        "id": key_of(rollout.id, rollout.at, hook.name),
        "webhook": hook.name,
        "when": hook.when,
        "workspace": world.workspace.name,
        "environment": rollout.environment,
        "rollout": rollout.id,
        "release": rollout.release,
        "stable": rollout.stable,
        "commit": release.commit if release else "",
        "changed": list(rollout.changed),
        "step": rollout.at,
        "weight": rollout.weight,
    }
    return json.dumps(told, sort_keys=True).encode()


def _hidden(text: str, values: Mapping[str, str]) -> str:
    """The text without any secret's value, should a server send back what it was sent."""
    for value in sorted(values.values(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text
