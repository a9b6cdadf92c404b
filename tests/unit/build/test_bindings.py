"""Which names a module binds: all that it may have once it has run, and no more."""

from __future__ import annotations

import pytest

from penstock.build import bindings


@pytest.mark.parametrize(
    "source",
    [
        "name = 1",
        "name: int = 1",
        "(name := 1)",
        "x = [(name := one) for one in 'ab']",
        "def f(x=(name := 1)): ...",
        "@(name := wrap)\ndef f(): ...",
        "class A((name := B)): ...",
        "for name in 'ab': ...",
        "with open('x') as name: ...",
        "if x:\n    from y import name",
        "try:\n    import name\nexcept ImportError: ...",
        "match x:\n    case {**name}: ...",
        "match x:\n    case [*name]: ...",
        "match x:\n    case str() as name: ...",
        "match x:\n    case _:\n        def name(): ...",
        "def f():\n    global name\n    name = 1",
        "class A:\n    def f():\n        global name\n        import name",
        "name = 1\ndel name\nname = 2",
        "name = 1\nimport other\ndel name",
        "name = 1\nrun()\ndel name",
        "if x:\n    name = 1\n    del name",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    name = 1",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import x\nelse:\n    name = 1",
        "from settings import TYPE_CHECKING\nif TYPE_CHECKING:\n    name = 1",
        "TYPE_CHECKING = False\nTYPE_CHECKING = read()\nif TYPE_CHECKING:\n    name = 1",
    ],
)
def test_a_name_that_a_module_may_have_is_bound(source: str) -> None:
    found = bindings.bound(source.encode())
    assert found is not None
    assert "name" in found


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    name = 1",
        "async def f(name): ...",
        "class A:\n    name = 1",
        "class A:\n    def name(self): ...",
        "f = lambda name: (name := 1)",
        "x = [name for name in 'ab']",
        "x = {name: 1 for name in 'ab'}",
        "name: int",
        "name = 1\ndel name",
        "name.x = name['y'] = 1",
        "import typing\nif typing.TYPE_CHECKING:\n    from x import name",
        "from typing import TYPE_CHECKING as T\nif T:\n    from x import name",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    name = 1",
    ],
)
def test_a_name_that_is_only_a_functions_or_only_for_a_checker_is_not(source: str) -> None:
    found = bindings.bound(source.encode())
    assert found is not None
    assert "name" not in found


@pytest.mark.parametrize(
    "source",
    ["globals()['name'] = 1", "vars()['name'] = 1", "exec('name = 1')", "def __getattr__(name): ...",
     "import enum\n@enum.global_enum\nclass A(enum.Enum):\n    name = 1"],
)  # fmt: skip
def test_a_module_that_binds_names_by_other_ways_may_have_any(source: str) -> None:
    assert bindings.bound(source.encode()) is None


@pytest.mark.parametrize(
    ("source", "does"),
    [
        ("import config\nconfig.name = 1", True),
        ("import config\nsetattr(config, 'name', 1)", True),
        ("import config\nconfig.name()", False),
        ("name = 1", False),
    ],
)
def test_a_module_may_bind_a_name_of_another(source: str, *, does: bool) -> None:
    assert bindings.sets_of_another(source.encode(), "name") is does
