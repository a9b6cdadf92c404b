"""The ledger, told: who shipped what, when, approved by whom, on what evidence; and the four figures of DORA.

They are as DORA defines them (https://dora.dev/guides/dora-metrics-four-keys/): how often something is promoted, how
long that took from its commit, what share of what users met went back, and how long traffic stayed on what went back.
The times of commits are git's, not the ledger's: who asks brings them, for as many as the clone at hand knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from penstock.release.ledger import BY_HAND, PROMOTION, ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from penstock.model.ledger import LedgerEntry

DAY = 86_400.0
INTERRUPTED = "interrupted"
ENDS = ("ended", "failed", INTERRUPTED)
"""Kinds of a command's last word; one that was killed has none."""
CAME_BACK = ("CameBack", "Inconclusive")
ORDERS = {"order": "", "aborting": "abort", "switching": "switch", "rolling-back": "rollback"}
"""What people say, by the kind of entry that tells it, and what it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command that held the environment, or a move of traffic that was none of a command's.

    Times are ISO 8601, UTC; `seconds` is how long it held it.

    `release` got traffic, or was to; `previous` had it before. `orders` are what people said to its rollout, and what
    they gave as the reason for a switch or a rollback. `back` is how long it took from the decision to go back until
    traffic was back, in seconds; None when nothing went back. `outcome` is promoted, rolled back, came back, failed,
    done (nothing moved), interrupted (Ctrl-C, before anything had moved, or with a way back that is still to be gone),
    on its way (the controller drives it) or unfinished (killed); `evidence` is the judge's last sentence or the first
    line of the error.
    """

    at: str
    by: str
    what: str
    release: str
    previous: str
    approved_by: tuple[str, ...]
    outcome: str
    seconds: float
    evidence: str
    orders: tuple[str, ...] = ()
    back: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """DORA's, of all that the ledger holds. Shares and times are None where nothing happened, or nobody can tell."""

    days: float
    promotions: int
    """Releases that got all traffic, each as often as it did."""
    shared: int
    """Releases that had a share of the traffic, and never all of it, before they went back."""
    promotions_per_day: float
    failed_share: float | None
    """What went back, of all that users met: promoted or shared."""
    lead_seconds: float | None
    """Median time from a release's commit until it first had all traffic, of those whose commit's time is known."""
    restore_seconds: float | None
    """Median time for which a release that went back had traffic."""


def runs(entries: Iterable[LedgerEntry]) -> tuple[Run, ...]:
    """Every command that held the environment, oldest first."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    found: dict[str, list[LedgerEntry]] = {}
    for entry in ordered:  # the controller goes on telling a command's story when others have spoken in between
        found.setdefault(_story(entry, found), []).append(entry)
    aborted = {str(entry.data["release"]): entry.number for entry in ordered if entry.kind == "aborting"}
    return tuple(_run(group, ordered, aborted) for group in found.values())


def figures(entries: Iterable[LedgerEntry], committed: Mapping[str, float] | None = None) -> Figures:
    """DORA's figures; `committed` is when releases were committed, in seconds since the epoch, where that is known."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    had: dict[str, float] = {}
    promoted = shared = went_back = 0
    restored: list[float] = []
    arrived: dict[str, float] = {}
    leaving = has_all = ""
    for entry in ordered:
        at = _seconds(entry.at)
        if entry.kind == "traffic-moved":
            release, previous = str(entry.data["release"]), str(entry.data.get("previous") or "")
            if entry.data.get("why") == PROMOTION:
                leaving = ""
                promoted += release != has_all  # a crash may have it told twice
                arrived.setdefault(release, at)
                had.setdefault(release, at)
            elif previous in had:
                went_back += 1
                restored.append(at - had.pop(previous))
            has_all = release
        elif entry.kind == "rollout" and "of the traffic" in str(entry.data["what"]):
            had.setdefault(str(entry.data["release"]), at)
            leaving = ""
        elif _goes_back(entry):
            leaving = str(entry.data["release"])
        elif leaving in had and _is_back(entry):
            went_back += 1
            shared += leaving != has_all
            restored.append(at - had.pop(leaving))
            leaving = ""
    span = (_seconds(ordered[-1].at) - _seconds(ordered[0].at)) / DAY if ordered else 0.0
    known = committed or {}
    leads = [at - known[release] for release, at in arrived.items() if known.get(release, inf) <= at]
    return Figures(
        days=round(span, 9),
        promotions=promoted,
        shared=shared,
        lead_seconds=round(median(leads), 1) if leads else None,
        promotions_per_day=round(promoted / max(span, 1.0), 2),
        failed_share=round(went_back / (promoted + shared), 4) if promoted + shared else None,
        restore_seconds=round(median(restored), 1) if restored else None,
    )


def _story(entry: LedgerEntry, known: Collection[str]) -> str:
    """The run that this is told of: a move that somebody else has found is that of who had begun it."""
    if _is_by_hand(entry):
        return f"{entry.run} {entry.number}"
    begun = str(entry.data.get("begun_by", ""))
    return begun if begun in known else entry.run


def _is_by_hand(entry: LedgerEntry) -> bool:
    return bool(entry.data.get("by_hand"))


def _run(entries: Sequence[LedgerEntry], ordered: Sequence[LedgerEntry], aborted: Mapping[str, int]) -> Run:
    first = entries[0]
    last = [entry for entry in entries if entry.run == first.run][-1]
    moves = [entry for entry in entries if entry.kind == "traffic-moved"]
    judged = [entry for entry in entries if entry.kind == "rollout" and "evidence" in entry.data]
    ended = max((entry.number for entry in entries if entry.kind == "ended"), default=0)
    # A visit of the controller that AWS refused is no end where a later one came to one.
    failures = [entry for entry in entries if entry.kind == "failed" and entry.number > ended]
    approvals = [entry for entry in entries if entry.kind == "approved"]
    what = str(next((entry.data["purpose"] for entry in entries if "purpose" in entry.data), ""))
    back = _back(entries, ordered)
    evidence = str(judged[-1].data["evidence"]["sentence"]) if judged else ""
    orders = [entry for entry in entries if entry.kind in ORDERS]
    yes = {str(entry.data["by"]) for entry in orders if entry.data.get("verb") == "approve"}
    return Run(
        at=first.at,
        by=BY_HAND if _is_by_hand(first) else first.actor,
        what="traffic moved" if _is_by_hand(first) else what,
        release=str(moves[-1].data["release"] if moves else judged[-1].data["release"] if judged else ""),
        previous=str(moves[-1].data.get("previous") or "") if moves else "",
        approved_by=tuple(sorted(yes | {str(by) for entry in approvals for by in entry.data["by"]})),
        outcome=_outcome(moves, failures, last, _on_its_way(entries, aborted), has_come_back=back is not None),
        seconds=round(_seconds(last.at) - _seconds(first.at), 1),
        evidence=evidence or (str(failures[-1].data["what"]) if failures else ""),
        orders=tuple(_ordered(entry) for entry in orders if entry.kind == "order" or entry.data.get("why")),
        back=back,
    )


def _ordered(entry: LedgerEntry) -> str:
    """`pause by ARN: lunch`."""
    verb, by, why = entry.data.get("verb") or ORDERS[entry.kind], entry.data.get("by") or entry.actor, entry.data["why"]
    return f"{verb} by {by}" + (f": {why}" if why else "")


def _goes_back(entry: LedgerEntry) -> bool:
    """Whether this says that a rollout's share of the traffic goes back."""
    return entry.kind == "rollout" and str(entry.data["what"]).startswith("goes back")


def _is_back(entry: LedgerEntry) -> bool:
    """Whether this, after it was said, tells that all HTTP traffic is back: the first effects are about that."""
    return entry.kind == "effect" or (entry.kind == "failed" and entry.data["error"] in CAME_BACK)


def _back(entries: Sequence[LedgerEntry], ordered: Sequence[LedgerEntry]) -> float | None:
    """Seconds from the decision to go back until the last call that took traffic back.

    Where the process died in between, that is a call of the next one that made any.
    """
    begun = next((entry for entry in entries if _goes_back(entry) or entry.kind == "rolling-back"), None)
    if begun is None:
        return None
    calls = [entry for entry in ordered if entry.number > begun.number and entry.kind in {"effect", "traffic-moved"}]
    done = [entry for entry in calls if entry.run == begun.run]
    if not done and entries[-1].kind not in ENDS:
        done = [entry for entry in calls if entry.run == calls[0].run]
    return round(_seconds(done[-1].at) - _seconds(begun.at), 1) if done else None


def _outcome(
    moves: Sequence[LedgerEntry],
    failures: Sequence[LedgerEntry],
    last: LedgerEntry,
    detached: str | None,
    *,
    has_come_back: bool,
) -> str:
    if failures:
        return "came back" if failures[-1].data["error"] in CAME_BACK else "failed"
    if detached is not None and not moves:
        return detached
    if last.kind == INTERRUPTED and (not moves or moves[-1].data.get("why") not in {PROMOTION, ROLLBACK}):
        return "came back" if has_come_back else INTERRUPTED
    if last.kind not in ENDS and not _is_by_hand(last):
        return "unfinished"
    if not moves:
        return "done"
    return "promoted" if moves[-1].data.get("why") == PROMOTION else "rolled back"


def _on_its_way(entries: Sequence[LedgerEntry], aborted: Mapping[str, int]) -> str | None:
    """What became of a release that was left to the controller, as long as it has not been promoted; else None."""
    handed = next((entry for entry in entries if entry.kind == "detached"), None)
    if handed is None:
        return None
    return "came back" if aborted.get(str(handed.data["release"]), 0) > handed.number else "on its way"


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
