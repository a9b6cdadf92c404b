"""Whether both sides fail, when an alarm rings that knows nothing of sides, or of one side alone.

Alarms of ours ring when every other call fails. What fails on both sides is an incident of what both of them use, and
no reason to go back to the side that fails as well; how the sides compare is the judge's question.

A side that hangs is silent before it fails: Lambda counts an invocation when it has ended, and dates it at its
beginning (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html). A candidate that gives up sooner,
because its timeout is shorter, fails first. So who is silent where its share of the calls should be counted is waited
for, as long as a call may last.
"""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import TYPE_CHECKING, Literal

from penstock.rollout.minutes import MINUTE
from penstock.rollout.strata import Sample

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
RINGS = 0.5
"""Share of bad calls in a minute of the candidate at which our alarms ring."""
HEARD = 0.75
"""Of the calls that the stable side should have had by the weight, at least, unless it hangs: of a minute in which an
incident made an alarm ring it lacks half and more."""
WHOLE = 100

Beside = Literal["fails", "silent", "well"]
"""The stable side while the candidate fails: `silent` as long as calls to it may be counted that have not ended yet."""


def beside(strata: Iterable[Stratum], *, percent: int, now: float, timeout: float, delay: float) -> Beside:
    """How the stable side is, where an alarm rings.

    Args:
        strata: of the last minutes, `look_back(timeout, delay)` seconds of them.
        percent: the candidate's weight. One that was lower in some of the minutes only has it wait less.
        now: seconds since the epoch.
        timeout: seconds that a call of the stable side may last.
        delay: seconds that numbers may come late.
    """
    known = tuple(strata)
    if fails_beside(one for one in known if one.minute >= now - LOOK_BACK):
        return "fails"
    complete = now - timeout - delay
    found = {_beside(one, percent, complete, _before(known, one)) for one in known if _rings(one)}
    if not found or "well" in found:
        return "well"
    return "fails" if "fails" in found or fails_beside(known) else "silent"


def look_back(timeout: float, delay: float) -> float:
    """Seconds before now of which `beside` is to know: what fails on a side that hangs is known so much later."""
    return LOOK_BACK + timeout + delay


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
    return any(_fails(calls, bad[key]) for key, calls in minutes.items())


def _fails(calls: int, bad: int) -> bool:
    return calls >= ENOUGH and bad >= SHARE * calls


def _rings(one: Stratum) -> bool:
    calls, bad = one.canary.calls, one.canary.bad
    return one.signal in {"errors", "5xx"} and calls >= ENOUGH and bad >= RINGS * calls


def _before(strata: Iterable[Stratum], first: Stratum) -> Sample | None:
    """What the stable side did alone in the minutes before the one in which the candidate came; None of later ones."""
    same = [one for one in strata if (one.service, one.signal) == (first.service, first.signal)]
    before = [one for one in same if first.minute - LOOK_BACK <= one.minute < first.minute]
    calls = sum(one.stable.calls for one in before)
    if not calls or any(one.canary.calls for one in before):
        return None
    return Sample(calls=calls, bad=sum(one.stable.bad for one in before))


def _beside(one: Stratum, percent: int, complete: float, before: Sample | None) -> Beside:
    calls = one.stable.calls
    expected = one.canary.calls * (WHOLE - percent) / percent if percent else 0.0
    if _fails(calls, one.stable.bad) or _fails_since(one.stable, expected, before):
        return "fails"
    is_complete = one.minute + MINUTE <= complete
    return "silent" if not is_complete and expected >= ENOUGH and calls < HEARD * expected else "well"


def _fails_since(stable: Sample, expected: float, before: Sample | None) -> bool:
    """Whether the stable side fails since the candidate came, in a minute whose calls are older for the most part.

    Args:
        stable: its whole minute.
        expected: the calls that it should have had since, by the weight.
        before: what it did in the minutes before, which tells how many of the older calls were bad.
    """
    if before is None or not ENOUGH <= expected < stable.calls:
        return False
    older, ordinary = stable.calls - expected, before.bad / before.calls
    # Three standard deviations of a binomial: what chance adds to the older calls is no incident.
    chance = 3 * sqrt(ordinary * (1 - ordinary) * older)
    return stable.bad - ordinary * older >= SHARE * expected + chance
