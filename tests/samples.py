"""What is too much to be tried out each time: a part of it that is another one in each run."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Thing = TypeVar("Thing")


def one_in(every: int, things: Sequence[Thing]) -> Sequence[Thing]:
    """One in so many, from a random one on; all of them where PENSTOCK_SOAK is set.

    The seed that pytest-randomly prints brings the same part again.
    """
    if os.environ.get("PENSTOCK_SOAK"):
        return things
    return things[random.randrange(min(every, len(things) or 1)) :: every]  # noqa: S311 - a sample, no secret
