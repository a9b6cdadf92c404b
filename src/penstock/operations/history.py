"""Which releases were promoted and which were rolled back: `releases/history.json` in the environment's bucket.

Written under the lease. A promotion is derived from the pointer when a crash came between the switch and this file,
so it can be behind for a moment but never wrong.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.ports import ObjectStore

KEY = "releases/history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One release's time in the light. Times are ISO 8601, UTC."""

    release: str
    at: str
    by: str
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """All promotions, oldest first."""

    promotions: tuple[Promotion, ...] = ()

    @property
    def latest(self) -> Promotion | None:
        """The last promotion, rolled back or not."""
        return self.promotions[-1] if self.promotions else None

    def promoted(self, release: str, *, at: str, by: str) -> History:
        """The history after this release went live; itself when it is the latest one already."""
        if self.latest and self.latest.release == release:
            return self
        return History((*self.promotions, Promotion(release=release, at=at, by=by)))

    def rolled_back(self, release: str) -> History:
        """The history after the latest promotion of this release was found bad."""
        index = max((i for i, p in enumerate(self.promotions) if p.release == release), default=None)
        if index is None:
            return self
        marked = replace(self.promotions[index], rolled_back=True)
        return History((*self.promotions[:index], marked, *self.promotions[index + 1 :]))

    def rollback_target(self, live: str | None) -> str | None:
        """The last promoted release other than the live one that was not rolled back afterwards."""
        bad = self.bad()
        for promotion in reversed(self.promotions):
            if promotion.release != live and promotion.release not in bad:
                return promotion.release
        return None

    def bad(self) -> frozenset[str]:
        """Releases whose latest promotion ended in a rollback."""
        latest: dict[str, bool] = {p.release: p.rolled_back for p in self.promotions}
        return frozenset(release for release, rolled_back in latest.items() if rolled_back)


def read_history(objects: ObjectStore) -> History:
    """The history as it is in the bucket; empty before the first release."""
    stored = objects.get(KEY)
    return _parse(json.loads(stored.body)) if stored else History()


def write_history(objects: ObjectStore, history: History) -> None:
    """Replace the history; the caller holds the lease."""
    objects.put(KEY, json.dumps([asdict(promotion) for promotion in history.promotions], indent=1).encode())


def _parse(data: Iterable[dict[str, object]]) -> History:
    return History(
        tuple(
            Promotion(
                release=str(item["release"]),
                at=str(item["at"]),
                by=str(item["by"]),
                rolled_back=bool(item["rolled_back"]),
            )
            for item in data
        )
    )
