"""In which order tests run, so that workers side by side are done at the same time and set nothing up twice."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COSTS = {
    "docs/test_guide.py": 400.0,
    "journeys/test_rehearse_faults.py": 0.1,  # but for a soak, it is left out
    "journeys": 15.0,
    "unit/infra/test_modules.py": 5.0,
    "build": 1.5,
    "localaws": 1.0,
}
"""Seconds of a test, roughly, by the beginning of its module's path; what is not named costs next to nothing."""
CHEAP = 0.1


def shared_out(items: list[pytest.Item], tests: Path) -> list[pytest.Item]:
    """The tests in the order in which so many workers as there are take them in equal parts.

    Each part begins with modules that cost much, whole, because they share an environment that takes long to make; the
    parts cost about the same. Cheap tests fill them up: who is done takes them from the end of another's part.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    cheap = [item for module in modules if _cost(module[0], tests) == CHEAP for item in module]
    costly = [module for module in modules if _cost(module[0], tests) > CHEAP]
    parts: list[list[pytest.Item]] = [[] for _ in range(workers)]
    costs = [0.0] * workers
    for module in sorted(costly, key=lambda module: -_cost(module[0], tests) * len(module)):
        least = costs.index(min(costs))
        parts[least] += module
        costs[least] += _cost(module[0], tests) * len(module)
    ordered: list[pytest.Item] = []
    for number, part in enumerate(parts):
        size = (len(items) - len(ordered)) // (workers - number)
        room = max(size - len(part), 0)
        ordered += part + cheap[:room]
        del cheap[:room]
    return ordered + cheap


def _cost(item: pytest.Item, tests: Path) -> float:
    place = item.path.relative_to(tests).as_posix() if item.path.is_relative_to(tests) else ""
    return next((cost for begin, cost in COSTS.items() if place.startswith(begin)), CHEAP)
