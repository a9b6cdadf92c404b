"""The four verdicts, and what a gate of the user's own says."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class Verdict(enum.IntEnum):
    """Four outcomes; the worst wins: max()."""

    PASS = 0
    INCONCLUSIVE = 1
    ERROR = 2
    FAIL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinding:
    """One gate's verdict, in a sentence; `value` is the number that it looked at last, None where there is none."""

    name: str
    verdict: Verdict
    sentence: str
    value: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"name": self.name, "verdict": self.verdict.name, "sentence": self.sentence, "value": self.value}
