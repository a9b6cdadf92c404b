"""Which files no bundle takes in, by their names and by what sources ask for."""

from __future__ import annotations

import pytest

from penstock.build.node_unread import are_asked_for, computes_names, may_be_unread


@pytest.mark.parametrize(
    ("path", "unread"),
    [
        ("src/a.spec.ts", True),
        ("a.test.mjs", True),
        ("src/__tests__/any/thing.json", True),
        ("docs/api/users.md", True),
        (".prettierrc", True),
        ("src/.eslintrc.cjs", True),
        ("prettier.config.mjs", True),
        ("src/docs/users.md", False),
        ("src/contest.ts", False),
        ("src/spec.ts", False),
        (".babelrc", False),
    ],
)
def test_names_tell_what_no_bundle_takes_in(path: str, *, unread: bool) -> None:
    assert may_be_unread(path) is unread


@pytest.mark.parametrize(
    ("module", "asked"),
    [
        ("./app", False),
        ("./app.spec", True),
        ("./app.spec.js", True),
        ("./__tests__", True),
        ("../docs", True),
        ("../docs/a.md", True),
        ("../biome", True),
        ("@/a.spec", True),
        ("docs/a.md", True),
        ("@acme/docs-client", False),
    ],
)
def test_a_source_may_ask_for_one_of_them(module: str, *, asked: bool) -> None:
    assert are_asked_for([("src/main.ts", [module])], ["src/app.handler"]) is asked
    assert not are_asked_for([("src/main.test.ts", [module])], ["src/app.handler"])


def test_a_handler_may_be_one_of_them() -> None:
    assert are_asked_for([], ["src/__tests__/app.handler"])


@pytest.mark.parametrize(
    ("source", "computed"),
    [
        ('import a from "./a"; const b = require("./b"), c = await import( "./c" );', False),
        ('import("./a", { with: { type: "json" } }); import.meta.url; createRequire(import.meta.url);', False),
        ("import(`./${name}`)", True),
        ("require('./' + name)", True),
        ("import(\n  /* webpackChunkName */ './a')", True),
    ],
)
def test_names_that_are_computed_are_not_there_to_be_read(source: str, *, computed: bool) -> None:
    assert computes_names(source.encode()) is computed
