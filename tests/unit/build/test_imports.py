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
        ("@__import__('x').y\ndef f(): ...", "always"),
        ("@__import__('x').y\nclass A: ...", "always"),
        ("def f(a, b=__import__('x')): ...", "always"),
        ("async def f(*, b=__import__('x')): ...", "always"),
        ("class A(__import__('x').B): ...", "always"),
        ("class A(metaclass=__import__('x').B): ...", "always"),
        ("with __import__('x').y: ...", "always"),
        ("if __import__('x').y: ...", "always"),
        ("while __import__('x').y: ...", "always"),
        ("for one in __import__('x').y: ...", "always"),
        ("match __import__('x').y:\n    case _: ...", "always"),
        ("def f():\n    if __import__('x').y: ...", "later"),
        ("def f():\n    def g(b=__import__('x')): ...", "later"),
        ("try:\n    if __import__('x').y: ...\nexcept ImportError: ...", "maybe"),
        ("if a:\n    pass\nelif __import__('x').y: ...", "maybe"),
        ("if a and __import__('x').y: ...", "maybe"),
        ("if __import__('x').y or a: ...", "always"),
        ("y = __import__('x') if has('x') else None", "maybe"),
        ("y = [__import__('x') for one in some]", "maybe"),
        ("y = [one for one in __import__('x').y if one]", "always"),
        ("assert a, __import__('x').y", "maybe"),
        ("with suppress(ImportError), __import__('x').y: ...", "maybe"),
        ("with ignoring(ImportError):\n    import x", "maybe"),
        ("with own.attempt:\n    import x", "maybe"),
        ("with warnings.catch_warnings():\n    import x", "always"),
        ("with open(y) as file:\n    import x", "always"),
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
        ("try:\n    import x\nexcept (ValueError, KeyError): ...", "always"),
        ("ERR = (ImportError,)\ntry:\n    import x\nexcept ERR: ...", "maybe"),
        ("try:\n    import x\nexcept (ValueError, ERR): ...", "maybe"),
        ("try:\n    import x\nexcept (ValueError, *ERR): ...", "maybe"),
        ("try:\n    import x\nexcept errors.ABSENT: ...", "maybe"),
        ("try:\n    import x\nexcept errors(): ...", "maybe"),
    ],
)
def test_what_an_error_that_is_handled_may_leave_out_is_not_certain(text: str, weight: str) -> None:
    assert [one.weight for one in imports.exact(text.encode()) if one.module == "x"] == [weight]


@pytest.mark.parametrize("text", ["def f(a: __import__('x').y): ...", "try: ...\nexcept __import__('x').E: ..."])
def test_what_may_never_be_evaluated_is_no_import(text: str) -> None:
    assert imports.exact(text.encode()) == ()


@pytest.mark.parametrize(
    ("text", "is_import"),
    [
        ("import importlib\nimportlib.import_module('x')", True),
        ("import importlib.util\nimportlib.import_module('x')", True),
        ("import importlib as lib\nlib.import_module('x')", True),
        ("from importlib import import_module\nimport_module('x')", True),
        ("from importlib import import_module as load\nload('x')", True),
        ("def f():\n    import importlib\n    importlib.import_module('x')", True),
        ("import importlib\nclass A:\n    def import_module(self, n): ...\nimportlib.import_module('x')", True),
        ("registry.import_module('x')", False),
        ("self.importlib.import_module('x')", False),
        ("import importlib\nregistry.import_module('x')", False),
        ("import importlib.util as lib\nlib.import_module('x')", False),
        ("def import_module(name): ...\nimport_module('x')", False),
        ("from registry import import_module\nimport_module('x')", False),
        ("from .importlib import import_module\nimport_module('x')", False),
        ("from registry import importlib\nimportlib.import_module('x')", False),
        ("def f(importlib):\n    importlib.import_module('x')\nimport importlib", False),
        ("from importlib import import_module\nimport_module = registry.get\nimport_module('x')", False),
        ("import importlib\nimportlib.import_module = registry.get\nimportlib.import_module('x')", False),
        ("def __import__(name): ...\n__import__('x')", False),
    ],
)
def test_only_what_is_importlibs_or_pythons_own_imports_by_a_text(text: str, *, is_import: bool) -> None:
    assert [one.module for one in imports.exact(text.encode()) if one.module == "x"] == ["x"] * is_import
