"""The ledger's chain: each entry holds its predecessor's hash, so that nobody changes history unnoticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.ledger import GENESIS, LedgerEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "ledger/"
DIGITS = 8
"""Numbers are padded, so that keys sort as numbers do."""
PROMOTION, ROLLBACK = "promotion", "rollback"
"""Why traffic has moved; any other reason is one for which it was taken back."""
BY_HAND = "by hand"
"""Who has moved traffic where no command of ours had begun that, but Terraform say; who it was AWS alone knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The chain's last entry: its number and its hash. An empty chain has number 0 and the genesis hash."""

    number: int = 0
    digest: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place where the chain does not hold."""

    number: int
    what: str


def key(number: int) -> str:
    """Where the entry of that number lies in the bucket. Numbers begin at 1."""
    return f"{PREFIX}{number:0{DIGITS}d}.json"


def follow(head: Head, *, at: str, actor: str, run: str, kind: str, data: Mapping[str, Any]) -> LedgerEntry:
    """The entry that comes after the head."""
    return LedgerEntry(number=head.number + 1, at=at, actor=actor, run=run, kind=kind, data=data, previous=head.digest)


def head_of(entry: LedgerEntry) -> Head:
    """The head of a chain that ends with this entry."""
    return Head(number=entry.number, digest=entry.digest)


def verify(entries: Iterable[LedgerEntry], *, after: Head | None = None, end: Head | None = None) -> tuple[Break, ...]:
    """Every place where the chain does not hold, in order; empty when it holds.

    Args:
        entries: in the order of their numbers.
        after: what the first entry must follow; None for the beginning of the chain.
        end: where the chain once ended: it must have that entry still, and may go on behind it.
    """
    found: list[Break] = []
    head = after or Head()
    for entry in entries:
        if entry.number > head.number + 1:
            found.append(_gap(head.number + 1, entry.number - 1))
        elif entry.number <= head.number:
            found.append(Break(number=entry.number, what=f"out of order: {entry.number} after {head.number}"))
        elif entry.previous != head.digest:
            found.append(Break(number=entry.number, what=f"entry {head.number} is not the one that it followed"))
        head = head_of(entry)
        if end is not None and head.number == end.number and head.digest != end.digest:
            found.append(Break(number=head.number, what="it is not the one that the ledger once ended with"))
    if end is not None and head.number < end.number:
        found.append(_gap(head.number + 1, end.number))
    return tuple(found)


def _gap(first: int, last: int) -> Break:
    return Break(number=first, what=f"missing: {first}" if first == last else f"missing: {first} to {last}")


def unfinished(entries: Iterable[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Intents that were not done to the end: what somebody had begun when the process ended, or a fault stopped it.

    An intent lists its `effects`; the outcomes that follow count how many of them are `done`.
    """
    open_intents: dict[int, LedgerEntry] = {}
    for entry in entries:
        if entry.kind == "intent":
            open_intents[entry.number] = entry
        elif entry.kind == "effect":
            number = int(entry.data["intent"])
            begun = open_intents.get(number)
            if begun is not None and int(entry.data["done"]) >= len(begun.data["effects"]):
                del open_intents[number]
    return tuple(open_intents.values())
