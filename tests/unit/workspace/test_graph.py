"""Who reaches whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.workspace_files import read_source
from penstock.workspace import graph
from penstock.workspace.load import load

CASE = Path(__file__).parents[2] / "cases" / "workspace" / "packages"


@pytest.mark.parametrize(
    ("changed", "services"),
    [
        ("services/user_service/users/app.py", ["user_service"]),
        ("packages/base/pyproject.toml", ["user_service"]),
        ("packages/kit/src/index.ts", ["web_service"]),
        ("packages/other/other.py", []),
        ("penstock.toml", ["user_service", "web_service"]),
        ("uv.lock", ["user_service"]),
        ("pnpm-lock.yaml", ["web_service"]),
        ("services/user_service_old/app.py", []),
        ("README.md", []),
    ],
)
def test_a_changed_file_affects_the_services_that_are_made_from_it(changed: str, services: list[str]) -> None:
    workspace = load(read_source(CASE), "dev")
    assert graph.affected(workspace, [changed]) == dict.fromkeys(services, (changed,))


names = st.sampled_from("abcdef")
graphs = st.dictionaries(names, st.frozensets(names, max_size=3))


@given(graphs, names)
def test_what_is_reached_is_closed_and_holds_where_one_starts(edges: dict[str, frozenset[str]], start: str) -> None:
    reached = graph.closure(edges, [start])
    assert start in reached
    assert all(further in reached for name in reached for further in edges.get(name, ()))


@given(graphs)
def test_cycles_are_found_exactly_where_a_name_reaches_itself(edges: dict[str, frozenset[str]]) -> None:
    knotted = {name for name in edges if name in graph.closure(edges, edges[name])}
    found = graph.cycles(edges)
    assert bool(found) == bool(knotted)
    for cycle in found:
        for name, further in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert further in edges[name]


@pytest.mark.parametrize(("one", "other"), [("Shop_Common", "shop-common"), ("a.b--c", "A-B_C")])
def test_names_of_python_packages_are_compared_as_pep_503_says(one: str, other: str) -> None:
    assert graph.normalized(one) == graph.normalized(other)
