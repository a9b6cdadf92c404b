"""Strategies are data: tuples of steps. `STRATEGIES` is the whole list.

A step says what must happen next; `advance` walks along them and the operations carry them out. All-at-once verifies
the idle slot and moves all traffic; blue-green verifies it and waits for a person; linear and canary shift traffic by
weight and judge the candidate beside the stable release at each weight below 100; custom takes the steps that the
configuration spells out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.model.rollouts import PlannedStep, RolloutPolicy

ALL = 100
"""Percent: the candidate has all traffic, and there is nothing left to compare it with."""
WEIGHTS, BAKE = (10, 50), 300.0
"""What a canary does where nothing is said: percents, and seconds at each."""
BY, EVERY = 25, 60.0
"""The same for linear: percent more at each step, and seconds between."""
HOUR, MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Verify:
    """Check the candidate in the idle slot: before any traffic, and again where a later step says so.

    `deadline`, of each kind of step: the most seconds it may take before traffic goes back.
    """

    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class AwaitSwitch:
    """Stop here: a person (or CI) says `penstock switch` when they have seen enough."""

    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Send this share of traffic, in percent, to the candidate; 100 promotes it."""

    percent: int
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Bake:
    """Stay at the weight for so many seconds, and judge what was measured in them."""

    seconds: float
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stay at the weight until a person says `penstock resume`; the judge goes on watching."""

    why: str = ""
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """Stay at the weight until so many different people have said `penstock approve RELEASE`."""

    people: int = 1
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Consult:
    """Stay at the weight until a webhook of the configuration, by its name, has said yes."""

    webhook: str
    deadline: float | None = None


Step = Verify | AwaitSwitch | SetWeight | Bake | Pause | Approve | Consult

_KINDS: Mapping[str, type[Step]] = {
    "verify": Verify,
    "await-switch": AwaitSwitch,
    "set-weight": SetWeight,
    "bake": Bake,
    "pause": Pause,
    "approve": Approve,
    "consult": Consult,
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


def custom(policy: RolloutPolicy) -> tuple[Step, ...]:
    """The steps of the configuration, which are verified first and promoted last even where it does not say so."""
    steps = tuple(_planned(one) for one in policy.steps)
    if not steps or not isinstance(steps[0], Verify):
        steps = (Verify(), *steps)
    last = steps[-1]
    return steps if isinstance(last, SetWeight) and last.percent == ALL else (*steps, SetWeight(ALL))


STRATEGIES: Mapping[str, Callable[[RolloutPolicy], tuple[Step, ...]]] = {
    "all-at-once": all_at_once,
    "linear": linear,
    "canary": canary,
    "blue-green": blue_green,
    "custom": custom,
}


def is_weighted(steps: tuple[Step, ...]) -> bool:
    """Whether traffic is ever shared, so that there is something to judge."""
    return any(isinstance(step, Bake) for step in steps)


def is_walked(steps: tuple[Step, ...]) -> bool:
    """Whether there is more to do than to verify, to wait beside the live release, and to move all traffic."""
    return any(isinstance(step, Bake | Pause | Approve | Consult) for step in steps)


def unshared(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The walk of a release of which nothing can be judged: without weights below all, and without bakes."""
    return tuple(
        step
        for step in steps
        if not isinstance(step, Bake) and not (isinstance(step, SetWeight) and step.percent < ALL)
    )


def describe(step: Step) -> str:
    """A step in a few words, as a plan shows it."""
    return _what(step) + ("" if step.deadline is None else f" (within {duration(step.deadline)})")


def walk(steps: tuple[Step, ...], late: float) -> str:
    """All steps in one line, each weight with the time at which it is reached at the earliest.

    `verify → 10 % → bake 5m → 50 % after 8m → bake 5m → 100 % after 15m`

    Args:
        steps: the strategy's.
        late: seconds until what was measured in a bake is known: the rollout's delay and the slowest function.
    """
    after, found = 0.0, []
    for step in steps:
        when = f" after {duration(ceil(after / MINUTE) * MINUTE)}" if isinstance(step, SetWeight) and after else ""
        found.append(f"{describe(step)}{when}")
        if isinstance(step, Bake):
            after += step.seconds + late
    people = any(isinstance(step, Pause | Approve) for step in steps)
    asks = any(isinstance(step, Consult) for step in steps)
    notes = [
        "at the earliest" if after else "",
        "and people's time" if people else "",
        "and webhooks' time" if asks else "",
    ]
    said = ", ".join(note for note in notes if note)
    return " → ".join(found) + (f"  ({said})" if said else "")


def duration(seconds: float) -> str:
    """Seconds as people write them in the configuration: `90s`, `5m`, `1h`."""
    whole = round(seconds)
    for size, unit in ((HOUR, "h"), (MINUTE, "m")):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    if whole > HOUR and whole % MINUTE == 0:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE}m"
    return f"{whole}s" if whole == seconds else f"{seconds:g}s"


def step_to_json(step: Step) -> dict[str, Any]:
    """Plain JSON; `step` names the kind."""
    return {"step": _NAMES[type(step)], **asdict(step)}


def step_from_json(data: Mapping[str, Any]) -> Step:
    """The inverse of `step_to_json`. Raises KeyError or TypeError on anything else."""
    return _KINDS[data["step"]](**{key: value for key, value in data.items() if key != "step"})


def _what(step: Step) -> str:  # noqa: PLR0911 - one per kind of step
    match step:
        case Verify():
            return "verify"
        case AwaitSwitch():
            return "wait for penstock switch"
        case SetWeight(percent=percent):
            return f"{percent} %"
        case Bake(seconds=seconds):
            return f"bake {duration(seconds)}"
        case Pause(why=why):
            return f"pause: {why}" if why else "pause"
        case Approve(people=people):
            return "1 approval" if people == 1 else f"{people} approvals"
        case Consult(webhook=webhook):
            return f"ask {webhook}"


def _planned(one: PlannedStep) -> Step:
    match one.kind:
        case "verify":
            return Verify(one.deadline)
        case "weight":
            return SetWeight(one.percent, one.deadline)
        case "bake":
            return Bake(one.seconds, one.deadline)
        case "pause":
            return Pause(one.why, one.deadline)
        case "approve":
            return Approve(one.people, one.deadline)


def _weighted(weights: tuple[int, ...], seconds: float) -> tuple[Step, ...]:
    steps: list[Step] = [Verify()]
    for percent in weights:
        steps += [SetWeight(percent), Bake(seconds)]
    return (*steps, SetWeight(ALL))
