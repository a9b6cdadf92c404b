"""Syntax trees of several threads at once."""

from __future__ import annotations

import ast
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from penstock.build import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "def f(a):\n    return " + "+".join(["[a, (1, {2: 3})]"] * 200) + "\n"


class Yielding:
    """Lets other threads run when it is collected, as finalisers do that wait for something."""

    def __del__(self) -> None:
        import time  # noqa: PLC0415 - the module may be gone at the very end

        time.sleep(0)


def littered() -> Iterator[str]:
    for _ in range(200):
        one = Yielding()
        one.itself = one  # type: ignore[attr-defined] # a cycle, which only the collector ends
        yield SOURCE


def test_threads_that_parse_side_by_side_do_not_disturb_each_other() -> None:
    before, switch = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            trees = list(pool.map(syntax.tree, littered()))
    finally:
        gc.set_threshold(*before)
        sys.setswitchinterval(switch)
    assert {len(ast.dump(tree)) for tree in trees} == {len(ast.dump(ast.parse(SOURCE)))}
