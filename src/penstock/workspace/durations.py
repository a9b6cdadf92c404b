"""Durations as people write them: `90s`, `5m`, `1h`, `1h30m`, `14d`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


def seconds(text: str) -> int:
    """The duration in seconds. Raises ValueError when the text is none."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        message = f"not a duration: {text!r}"
        raise ValueError(message)
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
