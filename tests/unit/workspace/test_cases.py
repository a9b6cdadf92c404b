"""Each folder of tests/cases/workspace is a workspace, beside what it must load to or what must be said about it.

`expected.json` maps environments to the part of the resolved workspace that the case is about (lists of named
things become tables by name). `expected-problems.txt` holds all problems, word for word.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.workspace_files import read_source
from penstock.model.errors import WorkspaceInvalid
from penstock.model.workspace import Route, TerraformReference
from penstock.workspace.load import environments, load

CASES = Path(__file__).parents[2] / "cases" / "workspace"
ALL = sorted(path.name for path in CASES.iterdir())
WRONG = [name for name in ALL if (CASES / name / "expected-problems.txt").exists()]
RIGHT = [name for name in ALL if (CASES / name / "expected.json").exists()]


def test_every_case_says_what_it_expects() -> None:
    assert sorted([*WRONG, *RIGHT]) == ALL


@pytest.mark.parametrize("name", WRONG)
def test_all_problems_are_told_in_one_run(name: str) -> None:
    with pytest.raises(WorkspaceInvalid) as caught:
        load(read_source(CASES / name), "dev")
    told = "\n".join(str(problem) for problem in caught.value.problems)
    assert f"{told}\n" == (CASES / name / "expected-problems.txt").read_text()


@pytest.mark.parametrize("name", WRONG)
def test_each_problem_is_one_printable_line_with_a_hint(name: str) -> None:
    with pytest.raises(WorkspaceInvalid) as caught:
        environments(read_source(CASES / name))
    for problem in caught.value.problems:
        assert problem.what.isprintable()
        assert problem.hint.isprintable()
        assert problem.hint


@pytest.mark.parametrize("name", RIGHT)
def test_a_workspace_resolves_to_what_is_expected(name: str) -> None:
    source = read_source(CASES / name)
    for environment, expected in json.loads((CASES / name / "expected.json").read_text()).items():
        assert _part(_plain(load(source, environment)), expected) == expected


def _plain(value: Any) -> Any:
    """The workspace as JSON, named things as tables by name, routes as text."""
    if isinstance(value, Route):
        return str(value)
    if isinstance(value, TerraformReference):
        return {"terraform": value.expression}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        items = [_plain(one) for one in value]
        named = items and all(isinstance(one, dict) and "name" in one for one in items)
        return {one["name"]: one for one in items} if named else items
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def _part(actual: Any, expected: Any) -> Any:
    """What of `actual` the expectation speaks about. `{}` speaks about nothing but being there."""
    if isinstance(actual, dict) and isinstance(expected, dict):
        return {key: _part(actual[key], expected[key]) if key in actual else "(missing)" for key in expected}
    return actual
