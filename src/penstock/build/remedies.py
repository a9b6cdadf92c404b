"""What helps against faults that the tools of a build tell in their own words, and that are not the code's."""

from __future__ import annotations

import re

_REMEDIES = (
    (re.compile(r"no space left on device|\bENOSPC\b|disk quota exceeded", re.IGNORECASE), "make room"),
    (
        re.compile(
            r"error sending request|tcp connect error|dns error|failed to lookup address"
            r"|\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH)\b"
        ),
        "what is missing was not downloaded before, and its index is not in reach: check the network, then build again",
    ),
)


def remedy(words: str) -> str:
    """The next thing to do about what a tool said; empty when nothing but reading it helps."""
    return next((remedy for pattern, remedy in _REMEDIES if pattern.search(words)), "")
