"""Lambda's limits on code.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, "Deployment package (.zip file archive)
size: 250 MB, unzipped, including layers". The 50 MB for direct uploads do not count: artifacts go through S3.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.build.archive import Member

UNZIPPED_MAX = 250 * 1024 * 1024
"""Bytes."""
_SHOWN = 5


def check_size(unit: str, members: Iterable[Member], *, limit: int = UNZIPPED_MAX) -> int:
    """The unzipped size in bytes. Raises BuildFailed with the biggest packages when Lambda would refuse it."""
    weights = Counter[str]()
    for member in members:
        weights[member.name.partition("/")[0]] += member.size
    total = weights.total()
    if total > limit:
        biggest = ", ".join(f"{name} {size / 2**20:.1f} MB" for name, size in weights.most_common(_SHOWN))
        raise BuildFailed(
            f"{total / 2**20:.1f} MB unzipped are over Lambda's quota "
            f"'Deployment package (.zip file archive) size' of {limit / 2**20:.0f} MB",
            where=unit,
            hint=f"leave out or split what weighs most: {biggest}",
        )
    return total
