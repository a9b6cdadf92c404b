"""Gates of rollouts: whether each can be asked what it is to tell, and whether anybody asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from penstock.model.gates import CANDIDATE, STABLE
from penstock.workspace.checks.scene import suggestion
from penstock.workspace.durations import seconds
from penstock.workspace.findings import Finding
from penstock.workspace.layers import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from penstock.workspace.checks.scene import EnvironmentScene, Scene

    Gates = list[tuple[int, Mapping[str, Any]]]

MINUTE, LONGEST_PERIOD, LONGEST_RELATIVE, LONGEST_TIMEOUT = 60, 3600, 1800, 20
HERE = "127.0.0.1"
SERIES = ("namespace", "metric", "statistic")
RELATIVE = ("max_rise", "max_fall")
LIMITS = ("max", "min", *RELATIVE)
OURS = frozenset(
    (
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
        "x-hub-signature-256",
    )
)
"""Headers, in small letters, that every request has already."""


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about metrics and webhooks of rollouts."""
    for environment in scene.environments:
        values = table(environment.values, "rollout")
        metrics, webhooks = (_sound(scene, environment, values, kind) for kind in ("metrics", "webhooks"))
        yield from _names(environment, metrics, webhooks)
        yield from _asked_by_nobody(environment, values)
        for index, metric in metrics:
            yield from (_at(environment, ("metrics", index), *said) for said in _metric(metric, values))
        for index, hook in webhooks:
            yield from (_at(environment, ("webhooks", index), *said) for said in _webhook(hook, values))
            yield from _secrets(scene, environment, index, hook)


def _sound(scene: Scene, environment: EnvironmentScene, values: Mapping[str, Any], kind: str) -> Gates:
    """The gates of a kind with their indexes, without those of which the shape check took something away."""
    found: Gates = []
    for index, gate in enumerate(values.get(kind, ())):
        file, place = environment.place("rollout", kind, index)
        if not any(one == file and path[: len(place)] == place for one, path in scene.broken):
            found.append((index, gate))
    return found


def _names(environment: EnvironmentScene, metrics: Gates, webhooks: Gates) -> Iterator[Finding]:
    known: set[str] = set()
    for kind, gates in (("metrics", metrics), ("webhooks", webhooks)):
        for index, gate in gates:
            name = gate["name"]
            if name in known:
                yield _at(environment, (kind, index), f"{name} is the name of another gate, too", "rename one")
            known.add(name)


def _asked_by_nobody(environment: EnvironmentScene, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Gates that a strategy would skip without a word."""
    strategy = values.get("strategy", "all-at-once")
    bakes = any("bake" in step for step in values.get("steps", ())) if strategy == "custom" else None
    is_judged = bakes if bakes is not None else strategy in {"canary", "linear"}
    if values.get("metrics") and not is_judged:
        what = f'metrics are looked at while traffic is shared, and strategy "{strategy}" shares none'
        yield _at(environment, ("metrics",), what, 'write strategy = "canary", or metrics = [] to ship without')
    if values.get("webhooks") and strategy == "blue-green":
        what = 'nobody asks webhooks with strategy "blue-green": a person says penstock switch'
        yield _at(environment, ("webhooks",), what, "write webhooks = [], or another strategy")


def _metric(metric: Mapping[str, Any], rollout: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = metric["name"]
    series = [key for key in (*SERIES, "dimensions") if key in metric]
    if "expression" in metric and series:
        yield (
            f"{name} has both an expression and {series[0]}",
            "write one of them: series of an expression are its terms",
        )
    elif "expression" not in metric and "terms" in metric:
        yield f"{name} has terms and no expression", 'add expression = "100 * failed / calls", in their names'
    elif "expression" not in metric and (missing := [key for key in SERIES if key not in metric]):
        hint = f"add {missing[0]}, or ask by an expression: metric math, or SELECT … of Metrics Insights"
        yield f"{name} has no {missing[0]}", hint
    if not any(limit in metric for limit in LIMITS):
        yield f"{name} has no limit", f"add at least one of {', '.join(LIMITS)}"
    if "max" in metric and "min" in metric and metric["max"] < metric["min"]:
        yield f"{name}: no number is at least {metric['min']:g} and at most {metric['max']:g}", "exchange min and max"
    yield from _period(metric, rollout)
    texts = [
        metric.get("expression", ""),
        *metric.get("dimensions", {}).values(),
        *(value for term in metric.get("terms", {}).values() for value in term.get("dimensions", {}).values()),
    ]
    if any(CANDIDATE in text for text in texts) and any(limit in metric for limit in RELATIVE):
        what = f"{name} is compared with the hour before the rollout, in which {CANDIDATE} had no traffic"
        yield what, f"leave {CANDIDATE} out, or compare with {STABLE} in an expression"
    for text in texts[1:]:
        if "{" in text.replace(CANDIDATE, "").replace(STABLE, ""):
            yield f"{name}: the dimension {text!r} has braces", f"only {CANDIDATE} and {STABLE} stand for something"


def _period(metric: Mapping[str, Any], rollout: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Periods of which none may be whole in time: they begin where the clock says, not where a weight does."""
    name, told = metric["name"], metric.get("period", "1m")
    period = seconds(told)
    if period % MINUTE or not MINUTE <= period <= LONGEST_PERIOD:
        yield f"{name} has a period of {told}", 'write whole minutes, from "1m" to "1h"'
        return
    if period > LONGEST_RELATIVE and any(limit in metric for limit in RELATIVE):
        yield (
            f"{name} is compared with the hour before the rollout, which need not hold a whole period of {told}",
            'write a period of at most "30m"',
        )
    delay, deadline = (rollout.get(key, usual) for key, usual in (("delay", "2m"), ("deadline", "1h")))
    if 2 * period + seconds(delay) > seconds(deadline):
        yield (
            f"{name}: a whole period of {told} may be {delay} old only after the rollout's deadline, {deadline}",
            'write a shorter period, or a later deadline beside metrics, as deadline = "8h"',
        )


def _webhook(hook: Mapping[str, Any], rollout: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = hook["name"]
    yield from _url(name, hook["url"])
    timeout = seconds(hook.get("timeout", "10s"))
    if not 1 <= timeout <= LONGEST_TIMEOUT:
        what = f"{name} has a timeout of {hook['timeout']}"
        yield what, 'write "1s" to "20s"; one that needs longer answers 202 and is asked again'
    deadline = hook.get("deadline")
    if deadline is not None and seconds(deadline) > seconds(rollout.get("deadline", "1h")):
        what = f"the deadline of {name}, {deadline}, lies behind the rollout's, {rollout.get('deadline', '1h')}"
        yield what, 'write a later deadline beside webhooks, as deadline = "8h"'
    for header in hook.get("headers", {}):
        if header.lower() in OURS:
            yield f"{name}: every request has the header {header} already", "take it away"


def _url(name: str, url: str) -> Iterator[tuple[str, str]]:
    """No finding holds the URL: its path or query may be a secret."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        yield f"{name}: its url cannot be read", 'write one such as "https://qa.example.com/penstock"'
        return
    if parts.username is not None or parts.password is not None:
        yield f"{name}: its url holds a user's name or password", "write headers = { Authorization = { secret = … } }"
    if not host:
        yield f"{name}: its url names no host", 'write one such as "https://qa.example.com/penstock"'
    elif parts.scheme != "https" and host != HERE:
        yield f"{name}: its url is not https", f"write https://; http goes to {HERE} alone"


def _secrets(scene: Scene, environment: EnvironmentScene, index: int, hook: Mapping[str, Any]) -> Iterator[Finding]:
    known = {*table(scene.tree.root.document, "secrets"), *table(environment.values, "secrets")}
    for _, document in environment.services:
        known |= {*table(document, "secrets"), *table(document, "uses").get("secrets", ())}
    wanted = [header["secret"] for header in hook.get("headers", {}).values()]
    for name in dict.fromkeys((*wanted, *([hook["secret"]] if "secret" in hook else []))):
        if name not in known and not scene.may_hide(scene.tree.root.file, "secrets"):
            hint = suggestion(
                name, known, f"add [secrets.{name}], then: penstock secrets set -e {environment.name} {name}"
            )
            yield _at(environment, ("webhooks", index), f"there is no secret {name}", hint)


def _at(environment: EnvironmentScene, path: tuple[str | int, ...], what: str, hint: str) -> Finding:
    file, place = environment.place("rollout", *path)
    return Finding(file, place, what, hint)
