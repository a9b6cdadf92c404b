"""How traffic moves: what a strategy needs and knows, and walks that the configuration spells out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.rollouts import SAFE
from penstock.workspace.durations import seconds
from penstock.workspace.findings import Finding
from penstock.workspace.layers import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from penstock.workspace.checks.scene import EnvironmentScene, Scene

ALL = 100
DEADLINE = "1h"
"""Of a rollout that names none."""
_KINDS = ("verify", "weight", "bake", "pause", "approve")
_STRATEGY_KEYS = {
    "all-at-once": frozenset[str](),
    "blue-green": frozenset(("bake",)),
    "linear": frozenset(("by", "every", "bake")),
    "canary": frozenset(("weights", "bake")),
    "custom": frozenset(("steps",)),
}
_NEEDS = {"linear": ("by", "every"), "canary": ("weights", "bake"), "custom": ("steps",)}
_EXAMPLES = {
    "linear": 'add by = 25 and every = "1m"',
    "canary": 'add weights = [5, 25, 50] and bake = "5m"',
    "custom": 'add steps = [{ weight = 10 }, { bake = "10m" }, { pause = "look at the dashboard" }]',
}


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about rollouts."""
    for environment in scene.environments:
        values = table(environment.values, "rollout")
        yield from _strategy(scene, environment, values)
        yield from _synthetic(environment)
        weights = values.get("weights", [])
        if weights != sorted(set(weights)):
            file, path = environment.place("rollout", "weights")
            yield Finding(file, path, f"weights {weights} do not rise", "write rising percents, as [5, 25, 50]")
        if values.get("strategy") == "custom":
            yield from _steps(environment, values)


def _synthetic(environment: EnvironmentScene) -> Iterator[Finding]:
    is_said = any(layer.file and "synthetic" in layer.values for layer in environment.layers)
    if table(environment.values, "rollout").get("on_inconclusive") == "synthetic" and not is_said:
        file, path = environment.place("rollout", "on_inconclusive")
        what = 'on_inconclusive = "synthetic" sends requests, and nothing says which and how many'
        yield Finding(file, path, what, "add [synthetic] with rate = 60, a minute, and [[synthetic.requests]]")
    for index, one in enumerate(table(environment.values, "synthetic").get("requests", ())):
        method = one.get("request", "").partition(" ")[0]
        if method and method not in SAFE and not one.get("safe"):
            file, path = environment.place("synthetic", "requests", index)
            what = f"synthetic request {index + 1}, {one.get('request')}, may change something each time"
            yield Finding(file, path, what, "write safe = true beside it if it may be asked again and again")


def _strategy(scene: Scene, environment: EnvironmentScene, values: Mapping[str, Any]) -> Iterator[Finding]:
    strategy = values.get("strategy", "all-at-once")
    for key in _NEEDS.get(strategy, ()):
        if key not in values and not scene.is_broken(scene.tree.root.file, key):
            file, path = environment.place("rollout", "strategy")
            yield Finding(file, path, f'strategy "{strategy}" needs {key}', _EXAMPLES[strategy])
    known = frozenset[str]().union(*_STRATEGY_KEYS.values())
    for key in sorted(values.keys() & known - _STRATEGY_KEYS[strategy]):
        file, path = environment.place("rollout", key)
        if environment.place("rollout", "strategy")[1][:-1] == path[:-1]:
            yield Finding(file, path, f'{key} means nothing to strategy "{strategy}"', "take it away")


def _steps(environment: EnvironmentScene, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the walk can be walked: one kind a step, weights that rise, and each of them judged."""
    steps: Sequence[Mapping[str, Any]] = values.get("steps", ())
    for index, step in enumerate(steps):
        kinds = [kind for kind in _KINDS if kind in step]
        if len(kinds) != 1:
            said = f"has {' and '.join(kinds)}" if kinds else "says nothing to do"
            yield _finding(environment, index, f"step {index + 1} {said}", f"write exactly one of {', '.join(_KINDS)}")
            return
    yield from _weights(environment, steps)
    yield from _times(environment, values, steps)


def _weights(environment: EnvironmentScene, steps: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    before = 0
    unjudged: int | None = None
    for index, step in enumerate(steps):
        if "bake" in step:
            unjudged = None
            if before == 0:
                what = f"step {index + 1} bakes before the candidate has any traffic"
                yield _finding(environment, index, what, "put a weight before it: { weight = 10 }")
        if "weight" not in step:
            continue
        if unjudged is not None:
            yield _unjudged(environment, unjudged, before)
        weight = step["weight"]
        if weight <= before:
            what = f"step {index + 1} goes from {before} % to {weight} %"
            yield _finding(environment, index, what, "write rising percents; what goes back goes back by itself")
        if weight == ALL and index + 1 < len(steps):
            what = f"step {index + 1} gives all traffic to the candidate, and steps follow"
            yield _finding(environment, index, what, "write 100 last, or leave it out")
        before, unjudged = max(weight, before), index if weight < ALL else None
    if unjudged is not None:
        yield _unjudged(environment, unjudged, before)


def _unjudged(environment: EnvironmentScene, index: int, weight: int) -> Finding:
    what = f"step {index + 1} gives {weight} % to the candidate, and no bake follows: nothing would be judged"
    return _finding(environment, index, what, 'add { bake = "10m" } behind it')


def _times(
    environment: EnvironmentScene, values: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    deadline = values.get("deadline", DEADLINE)
    baking = sum(seconds(step["bake"]) for step in steps if "bake" in step)
    if baking >= seconds(deadline):
        what = f"the bakes take longer than the rollout may, {deadline}"
        file, path = environment.place("rollout", "steps")
        yield Finding(file, path, what, 'write a later deadline beside steps, as deadline = "8h"')
    for index, step in enumerate(steps):
        own = step.get("deadline")
        if own is None:
            continue
        if seconds(own) > seconds(deadline):
            what = f"the deadline of step {index + 1}, {own}, lies behind the rollout's, {deadline}"
            yield _finding(environment, index, what, 'write a later deadline beside steps, as deadline = "8h"')
        if "bake" in step and seconds(own) <= seconds(step["bake"]):
            what = f"the deadline of step {index + 1}, {own}, ends its bake of {step['bake']}"
            yield _finding(environment, index, what, "allow for measurements that come late: some minutes more")


def _finding(environment: EnvironmentScene, index: int, what: str, hint: str) -> Finding:
    file, path = environment.place("rollout", "steps", index)
    return Finding(file, path, what, hint)
