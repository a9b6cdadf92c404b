"""Syntax trees of several threads at once."""

from __future__ import annotations

import ast
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from penstock.build import syntax
from penstock.build.handlers import syntax_fault

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


@pytest.mark.parametrize(
    ("source", "since"),
    [
        ("match x:\n    case 1: ...\n", 10),
        ("try:\n    pass\nexcept* ValueError:\n    pass\n", 11),
        ("type X = int\n", 12),
        ("def f[T](a: T): ...\n", 12),
        ("a = f'{x['a']}'\n", 12),
        ("a = f'''{x['a'] + f\"{z}\"} it's'''\n", 3),
        ("a = f'{x!r:>{width}} {{it\\'s}} {y[\"a\"]:}\\n'\n", 3),
        ("a = f'{f\"{x['a']}\"}'\n", 12),
        ("a = f'{\"\\n\".join(x)}'\n", 12),
        ("a = f'{\n    x\n}'\n", 12),
        ("a = f'''{\n    x\n}'''\n", 3),
        ("a = f'''{\n    x  # why\n}'''\n", 12),
    ],
)
def test_what_is_newer_than_the_target_is_a_fault_there(source: str, since: int) -> None:
    assert syntax_fault(source.encode(), (3, 99)) is None
    if sys.version_info < (3, since):
        pytest.skip("our own Python does not know it either, and says so")
    ours = sys.version_info[1]
    for minor in range(8, ours + 1):
        assert (syntax_fault(source.encode(), (3, minor)) is None) is (minor >= since), minor
