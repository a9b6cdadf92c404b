"""The one error tree. An error says what happened, where, and what to type next.

    PenstockError                     1    a fault
    ├── UsageError                    2    the command line or a configuration file is wrong
    │   └── WorkspaceInvalid          2    … with all problems of a workspace at once
    ├── ToolMissing                   1    a program we need is not on the machine, or too old
    ├── BuildFailed                   1    a compiler, resolver or check refused an artifact
    │   └── BuildsFailed              1    … with all services of a build that it happened to
    ├── TerraformFailed               1    Terraform ended with an error
    ├── RemoteFault                   1    AWS (or the embedded AWS) answered with an error
    │   ├── NotFound                  1    … because the thing is not there
    │   ├── Conflict                  1    … because somebody else was first (conditional write, revision)
    │   ├── AccessDenied              1    … because the caller may not
    │   └── Busy                      1    … for the moment: it throttles, fails inside, or does not answer
    ├── LocalAwsFault                 1    the embedded AWS does not start, answer or stop
    ├── CameBack                      3    traffic had moved and was brought back
    ├── Locked                        4    somebody else holds the lease
    │   └── LeaseLost                 4    … since this command stood still in the middle of its work
    ├── VerificationFailed            5    the candidate failed before any traffic
    ├── Refused                       6    a policy or a missing approval refuses the plan
    ├── Inconclusive                  7    too little evidence, and the policy says ask
    └── Interrupted                 130    the person pressed Ctrl-C

The exit code sits on the class; there is no table elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.artifact import Artifact


class PenstockError(Exception):
    """A fault, told to a tired person.

    Args:
        what: what happened, one sentence without a full stop.
        where: file:line, resource or command it happened at; empty when there is no place.
        hint: the next thing to type or change; empty when there is nothing to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  → {self.hint}" if self.hint else text


class UsageError(PenstockError):
    """The command line or a configuration file is wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong in a workspace's files."""

    file: str
    line: int | None = None
    what: str
    hint: str = ""

    @property
    def where(self) -> str:
        """`file:line`, or `file` when no line can be had."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        return f"{text}\n  → {self.hint}" if self.hint else text


class WorkspaceInvalid(UsageError):
    """All problems of a workspace, found in one run."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in the workspace")
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([*(str(problem) for problem in self.problems), self.what])


class ToolMissing(PenstockError):
    """A program that Penstock runs is not on the machine, or too old."""


class BuildFailed(PenstockError):
    """A compiler, a resolver or a check of the artifact refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why these services or packages did not build: one reason, however many it stopped."""

    names: tuple[str, ...]
    what: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"\n  → {self.hint}" if self.hint else ""
        return f"{', '.join(self.names)}: {place}{self.what}{hint}"


class BuildsFailed(BuildFailed):
    """Some services or packages did not build; the others did."""

    def __init__(self, failures: tuple[Failure, ...], *, total: int, made: tuple[Artifact, ...] = ()) -> None:
        """`total` is how many there were to build, `made` the artifacts of those that did."""
        count = sum(len(failure.names) for failure in failures)
        if count == 1:
            (one,) = failures
            super().__init__(f"{one.names[0]}: {one.what}", where=one.where, hint=one.hint)
        else:
            listed = "\n".join(str(failure) for failure in failures)
            super().__init__(f"{count} of {total} did not build:\n{listed}")
        self.summary = f"{count} of {total} did not build"
        self.failures = failures
        self.total = total
        self.made = made

    def __add__(self, other: BuildsFailed) -> BuildsFailed:
        """Both lists as one, in which the same reason stands once."""
        return BuildsFailed(
            merged((*self.failures, *other.failures)), total=self.total + other.total, made=self.made + other.made
        )


def merged(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Each reason at a place once, with all whom it stopped and what most is said of it."""
    found: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        reason = failure.what, failure.where
        known = found.get(reason, failure)
        names = tuple(dict.fromkeys((*known.names, *failure.names)))
        found[reason] = replace(known, names=names, hint=max(known.hint, failure.hint, key=len))
    return tuple(found.values())


class TerraformFailed(PenstockError):
    """Terraform ended with an error; `what` carries its own diagnosis."""


class RemoteFault(PenstockError):
    """AWS, or the embedded AWS, answered with an error."""


class NotFound(RemoteFault):
    """The thing asked for is not there."""


class Conflict(RemoteFault):
    """A conditional write or a revision check was lost to somebody else."""


class AccessDenied(RemoteFault):
    """The caller's credentials do not allow it."""


class Busy(RemoteFault):
    """AWS throttles, fails inside or does not answer, also after the SDK's own attempts: later may be better."""


class LocalAwsFault(PenstockError):
    """The embedded AWS does not start, answer or stop."""


class CameBack(PenstockError):
    """Traffic had moved to the candidate and was brought back to the stable release."""

    exit_code = 3


class Locked(PenstockError):
    """Somebody else holds the environment's lease or Terraform's lock."""

    exit_code = 4


class LeaseLost(Locked):
    """The lease was ours and is not any more. What was begun is somebody else's to end: it is not begun again."""


class VerificationFailed(PenstockError):
    """The candidate failed its verification; traffic never moved."""

    exit_code = 5


class Refused(PenstockError):
    """A policy, or a missing approval, refuses the plan."""

    exit_code = 6


class Inconclusive(PenstockError):
    """There is too little evidence, and the policy says to stop and ask."""

    exit_code = 7


class Interrupted(PenstockError):
    """The person interrupted; what had begun was brought to a named state."""

    exit_code = 130
