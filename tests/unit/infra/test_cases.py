"""Each folder of tests/cases/infra is a workspace beside its Terraform root, or a plan beside what is said of it.

A changed rendering shows here as a diff of the file that users commit.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.adapters.workspace_files import read_source
from penstock.infra.plan import parse_plan, summary
from penstock.infra.render import render_root, root_text
from penstock.workspace.load import load

CASES = Path(__file__).parents[2] / "cases" / "infra"
ROOTS = sorted(CASES.glob("*/expected-*.tf.json"))
PLANS = sorted(CASES.glob("*/plan.json"))


def test_every_case_says_what_it_expects() -> None:
    assert {path.parent for path in ROOTS} | {path.parent for path in PLANS} == set(CASES.iterdir())


@pytest.mark.parametrize("expected", ROOTS, ids=lambda path: path.parent.name)
def test_a_workspace_renders_to_the_committed_root(expected: Path) -> None:
    environment = expected.name.removeprefix("expected-").removesuffix(".tf.json")
    workspace = load(read_source(expected.parent), environment)
    assert root_text(render_root(workspace)) == expected.read_text()


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parent.name)
def test_a_plan_reads_as_expected(plan: Path) -> None:
    changes = parse_plan(json.loads(plan.read_text()))
    assert summary(changes) + "\n" == (plan.parent / "expected.txt").read_text()


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parent.name)
def test_no_value_of_a_plan_is_kept(plan: Path) -> None:
    kept = repr(parse_plan(json.loads(plan.read_text())))
    assert "hunter" not in kept
    assert "secret" not in kept
