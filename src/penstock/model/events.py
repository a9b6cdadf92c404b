"""The one typed stream that the command line, `--json`, the ledger and CI render.

Every event is a small frozen value. `to_json` gives the line that `--json` prints; its `event` is the class's name
in kebab-case. Adding an event here is all it takes to have it everywhere.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, worth a line."""

    @property
    def name(self) -> str:
        """The class's name in kebab-case: `StepStarted` -> `step-started`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with `event` first."""
        return {"event": self.name, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """One line of talk; `level` decides its colour."""

    text: str
    level: Literal["info", "good", "warning"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step that takes time has begun: `build user_service`, `terraform apply`.

    `inner` says that it is a part of something that is told as a whole: people see it with `-v`.
    """

    step: str
    detail: str = ""
    inner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """A step goes on: `done` of `total`, or only a word."""

    step: str
    detail: str = ""
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step has ended. `skipped` says why nothing had to be done."""

    step: str
    seconds: float
    detail: str = ""
    skipped: bool = False
    failed: bool = False
    inner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReady(Event):
    """An artifact is there, from the cache or freshly built. Sizes in bytes; `sbom` is a path."""

    unit: str
    digest: str
    size: int
    cached: bool
    seconds: float
    sbom: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReady(Event):
    """A plan was made: its JSON, as `Plan.to_json` gives it, and the same in words."""

    plan: Mapping[str, Any]
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPublished(Event):
    """A function's code and configuration became an immutable version."""

    function: str
    version: str
    artifact: str
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationChecked(Event):
    """One check of the candidate before traffic."""

    check: str
    ok: bool
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMoved(Event):
    """Traffic of an environment now goes to a release."""

    environment: str
    slot: str
    release: str
    previous: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMoved(Event):
    """A rollout took a step: `weight` is the candidate's percent now, `what` says why in words."""

    release: str
    weight: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutJudged(Event):
    """The judge looked at another minute. `evidence` is the judgement's JSON."""

    release: str
    weight: int
    verdict: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToDo(Event):
    """Nothing changed, and why we know."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """What an earlier, interrupted run had begun was finished or taken back."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Event):
    """The last event of a command."""

    ok: bool
    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)
