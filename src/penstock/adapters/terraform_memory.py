"""How much memory Terraform may take instead of time.

Terraform and its AWS provider are Go programs that build the provider's 1,500 schemas anew in each process, most of
which live as long as it does. By Go's default the collector looks at them again whenever the heap has doubled, which
was more than half of the processor time of a plan (`docs/benchmarks.md`).

Source: https://go.dev/doc/gc-guide
"""

from __future__ import annotations

import os

GROWTH = 800
"""Per cent by which the heap grows until it is collected; Go's default is 100."""
SHARE = 4
"""Of the machine's memory each of the two programs may fill one part in so many before it collects as often as ever."""
LEAST = 1 << 30
"""Bytes: with less, a collector that is always at it would be slower than the default."""


def seldom_collecting() -> dict[str, str]:
    """Variables for Go's collector; who has set them himself is obeyed."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not every system tells
        memory = 0
    return {"GOGC": str(GROWTH), "GOMEMLIMIT": str(max(memory // SHARE, LEAST))}
