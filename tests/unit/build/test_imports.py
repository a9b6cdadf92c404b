"""What modules import, however long their expressions are."""

from __future__ import annotations

import ast

import pytest

from penstock.build import imports
from penstock.build.handlers import check_python_handler, syntax_fault

SUM = "TEXT = " + " + ".join(["'x'"] * 2_000) + "\n"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("import json\n", ["json"]),
        ("import importlib\nother = importlib.import_module('lib.other')\n", ["importlib", "lib.other"]),
        ("a, b = __import__('one'), [__import__('two')]\n", ["one", "two"]),
    ],
)
def test_a_module_with_a_sum_of_thousands_of_texts_is_read(more: str, found: list[str]) -> None:
    assert [one.module for one in imports.exact((SUM + more).encode())] == found


def test_a_manager_of_thousands_of_terms_is_looked_into() -> None:
    text = f"with suppressing({SUM.partition('= ')[2].strip()}):\n    import extra\n"
    assert [(one.module, one.weight) for one in imports.exact(text.encode())] == [("extra", "maybe")]


def test_what_is_deeper_than_this_python_parses_is_left_for_python_to_judge() -> None:
    deep = f"import json\nTEXT = {'x + ' * 20_000}x\ndef handler(e, c): ...\n".encode()
    with pytest.raises(RecursionError):
        ast.parse(deep)
    assert [one.module for one in imports.exact(deep)] == ["json"]
    assert imports.bound(deep) is None
    assert syntax_fault(deep, (3, 10)) is None
    check_python_handler("app.handler", {"app.py": deep}, where="service.toml")
