"""The ledger's entries and the lease: who did what, and who may act now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of an environment's history, chained to the one before by hash.

    `kind` is `intent`, `effect` or the name of an event; `data` is plain JSON without secrets.
    """

    number: int
    at: str
    actor: str
    run: str
    """Id of the command run that wrote it; intents and effects of one run share it."""
    kind: str
    data: Mapping[str, Any]
    previous: str
    """SHA-256, hex, of the entry before; 64 zeros for the first."""

    @property
    def digest(self) -> str:
        """SHA-256, hex, over the entry's canonical JSON."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()

    def to_text(self) -> str:
        """Canonical JSON, as it lies in `ledger/<number>.json`."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> LedgerEntry:
        """The inverse of `to_text`."""
        return cls(**json.loads(text))


def machine(name: str, traits: str) -> str:
    """A machine by its name and what tells it from others of that name."""
    return f"{name}#{traits}"


def host_name(machine: str) -> str:
    """The name of a machine, for people and for Terraform."""
    return machine.partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to change an environment, for a while. Times are seconds since the epoch.

    `fence` grows by one with every new holder, so that a late write can be told from a current one.
    """

    holder: str
    """Who, for people: the STS caller."""
    host: str
    """The machine that `pid` is a process of; see `machine`."""
    pid: int
    run: str
    purpose: str
    since: float
    expires: float
    fence: int
    ttl: float = 60.0
    """Seconds from when it was written that it is good for: those of the store's clock, whatever the holder's says."""

    def to_text(self) -> str:
        """Canonical JSON, as it lies in `lease.json`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Lease:
        """The inverse of `to_text`."""
        return cls(**json.loads(text))
