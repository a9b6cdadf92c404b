"""Strategies are data: tuples of steps. `STRATEGIES` is the whole list.

A step says what must happen next; `advance` walks along them and the operations carry them out. All-at-once verifies
the idle slot and moves all traffic; blue-green verifies it and waits for a person; linear and canary shift traffic by
weight and judge the candidate beside the stable release at each weight below 100.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.model.workspace import RolloutPolicy

ALL = 100
"""Percent: the candidate has all traffic, and there is nothing left to compare it with."""
WEIGHTS, BAKE = (10, 50), 300.0
"""What a canary does where nothing is said: percents, and seconds at each."""
BY, EVERY = 25, 60.0
"""The same for linear: percent more at each step, and seconds between."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Check the candidate in the idle slot, before any traffic."""


@dataclass(frozen=True, slots=True)
class AwaitSwitch:
    """Stop here: a person (or CI) says `penstock switch` when they have seen enough."""


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Send this share of traffic, in percent, to the candidate; 100 promotes it."""

    percent: int


@dataclass(frozen=True, slots=True)
class Bake:
    """Stay at the weight for so many seconds, and judge what was measured in them."""

    seconds: float


Step = Verify | AwaitSwitch | SetWeight | Bake

_KINDS: Mapping[str, type[Step]] = {
    "verify": Verify,
    "await-switch": AwaitSwitch,
    "set-weight": SetWeight,
    "bake": Bake,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def all_at_once(_policy: RolloutPolicy) -> tuple[Step, ...]:
    """Verify, then move everything in one action."""
    return (Verify(), SetWeight(ALL))


def blue_green(_policy: RolloutPolicy) -> tuple[Step, ...]:
    """Verify, then wait in the idle slot until somebody switches."""
    return (Verify(), AwaitSwitch(), SetWeight(ALL))


def linear(policy: RolloutPolicy) -> tuple[Step, ...]:
    """Verify, then the same share more at equal intervals."""
    by, every = policy.by or BY, policy.every or EVERY
    return _weighted(tuple(range(by, ALL, by)), every)


def canary(policy: RolloutPolicy) -> tuple[Step, ...]:
    """Verify, then a few rising weights, each baked and judged."""
    return _weighted(policy.weights or WEIGHTS, policy.bake or BAKE)


STRATEGIES: Mapping[str, Callable[[RolloutPolicy], tuple[Step, ...]]] = {
    "all-at-once": all_at_once,
    "linear": linear,
    "canary": canary,
    "blue-green": blue_green,
}


def is_weighted(steps: tuple[Step, ...]) -> bool:
    """Whether traffic is ever shared, so that there is something to judge."""
    return any(isinstance(step, Bake) for step in steps)


def describe(step: Step) -> str:
    """A step in a few words, as a plan shows it."""
    match step:
        case Verify():
            return "verify"
        case AwaitSwitch():
            return "wait for penstock switch"
        case SetWeight(percent=percent):
            return f"{percent} %"
        case Bake(seconds=seconds):
            return f"bake {duration(seconds)}"


def walk(steps: tuple[Step, ...]) -> str:
    """All steps in one line, and the time that they take at least: `verify → 10 % → bake 5m → 100 %  (5m at least)`."""
    baking = sum(step.seconds for step in steps if isinstance(step, Bake))
    least = f"  (at least {duration(baking)}, and until late measurements are in)" if baking else ""
    return " → ".join(describe(step) for step in steps) + least


def duration(seconds: float) -> str:
    """Seconds as people write them in the configuration: `90s`, `5m`, `1h`."""
    whole = round(seconds)
    for size, unit in ((3600, "h"), (60, "m")):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s" if whole == seconds else f"{seconds:g}s"


def step_to_json(step: Step) -> dict[str, Any]:
    """Plain JSON; `step` names the kind."""
    return {"step": _NAMES[type(step)], **asdict(step)}


def step_from_json(data: Mapping[str, Any]) -> Step:
    """The inverse of `step_to_json`. Raises KeyError or TypeError on anything else."""
    return _KINDS[data["step"]](**{key: value for key, value in data.items() if key != "step"})


def _weighted(weights: tuple[int, ...], seconds: float) -> tuple[Step, ...]:
    steps: list[Step] = [Verify()]
    for percent in weights:
        steps += [SetWeight(percent), Bake(seconds)]
    return (*steps, SetWeight(ALL))
