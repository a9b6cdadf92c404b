"""What is too much to be tried out each time: a part of it that is another one in each run."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

Thing = TypeVar("Thing")

SOAKS = bool(os.environ.get("PENSTOCK_SOAK"))
soak = pytest.mark.skipif(not SOAKS, reason="a soak, which PENSTOCK_SOAK asks for: a sibling of it always runs")
"""For what takes minutes and has a sibling that shows nearly the same."""

patient = pytest.mark.timeout(7200 if SOAKS else 600)
"""For what tries out more where PENSTOCK_SOAK is set: it then takes longer than a test may by default."""

few_workspaces = settings(
    max_examples=60 if SOAKS else 2,
    suppress_health_check=[HealthCheck.too_slow],
    # An example takes seconds: to look for the smallest that fails, as a soak does, takes longer than all other tests.
    phases=[phase for phase in Phase if SOAKS or phase is not Phase.shrink],
)
"""For properties of which each example is a handful of builds."""


def one_in(every: int, things: Sequence[Thing]) -> Sequence[Thing]:
    """One in so many, from a random one on; all of them where PENSTOCK_SOAK is set.

    The seed that pytest-randomly prints brings the same part again.
    """
    if SOAKS:
        return things
    return things[random.randrange(min(every, len(things) or 1)) :: every]  # noqa: S311 - a sample, no secret
