"""A function has its seconds, and those for which it got no processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from penstock.localaws.deadlines import Deadline, waited


@pytest.mark.parametrize(
    ("of_the_function", "of_the_server", "left"), [(0.0, 0.0, -1), (5.0, 0.0, 1), (0.0, 5.0, 1), (1000.0, 1000.0, 1)]
)
def test_time_without_a_processor_does_not_count(of_the_function: float, of_the_server: float, left: int) -> None:
    seen = {7: [3.0, 3.0 + of_the_function], "self": [1.0, 1.0 + of_the_server]}
    deadline = Deadline(0.05, 7, lambda process: seen[process].pop(0) if len(seen[process]) > 1 else seen[process][0])
    assert 0 < deadline.left() <= 0.05
    time.sleep(0.06)
    assert deadline.left() * left > 0
    assert deadline.left() <= 0.45, "there is an end to it"


def test_the_system_tells_who_waits_for_a_processor() -> None:
    crowd = [
        subprocess.Popen([sys.executable, "-c", "import time\nend = time.time() + 2\nwhile time.time() < end: pass"])
        for _ in range(4 * (os.cpu_count() or 1))
    ]
    try:
        time.sleep(1.5)
        found = waited(crowd[0].pid)
    finally:
        for one in crowd:
            one.wait()
    assert found > 0.2
    assert waited(2**31) == 0.0
