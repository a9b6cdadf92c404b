"""The promises of the graph for TypeScript, with the real esbuild and npm: random workspaces, compared by bytes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from build.node_states import ALL_AT_ONCE, EDITS, GRAPHS, KINDS_OF, PACKAGES, SERVICES, Edit, Edited, State, lend, place
from build.outcomes import History, check_times_count_for_nothing, files_of, outcome, touched
from build.sites import Site, service, workspace
from hypothesis import example, given
from hypothesis import strategies as st
from samples import SOAKS, few_workspaces, patient

ALL = (*SERVICES, "bare")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An esbuild of ours, fetched once."""
    site = Site(tmp_path_factory.mktemp("tools"), workspace(service("one", "app.handler", "node")))
    site.write({"services/one/app.js": "exports.handler = () => 1;\n"})
    site.build()
    return site.cache / "v1/tools"


@patient
@few_workspaces
@given(graph=GRAPHS, kinds=KINDS_OF, edited=st.sampled_from(PACKAGES), mark=st.integers(1, 2))
def test_an_edit_of_a_shared_package_gives_other_bytes_to_exactly_those_who_reach_it(
    tools: Path, graph: dict[str, frozenset[str]], kinds: dict[str, str], edited: str, mark: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        one = Edited(Path(folder) / "w", State(graph, kinds), tools, environment)
        site = one.site
        before = site.build()
        assert not any(made.cached for made in before.values())
        one.state.knobs[edited, "source"] = mark
        changed = one.follow()
        dependants = {name for name in SERVICES if edited in one.state.reached(name)}
        assert changed == {f"{place(edited)}/src/index.ts"}
        assert set(site.builder().affected(site.workspace, changed, lambda _: None)) == dependants
        after = site.build()
        assert {unit for unit, made in after.items() if not made.cached} == dependants
        assert {unit for unit, made in after.items() if made.digest != before[unit].digest} == dependants


@patient
@few_workspaces
@example(
    graph={name: frozenset(PACKAGES[at + 1 :]) for at, name in enumerate((*SERVICES, "p0", "p1"))},
    kinds={"p0": "sources", "p1": "sources", "p2": "tsc at the root", "q0": "own script"},
    rounds=ALL_AT_ONCE,
)
@given(graph=GRAPHS, kinds=KINDS_OF, rounds=st.lists(EDITS, min_size=1, max_size=3 if SOAKS else 2))
def test_an_incremental_build_of_typescript_equals_a_clean_one(
    tools: Path,
    graph: dict[str, frozenset[str]],
    kinds: dict[str, str],
    rounds: list[list[Edit]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        edited = Edited(Path(folder) / "w", State(graph, kinds), tools, environment)
        site, history = edited.site, History()
        first = outcome(site)
        history.learn(first, edited.state)
        for number, edits in enumerate(rounds):
            before, lock = files_of(edited.state, ALL), edited.state.lock()
            edited.state.turn(edits)
            changed = edited.follow()
            told = set(site.builder().affected(site.workspace, changed, {"package-lock.json": lock}.get))
            assert touched(before, files_of(edited.state, ALL)) <= told
            incremental = outcome(site)
            history.learn(incremental, edited.state)
            # As a fresh checkout elsewhere: nothing is installed, and nothing is known.
            made = shutil.ignore_patterns(".penstock", "node_modules", "dist")
            copied = shutil.copytree(site.root, Path(folder) / f"clean-{number}", symlinks=True, ignore=made)
            clean = Site(copied, site.workspace)
            lend(clean, tools)
            assert incremental.told == outcome(clean).told
            check_times_count_for_nothing(site, edited.written, number, incremental)
        edited.state.knobs.clear()
        edited.follow()
        back = outcome(site)
        assert (back.told, back.fresh) == (first.told, set()), "as it was in the beginning"
