"""Decorators are told by a source's text."""

from __future__ import annotations

import pytest

from penstock.build import decorators


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("@Injectable()\nclass A {}", True),
        ("class A { constructor(@Inject(B) b: B) {} }", True),
        ("class A { @(make()) x: B }", True),
        ("export default @at class {}", True),
        ("/** @param x is none */", False),
        ("// @ts-ignore", False),
        ("const mail = 'a @b.c', other = `@x`, third = \"it's @y\";", False),
        ("const a = 1;", False),
        ("const q = (s: string) => s.replace(/`/g, '');\n@Injectable()\nclass A {}\nconst b = `x`;", True),
        ("const q = s.replace(/`/g, ''); class A { constructor(@Inject(B) b: B) {} } const b = `x`;", True),
        ("const a = `\n${`x`}`;\n  @Column() b: string;\nconst c = `x`;", True),
        ("/**\n * @param x is none\n */", False),
    ],
)
def test_a_decorator_is_none_in_a_comment_or_a_text(source: str, used: bool) -> None:
    assert decorators.used(source) is used
