"""What modules import, however long their expressions are."""

from __future__ import annotations

import ast

import pytest

from penstock.build import bindings, imports
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
    assert bindings.bound(deep) is None
    assert syntax_fault(deep, (3, 10)) is None
    check_python_handler("app.handler", {"app.py": deep}, where="service.toml")


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("@import_module('x').y\ndef f(): ...", "always"),
        ("@import_module('x').y\nclass A: ...", "always"),
        ("def f(a, b=import_module('x')): ...", "always"),
        ("async def f(*, b=import_module('x')): ...", "always"),
        ("class A(import_module('x').B): ...", "always"),
        ("class A(metaclass=import_module('x').B): ...", "always"),
        ("with import_module('x').y: ...", "always"),
        ("if import_module('x').y: ...", "always"),
        ("while import_module('x').y: ...", "always"),
        ("for one in import_module('x').y: ...", "always"),
        ("match import_module('x').y:\n    case _: ...", "always"),
        ("def f():\n    if import_module('x').y: ...", "later"),
        ("def f():\n    def g(b=import_module('x')): ...", "later"),
        ("try:\n    if import_module('x').y: ...\nexcept ImportError: ...", "maybe"),
        ("if a:\n    pass\nelif import_module('x').y: ...", "maybe"),
        ("if a and import_module('x').y: ...", "maybe"),
        ("if import_module('x').y or a: ...", "always"),
        ("y = import_module('x') if has('x') else None", "maybe"),
        ("y = [import_module('x') for one in some]", "maybe"),
        ("y = [one for one in import_module('x').y if one]", "always"),
        ("assert a, import_module('x').y", "maybe"),
        ("with suppress(ImportError), import_module('x').y: ...", "maybe"),
    ],
)
def test_an_import_by_a_text_is_seen_wherever_it_is_evaluated(text: str, weight: str) -> None:
    assert [(one.module, one.weight) for one in imports.exact(text.encode())] == [("x", weight)]


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("try:\n    import x\nexcept ValueError: ...", "always"),
        ("try:\n    import json, x\n    y = 1\nfinally: ...", "always"),
        ("try:\n    y = 1\n    import x\nfinally: ...", "always"),
        ("try: ...\nfinally:\n    import x", "always"),
        ("try: ...\nexcept ImportError: ...\nfinally:\n    import x", "always"),
        ("try:\n    y = long\n    import x\nexcept NameError: ...", "maybe"),
        ("try:\n    with open(y):\n        import x\nexcept OSError: ...", "maybe"),
        ("try:\n    y = long\nexcept NameError:\n    import x", "maybe"),
        ("try:\n    y = long\nexcept NameError: ...\nelse:\n    import x", "maybe"),
        ("try:\n    import x\nexcept ImportError: ...", "maybe"),
    ],
)
def test_what_an_error_that_is_handled_may_leave_out_is_not_certain(text: str, weight: str) -> None:
    assert [one.weight for one in imports.exact(text.encode()) if one.module == "x"] == [weight]


@pytest.mark.parametrize("text", ["def f(a: import_module('x').y): ...", "try: ...\nexcept import_module('x').E: ..."])
def test_what_may_never_be_evaluated_is_no_import(text: str) -> None:
    assert imports.exact(text.encode()) == ()
