"""Values that travel to the controller function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.adapters.workspace_files import read_source
from penstock.model.plain import from_plain, to_plain
from penstock.model.workspace import Environment, Function, TerraformReference, Workspace
from penstock.workspace.load import environments, load

SHOP = Path(__file__).parents[2] / "examples" / "shop"


def test_a_whole_workspace_travels_as_json() -> None:
    source = read_source(SHOP)
    for name in environments(source):
        workspace = load(source, name)
        assert from_plain(Workspace, json.loads(json.dumps(to_plain(workspace)))) == workspace


def test_values_of_several_kinds_stay_what_they_were() -> None:
    function = Function(
        name="a",
        service="a",
        physical="a",
        handler="a.b",
        runtime="python3.13",
        architecture="arm64",
        memory=128,
        timeout=3,
        env={"A": "text", "B": TerraformReference("aws_x.y.arn")},
    )
    assert from_plain(Function, json.loads(json.dumps(to_plain(function)))) == function


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": 1}, "Environment.name is int"),
        ({"unheard_of": 1}, "Environment has no unheard_of"),
        ({"trigger": "sometimes"}, "sometimes"),
        ({"branches": "main"}, "Environment.branches is str"),
        ({"build_cache": 1}, "Environment.build_cache is int"),
        ({"endpoint": 7}, "fits none of"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change: dict[str, object], what: str) -> None:
    data = to_plain(Environment(name="dev", account="1" * 12, region="eu-west-1"))
    with pytest.raises(TypeError, match=what):
        from_plain(Environment, {**data, **change})
