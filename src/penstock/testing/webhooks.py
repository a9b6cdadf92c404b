"""Webhooks in memory: answers that a test has laid out, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.model.errors import RemoteFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One request."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float


@dataclass
class FakeWebhooks:
    """`answer` decides what comes back, 204 unless a test says otherwise; a fault is raised. `posted` is what came."""

    answer: Callable[[Posted], HttpAnswer | RemoteFault] = field(default=lambda _posted: answered(204))
    posted: list[Posted] = field(default_factory=list)

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float) -> HttpAnswer:
        """Keep the request, and answer it."""
        request = Posted(url=url, headers=headers, body=body, timeout=timeout)
        self.posted.append(request)
        found = self.answer(request)
        if isinstance(found, Exception):
            raise found
        return found


def answered(status: int, body: str = "") -> HttpAnswer:
    """An answer without headers, at once."""
    return HttpAnswer(status=status, body=body, headers={}, seconds=0.0)
