"""What a rehearsal found out: from what was seen, second by second, to the few figures that people ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Literal

from penstock.rehearsal.faults import struck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTE = 60.0
SCALES = (1, 60)
"""How much faster CloudWatch's clock may run than the machine's, at least and at most."""
RATES = (0.1, 10_000)
"""Requests a second that may be asked for, at least and at most."""
LATE = 5.0
"""Seconds after which it is told how long callers waited: the machine may not keep up with them."""
Outcome = Literal["promoted", "rolled-back", "refused", "undecided", "failed"]
OUTCOMES: dict[int, Outcome] = {0: "promoted", 3: "rolled-back", 5: "refused", 7: "undecided"}
"""By the exit code of the deploy; everything else is a fault of the rehearsal."""
Side = Literal["candidate", "stable"]


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation, as the embedded AWS saw it. Times in seconds since the epoch, `seconds` how long it took."""

    at: float
    function: str
    side: Side
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a caller; status 0 means that no answer came."""

    at: float
    seconds: float
    status: int

    @property
    def failed(self) -> bool:
        """Whether the caller was let down: 4xx is the caller's own fault."""
        return self.status == 0 or self.status >= 500  # noqa: PLR2004 - HTTP's own


@dataclass(frozen=True, slots=True)
class Moved:
    """A step of the rollout: the candidate's percent from now on, and what happened."""

    at: float
    weight: int
    what: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge said of another minute."""

    at: float
    verdict: str
    sentence: str
    log10_e: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was seen. `scale` is how much faster CloudWatch's clock ran; `status` the deploy's exit code."""

    environment: str
    strategy: str
    faults: tuple[str, ...]
    rate: float
    scale: float
    began: float
    ended: float
    status: int
    words: str
    """The last words of the deploy."""
    moves: tuple[Moved, ...]
    judged: tuple[Judged, ...]
    calls: tuple[Call, ...]
    asked: tuple[Asked, ...]
    hits: Mapping[str, int]
    """How often each fault struck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one side. Shares of calls, milliseconds; latencies are None without calls."""

    calls: int
    failed: int
    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer. Minutes are CloudWatch's, which run faster here; seconds are this machine's.

    Args:
        detected: minutes from the candidate's first traffic until it was decided to go back; None when it was not.
        promoted: minutes until all traffic was the candidate's; None when it never was.
        reverted: seconds from that decision to the last call that the candidate answered.
        slowest: seconds that a request took from when it was due, at most: many when the machine could not keep up.
        why: what the decision rested on.
        hits: how often each fault struck, of what it strikes: calls, requests of AWS, drivers.
    """

    outcome: Outcome
    environment: str
    strategy: str
    faults: tuple[str, ...]
    scale: float
    rate: float
    requests: int
    slowest: float
    failed: int
    failed_before: int
    candidate: Figures
    stable: Figures
    detected: float | None
    promoted: float | None
    reverted: float | None
    why: str
    hits: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def report(seen: Seen) -> Report:
    """The figures of what was seen."""
    first = next((move.at for move in seen.moves if move.weight > 0), None)
    back = next((move for move in seen.moves if move.what.startswith("goes back")), None)
    outcome = OUTCOMES.get(seen.status, "failed")
    calls = with_traffic(seen)
    sides = {side: [call for call in calls if call.side == side] for side in ("candidate", "stable")}
    last = max((call.at for call in sides["candidate"]), default=None)
    since = seen.ended if first is None else first
    return Report(
        outcome=outcome,
        environment=seen.environment,
        strategy=seen.strategy,
        faults=seen.faults,
        scale=seen.scale,
        rate=seen.rate,
        requests=len(seen.asked),
        slowest=max((one.seconds for one in seen.asked), default=0.0),
        failed=sum(one.failed for one in seen.asked),
        # Due before and answered after is the answer of whoever had traffic then.
        failed_before=sum(one.failed for one in seen.asked if one.at + one.seconds < since),
        candidate=figures(sides["candidate"]),
        stable=figures(sides["stable"]),
        detected=(back.at - first) * seen.scale / MINUTE if back and first and outcome == "rolled-back" else None,
        promoted=None if outcome != "promoted" or first is None else (seen.ended - first) * seen.scale / MINUTE,
        reverted=None if back is None or last is None else max(last - back.at, 0.0),
        why=_why(seen, back),
        hits=dict(seen.hits),
    )


def with_traffic(seen: Seen) -> list[Call]:
    """All calls but those that checked the candidate before it had traffic."""
    first = next((move.at for move in seen.moves if move.weight > 0), seen.ended)
    return [call for call in seen.calls if call.side == "stable" or call.at >= first]


def figures(calls: Sequence[Call]) -> Figures:
    """Of some calls."""
    times = sorted(call.seconds * 1000 for call in calls)
    # One call is every percentile; the function wants two.
    cuts = quantiles(times * 2 if len(times) == 1 else times, n=10, method="inclusive") if times else []
    return Figures(
        calls=len(calls),
        failed=sum(call.failed for call in calls),
        p50=cuts[4] if cuts else None,
        p90=cuts[8] if cuts else None,
    )


def lines(found: Report) -> list[str]:
    """The report for people, a fact a line."""
    outcome = found.outcome.replace("-", " ")
    how = f"{found.rate:g} requests a second; CloudWatch's clock {found.scale:g} times as fast"
    before = f"{found.failed_before} before the candidate had traffic"
    said = [
        f"{outcome}: {found.why}" if found.why else outcome,
        f"faults: {', '.join(found.faults) or 'none'}; strategy {found.strategy}; {how}",
        f"requests since the candidate was deployed: {found.requests}, of which {found.failed} failed ({before})",
        f"candidate: {_side(found.candidate)}",
        f"stable:    {_side(found.stable)}",
    ]
    if found.hits:
        said.append("; ".join(struck(name, times) for name, times in found.hits.items()))
    if found.slowest > LATE:
        waited = f"callers waited up to {found.slowest:.0f} s from when they were due"
        said.append(f"{waited}: if this machine cannot keep up, a lower --rate helps")
    if found.outcome == "undecided":
        ways = [f"--time-scale {found.scale / 2:g}"] if found.scale / 2 >= SCALES[0] else []
        ways += [f"--rate {found.rate * 2:g}"] if found.slowest <= LATE and found.rate * 2 <= RATES[1] else []
        said += [f"twice as many calls in the same minutes: {' or '.join(ways)}"] if ways else []
    if found.detected is not None:
        said.append(f"time to detect: {found.detected:.1f} min of CloudWatch's, from the candidate's first traffic")
    if found.reverted is not None:
        said.append(f"time to revert: {found.reverted:.1f} s, to the last call that the candidate answered")
    if found.promoted is not None:
        said.append(f"time to all traffic: {found.promoted:.1f} min of CloudWatch's")
    return said


def _side(found: Figures) -> str:
    if found.p50 is None or found.p90 is None:
        return "no calls"
    share = found.failed / found.calls
    return f"{found.calls} calls, {share:.1%} failed, p50 {found.p50:.0f} ms, p90 {found.p90:.0f} ms"


def _why(seen: Seen, back: Moved | None) -> str:
    if back is not None:
        return back.what.partition(": ")[2] or back.what
    if OUTCOMES.get(seen.status) == "promoted":
        return next((one.sentence for one in reversed(seen.judged) if one.verdict == "PASS"), "")
    return seen.words
