"""Whether both sides fail, when an alarm rings that knows nothing of sides, or of one side alone.

Alarms of ours ring when every other call fails. What fails on both sides is an incident of what both of them use, and
no reason to go back to the side that fails as well; how the sides compare is the judge's question.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.rollout.strata import Stratum

LOOK_BACK = 300
"""Seconds before now in which the stable side may have failed: alarms ring a minute or two behind."""
SHARE = 0.25
"""Of the stable side's calls. Half of what an alarm of ours rings at, because at the same share chance alone decides
which side is above it."""
ENOUGH = 20
"""Calls that tell a share, as many as our alarms need."""


def fails_beside(strata: Iterable[Stratum]) -> bool:
    """Whether the stable side fails too: in a minute that has enough calls, or in all minutes together.

    Args:
        strata: of the last minutes; each service is looked at for itself.
    """
    minutes: Counter[tuple[str, str, int]] = Counter()
    bad: Counter[tuple[str, str, int]] = Counter()
    for one in strata:
        if one.signal in {"errors", "5xx"}:
            for at in (one.minute, -1):
                minutes[one.service, one.signal, at] += one.stable.calls
                bad[one.service, one.signal, at] += one.stable.bad
    return any(calls >= ENOUGH and bad[key] >= SHARE * calls for key, calls in minutes.items())
