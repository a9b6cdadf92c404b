"""One release's walk from stable to candidate, as plain JSON: whoever reads it can go on with it.

`Rollout` is what is remembered, `Observation` what was just seen, and an `Action` what is to be done next. The weight
itself is never remembered as a fact: it is read from AWS before each decision.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from penstock.rollout.gates import Gate
from penstock.rollout.judge import Evidence, JudgePolicy
from penstock.rollout.strategies import Step, step_from_json, step_to_json
from penstock.rollout.traffic import Tally
from penstock.rollout.webhooks import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.rollout.gates import Points
    from penstock.rollout.strata import Stratum
    from penstock.rollout.traffic import Share

OnInconclusive = Literal["extend", "raise", "synthetic", "ask"]
Outcome = Literal["promoted", "reverted"]
GoingOn = Literal["pause", "resume", "approve", "promote"]
"""What a rollout can be asked and still go on."""
Verb = GoingOn | Literal["abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asked of a rollout while it was under way. `id` tells it from the same order given again."""

    id: str
    verb: Verb
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the walk is walked. Times in seconds.

    `delay` is how late measurements may come (CloudWatch: up to two minutes), `slowest` the longest time that a
    function of a changed service may run, since errors carry the time at which their invocation began; `timeouts` the
    same of each watched service; `propagation` is how long a change of weight takes to reach all of AWS.
    """

    on_inconclusive: OnInconclusive = "extend"
    deadline: float = 3600.0
    delay: float = 120.0
    slowest: float = 0.0
    propagation: float = 30.0
    timeouts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Where a release's walk stands. Times are seconds since the epoch.

    `at` is the index of the step under way, `entered` when it began, `moved` when the weight last changed; `judged` is
    the first second of the first minute that was not judged yet of all changed services, and `clean` the bounds of the
    minutes of earlier weights, of which slower services have some left to judge.
    """

    id: str
    environment: str
    release: str
    stable: str
    steps: tuple[Step, ...]
    rules: Rules
    policy: JudgePolicy
    changed: tuple[str, ...]
    began: float
    alarms: tuple[str, ...] = ()
    """CloudWatch alarms that stop it when they ring: those that were quiet when it began."""
    shared_alarms: tuple[str, ...] = ()
    """Those of ours that ring while the stable side fails as well: they are told and stop nothing."""
    open_alarms: tuple[str, ...] = ()
    """Those of ours that ring while calls to the stable side have not ended: nothing goes on, and nothing back."""
    slow: Mapping[str, float] | None = None
    """From when on a call is slow, in milliseconds, by the name of its stable side; None before that was asked.

    Kept, because a driver that takes over must not set other limits in the light of what it is to judge. What was too
    rarely called before the rollout joins when enough calls beside the candidate tell it, for the minutes after them.
    """
    detached: bool = False
    """Whether the controller in the account drives it, so that a moment without a driver is nothing unusual."""
    at: int = 0
    entered: float = 0.0
    weight: int = 0
    moved: float = 0.0
    moving: bool = False
    """Whether a move was asked for whose end was not seen yet: none of its minutes is judged."""
    judged: float = 0.0
    clean: tuple[tuple[float, float], ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    traffic: Mapping[str, Tally] = field(default_factory=dict)
    """How the calls of each function were really shared."""
    held: str | None = None
    """Why it stands still until somebody says otherwise; None when it does not."""
    reverting: str | None = None
    """Why traffic goes back; None while it does not."""
    released: bool = False
    """Whether a person has ended the pause that is the step under way."""
    approved_by: tuple[str, ...] = ()
    """Who has said yes to the step under way."""
    authors: tuple[str, ...] = ()
    """Whose own yes does not count: who made the plan, and who began the rollout; empty where it does."""
    gates: tuple[Gate, ...] = ()
    """The user's own metrics that must stay within limits."""
    replies: tuple[Reply, ...] = ()
    """What webhooks have said, the last of each at each step."""
    orders: tuple[str, ...] = ()
    """Ids of the orders that were taken."""
    promoted_by: str | None = None
    """Who ended it early, whatever the judge knows."""
    inconclusive: bool = False
    """Whether it went back only because nobody could tell in time."""
    outcome: Outcome | None = None
    foreign: bool = False
    """Whether another version of Penstock wrote it, so that only its `outline` is known: enough to go back."""
    ended_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as it lies in `rollout.json`."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **data,
            "steps": [step_to_json(step) for step in self.steps],
            "rules": asdict(self.rules),
            "policy": asdict(self.policy),
            "changed": list(self.changed),
            "alarms": list(self.alarms),
            "shared_alarms": list(self.shared_alarms),
            "open_alarms": list(self.open_alarms),
            "approved_by": list(self.approved_by),
            "authors": list(self.authors),
            "orders": list(self.orders),
            "clean": [list(window) for window in self.clean],
            "evidence": self.evidence.to_json(),
            "traffic": {function: asdict(tally) for function, tally in self.traffic.items()},
            "gates": [gate.to_json() for gate in self.gates],
            "replies": [reply.to_json() for reply in self.replies],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rollout:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError or AttributeError on anything else."""
        return cls(
            **{
                **data,
                "steps": tuple(step_from_json(step) for step in data["steps"]),
                "rules": Rules(**data["rules"]),
                "policy": JudgePolicy(**data["policy"]),
                "changed": tuple(data["changed"]),
                "alarms": tuple(data["alarms"]),
                "shared_alarms": tuple(data.get("shared_alarms", ())),
                "open_alarms": tuple(data.get("open_alarms", ())),
                "approved_by": tuple(data.get("approved_by", ())),
                "authors": tuple(data.get("authors", ())),
                "orders": tuple(data["orders"]),
                "clean": tuple((begin, end) for begin, end in data.get("clean", ())),
                "evidence": Evidence.from_json(data["evidence"]),
                "traffic": {function: Tally(**tally) for function, tally in data.get("traffic", {}).items()},
                "gates": tuple(Gate.from_json(gate) for gate in data.get("gates", ())),
                "replies": tuple(Reply.from_json(reply) for reply in data.get("replies", ())),
            }
        )

    @classmethod
    def outline(cls, data: Mapping[str, Any]) -> Rollout:
        """What every version of Penstock writes. Raises KeyError when it is no rollout at all."""
        rules = data.get("rules", {})
        return cls(
            id=data["id"],
            environment=data["environment"],
            release=data["release"],
            stable=data["stable"],
            steps=(),
            rules=Rules(deadline=rules.get("deadline", Rules().deadline)),
            policy=JudgePolicy(),
            changed=(),
            began=data["began"],
            detached=bool(data.get("detached")),
            weight=data.get("weight", 0),
            orders=tuple(data.get("orders", ())),
            held="another version of Penstock has begun it",
            outcome=data["outcome"],
            foreign=True,
        )

    def ended(self, outcome: Outcome, *, at: float) -> Rollout:
        """The rollout when traffic is where it was to go, at that moment."""
        return replace(self, outcome=outcome, ended_at=at)

    def going(self) -> Rollout:
        """The same, as long as traffic is not there yet."""
        return replace(self, outcome=None, ended_at=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was just seen.

    `weight` is the candidate's percent as AWS says (100 when it is promoted), None when that could not be read.
    `strata` and `shares` are the minutes that became old enough to be judged since the last time, `until` the first
    second of the first minute that is not, of a changed service; `slow` the thresholds of slowness that became known
    before them. `alarms` ring now and were quiet when the rollout began, None when they could not be read;
    `shared_alarms` are of ours, ring too, and tell of an incident on both sides; of `open_alarms` nobody can tell yet.
    `checked` is what came of the last `Check`: the index of its step, and what was wrong (empty: nothing).
    `points` are of the gates that were to be looked at, `replies` what webhooks said since the last time.
    """

    now: float
    weight: int | None
    strata: tuple[Stratum, ...] = ()
    shares: tuple[Share, ...] = ()
    until: float = 0.0
    slow: Mapping[str, float] = field(default_factory=dict)
    alarms: tuple[str, ...] | None = ()
    shared_alarms: tuple[str, ...] = ()
    open_alarms: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    checked: tuple[int, str] | None = None
    points: tuple[Points, ...] = ()
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after so many seconds; with `synthetic`, send requests of our own meanwhile."""

    seconds: float
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """Verify the candidate once more, in its slot, and say in the next observation what came of it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this webhook, and say in the next observation what it replied."""

    webhook: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Send this percent of traffic to the candidate."""

    percent: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Send all traffic to the candidate."""


@dataclass(frozen=True, slots=True)
class Revert:
    """Send all traffic back to the stable release."""

    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to do."""


Action = Wait | Check | Ask | Shift | Promote | Revert | Finished
