"""When a schedule is due: `rate`, `cron` and `at` expressions of EventBridge, in a time zone.

AWS's cron has six fields, of which one of the two for days is `?`, and the wildcards `L`, `W` and `#`. ministack reads
them; what it lets through and AWS refuses is refused here, and times go by the clock on the wall of the zone: one that
the change to summer time leaves out is left out, one that comes twice in autumn is taken once.

References: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS: Mapping[str, float] = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_FIELDS = 6
_NUMBER = re.compile(r"(?<![#/\dA-Z])\d+")  # not a step, and not the 2 of MON#2
_RANGE = re.compile(r"(\w+)-(\w+)")
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))


def zone_of(name: str) -> tzinfo | None:
    """A time zone by its name; None when there is none. UTC needs no files."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Times:
    """Reads expressions. `eventbridge` is ministack's module, which knows cron."""

    eventbridge: Any

    def is_valid(self, expression: str) -> bool:
        """Whether AWS takes it."""
        if found := _AT.fullmatch(expression):
            return _parsed(found[1]) is not None
        return _RATE.fullmatch(expression) is not None or self._cron(expression) is not None

    def first(self, expression: str, since: float, zone: str, *, at_once: bool) -> float | None:
        """The first call of a schedule that was made then; ``at_once``: a rate begins with a call, not with a pause."""
        if at_once and _RATE.fullmatch(expression):
            return since
        if found := _AT.fullmatch(expression):
            at = _parsed(found[1])
            return None if at is None else at.replace(tzinfo=zone_of(zone)).timestamp()
        return self.following(expression, since, zone)

    def following(self, expression: str, last: float, zone: str) -> float | None:
        """The first call after another one; None when there is none."""
        if found := _RATE.fullmatch(expression):
            return last + int(found[1]) * _UNITS[found[2]]
        fields = self._cron(expression)
        return self._next(fields, last, zone_of(zone)) if fields else None

    def _next(self, fields: Any, last: float, zone: tzinfo | None) -> float | None:
        on_the_wall = datetime.fromtimestamp(last, zone).replace(tzinfo=UTC)
        following: datetime | None
        while (following := self.eventbridge._cron_next_fire(fields, on_the_wall)) is not None:
            on_the_wall = following
            moment: float = following.replace(tzinfo=zone).timestamp()
            is_real = datetime.fromtimestamp(moment, zone).replace(tzinfo=UTC, fold=0) == on_the_wall
            if is_real and moment > last:
                return moment
        return None

    def _cron(self, expression: str) -> Any:
        """As ministack reads it, or None."""
        parts = expression.strip().removeprefix("cron(").removesuffix(")").upper().split()
        if len(parts) != _FIELDS or not _is_within(parts):
            return None
        names = {**self.eventbridge._MONTH_NAMES, **self.eventbridge._DOW_NAMES}
        parts = [_unwrapped(part, *limits, names) for part, limits in zip(parts, _LIMITS, strict=True)]
        if parts[4] == "L":
            parts[4] = "7"  # the last day of the week, every week; ministack takes the month's last Saturday
        return self.eventbridge._parse_cron_fields(f"cron({' '.join(parts)})")


def _is_within(parts: list[str]) -> bool:
    """Whether every number is one of its field's, and one field for days is `?`."""
    if parts.count("?") != 1 or "?" not in {parts[2], parts[4]}:
        return False
    return all(
        low <= int(number) <= high
        for part, (low, high) in zip(parts, _LIMITS, strict=True)
        for number in _NUMBER.findall(part)
    )


def _unwrapped(part: str, low: int, high: int, names: Mapping[str, int]) -> str:
    """Ranges over the end, as ten in the evening to two in the morning, as two ranges."""

    def one(text: str) -> str:
        found = _RANGE.fullmatch(text)
        if not found:
            return text
        begin, end = (names.get(word) or int(word) if word.isdigit() or word in names else 0 for word in found.groups())
        return f"{begin}-{high},{low}-{end}" if begin > end else text

    return ",".join(one(text) for text in part.split(","))


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
