"""The line locator finds every key that tomllib finds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.workspace.lines import line_of, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = '''\
# a comment with [brackets] and "quotes"
plain = 1 # [not.a.table]
a.b . "c d" = { x = 1, y.z = [ 2, { w = 3 } ] }
text = """
[not.a.table]
x = 1 \\""" still
"""
raw = \'\'\'
[nor] = this
\'\'\'
list = [
  1, # one
  [2,
   "],#"], { k = 1 },
]
when = 1979-05-27 07:32:00

[table]
key = "value"
[table.'inner]']
"k\\u0065y" = true

[[many]]
x = 1
  [many.sub]
  y = 2
  [[many.deep]]
  z = 3
[[many]]
x = 4
[[many.deep]]
z = 5
[[many.deep]]
z = 6
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("plain",), 2),
        (("a",), 3),
        (("a", "b", "c d", "y", "z", 1, "w"), 3),
        (("text",), 4),
        (("raw",), 8),
        (("list", 0), 12),
        (("list", 1), 13),
        (("list", 1, 1), 14),
        (("list", 2, "k"), 14),
        (("when",), 16),
        (("table",), 18),
        (("table", "key"), 19),
        (("table", "inner]", "key"), 21),
        (("many", 0), 23),
        (("many", 0, "sub", "y"), 26),
        (("many", 0, "deep", 0, "z"), 28),
        (("many", 1, "x"), 30),
        (("many", 1, "deep", 1, "z"), 34),
    ],
)
def test_keys_of_every_form_are_found(path: tuple[str | int, ...], line: int) -> None:
    assert locate(TEXT)[path] == line


def test_a_key_that_is_not_there_has_the_line_of_the_table_around_it() -> None:
    lines = locate(TEXT)
    assert line_of(lines, ("table", "missing", "further")) == 18
    assert line_of(lines, ("nowhere",)) is None


def paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def test_the_locator_knows_exactly_the_keys_of_the_document() -> None:
    assert set(locate(TEXT)) == set(paths(tomllib.loads(TEXT)))


@pytest.mark.parametrize(
    "file",
    sorted((Path(__file__).parents[2] / "cases" / "workspace").rglob("*.toml")),
    ids=lambda file: file.parent.name,
)
def test_the_locator_knows_exactly_the_keys_of_every_case(file: Path) -> None:
    try:
        text = file.read_bytes().decode("utf-8-sig")
        document = tomllib.loads(text)
    except ValueError:
        return
    assert set(locate(text.replace("\r\n", "\n"))) == set(paths(document))


def quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(one, one if one.isprintable() else f"\\U{ord(one):08X}") for one in text) + '"'


names = st.text(st.characters(codec="utf-8"), max_size=5)
scalars = st.one_of(
    st.integers(-9, 9).map(str), names.map(quoted), st.sampled_from(["true", "1.5", "'#]}'", '"""\n#"""'])
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # c]\n".join(items) + "\n]"),
        st.dictionaries(names, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{quoted(key)} = {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=3), values), max_size=5))
def test_the_locator_agrees_with_tomllib_on_any_document(pairs: list[tuple[list[str], str]]) -> None:
    text = "\n".join(f"{' . '.join(map(quoted, key))} = {value}" for key, value in pairs)
    try:
        document = tomllib.loads(text)
    except ValueError:
        return  # keys that contradict each other
    assert set(locate(text)) == set(paths(document))
