"""The data points of a series by minute, so that a question about some minutes does not read all that ever was.

ministack keeps a list for each series and goes through all series, and all of their points, for every query. Alarms are
evaluated all the time, and on a faster clock a day's points come in minutes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Key = tuple[str, str, str]
    Point = Mapping[str, Any]

_MINUTE = 60


@dataclass(slots=True)
class _Entry:
    points: list[Point]
    """ministack's own list, to notice when it is another."""
    done: int = 0
    minutes: dict[int, list[Point]] = field(default_factory=dict)


class MetricIndex:
    """Reads series of the account and region of the request under way. Points are only ever appended to a list."""

    def __init__(self, cloudwatch: Any, responses: Any) -> None:
        self._cloudwatch = cloudwatch
        self._responses = responses
        self._entries: dict[tuple[str, str, Key], _Entry] = {}
        self._lock = threading.Lock()

    def between(self, key: Key, start: float, end: float) -> list[Point]:
        """The points of a series from a moment on and before another."""
        points = self._cloudwatch._metrics.get(key)
        if not points:
            return []
        with self._lock:
            minutes = self._entry(key, points).minutes
            first, last = int(start // _MINUTE), int(end // _MINUTE)
            if last - first < len(minutes):
                found = [point for minute in range(first, last + 1) for point in minutes.get(minute, ())]
            else:
                found = [point for minute, inside in minutes.items() if first <= minute <= last for point in inside]
        return [point for point in found if start <= point["Timestamp"] < end]

    def _entry(self, key: Key, points: list[Point]) -> _Entry:
        scope = (self._responses.get_account_id(), self._responses.get_region(), key)
        entry = self._entries.get(scope)
        if entry is None or entry.points is not points or entry.done > len(points):
            entry = self._entries[scope] = _Entry(points)
        for point in points[entry.done :]:
            entry.minutes.setdefault(int(point["Timestamp"] // _MINUTE), []).append(point)
            entry.done += 1
        return entry
