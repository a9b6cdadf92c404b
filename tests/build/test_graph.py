"""The graph holds: random workspaces, edited at random; why a service is built, and what a cache survives."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from build.sites import Site, service, workspace
from disks import read_only
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SOAKS

from penstock.build.changes import InputChange, between
from penstock.model.errors import BuildFailed

HANDLER = "def handler(e, c): return {}\n"
SERVICES, PACKAGES = ("s0", "s1", "s2", "s3"), ("p0", "p1", "p2")
GRAPHS = st.fixed_dictionaries(
    {name: st.frozensets(st.sampled_from(PACKAGES)) for name in SERVICES}
    # Packages reach only those after them, so that there is no cycle.
    | {name: st.frozensets(st.sampled_from(PACKAGES[at + 1 :])) for at, name in enumerate(PACKAGES[:-1])}
)
ROUNDS = 100 if SOAKS else 8
SOURCE = "packages/{0}/src/{0}/__init__.py"


def place(name: str) -> str:
    return f"services/{name}" if name in SERVICES else f"packages/{name}"


def small(root: Path, graph: dict[str, frozenset[str]]) -> Site:
    site = Site(root, workspace(*(service(name, "app.handler") for name in SERVICES)))
    site.write({f"services/{name}/app.py": HANDLER.format(name) for name in SERVICES})
    site.write({SOURCE.format(name): "X = 1\n" for name in PACKAGES})
    for name, used in graph.items():
        lines = "".join(f"-e ../../packages/{one}\n" for one in sorted(used))
        site.write({f"{place(name)}/requirements.txt": lines})
    return site


def reached(graph: dict[str, frozenset[str]], name: str) -> frozenset[str]:
    direct = graph.get(name, frozenset())
    return direct.union(*(reached(graph, one) for one in direct))


def fresh(site: Site) -> set[str]:
    return {unit for unit, made in site.build().items() if not made.cached}


@settings(max_examples=ROUNDS)
@given(GRAPHS, st.sampled_from(PACKAGES), st.integers(2, 9))
def test_an_edit_of_a_shared_package_rebuilds_exactly_those_who_reach_it(
    graph: dict[str, frozenset[str]], edited: str, value: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = small(Path(folder), graph)
        assert fresh(site) == set(SERVICES)
        for path in Path(folder).rglob("*.py"):
            os.utime(path, (value, value))
        assert fresh(site) == set(), "times alone"
        site.write({SOURCE.format(edited): f"X = {value}\n"})
        dependants = {name for name in SERVICES if edited in reached(graph, name)}
        touched = site.builder().affected(site.workspace, [SOURCE.format(edited)], lambda _: None)
        assert set(touched) == dependants
        stale = {one.unit for one in site.builder().why(site.workspace, SERVICES, site.targets) if one.state == "stale"}
        assert stale == dependants
        assert fresh(site) == dependants
        assert fresh(site) == set()


@pytest.fixture
def plain(tmp_path: Path) -> Site:
    return small(tmp_path / "w", {"s0": frozenset({"p0"})})


def test_why_names_the_inputs_and_remembers_them_after_the_build(plain: Site) -> None:
    def told() -> tuple[str, list[tuple[str, str]]]:
        (reason,) = plain.builder().why(plain.workspace, ("s0",), plain.targets)
        return reason.state, [(one.what, one.input) for one in reason.changes]

    assert told() == ("never", [])
    plain.build()
    assert told() == ("current", [])
    plain.write({SOURCE.format("p0"): "X = 2\n", "services/s0/more.py": ""})
    changed = [("changed", "package packages/p0: src/p0/__init__.py"), ("added", "source more.py")]
    assert told() == ("stale", changed)
    plain.build()
    assert told() == ("current", changed)


@pytest.fixture
def listed(tmp_path: Path) -> Site:
    """One service of a requirements.txt that takes its constraints from the workspace."""
    site = small(tmp_path / "w", {})
    site.write(
        {
            "services/s0/requirements.txt": "-r ../../base.txt\n-c ../../constraints.txt\nidna==3.10\nattrs\n",
            "base.txt": "-e packages/p0\n",
            "constraints.txt": "attrs==25.3.0 --hash=sha256:aa\n",
        }
    )
    return site


def test_every_file_that_a_listing_is_made_of_touches_its_service(listed: Site) -> None:
    for path in ("services/s0/requirements.txt", "base.txt", "constraints.txt"):
        assert set(listed.builder().affected(listed.workspace, [path], lambda _: None)) == {"s0"}, path


def test_of_a_listing_the_requirements_count_and_not_where_they_stand(listed: Site) -> None:
    before = listed.recipes()["s0"]
    assert {name for name in before.inputs if name.startswith("lock ")} == {
        "lock idna 3.10",
        "lock attrs",
        "lock constraint attrs 25.3.0",
        "lock options",
    }
    listed.write(
        {
            "services/s0/requirements.txt": (
                "# ours\n\n-c ../../constraints.txt\n-r ../../base.txt\nattrs\nidna==3.10  # via us\n"
            )
        }
    )
    # Without a build backend it is shipped as well, and so one of the sources.
    changed = between(before.inputs, listed.recipes()["s0"].inputs)
    assert changed == (InputChange(input="source requirements.txt", what="changed"),)
    before = listed.recipes()["s0"]
    listed.write({"constraints.txt": "attrs==25.3.0 --hash=sha256:bb\n"})
    changed = between(before.inputs, listed.recipes()["s0"].inputs)
    assert changed == (InputChange(input="lock constraint attrs 25.3.0", what="changed"),)
    listed.write({"constraints.txt": "attrs==25.4.0 --hash=sha256:bb\n"})
    changed = between(before.inputs, listed.recipes()["s0"].inputs)
    assert changed == (InputChange(input="lock constraint attrs", what="changed", before="25.3.0", now="25.4.0"),)


def test_a_recipe_of_a_listing_with_archives_is_the_same_in_every_clone(listed: Site, tmp_path: Path) -> None:
    listed.write({"wheels/own-1-py3-none-any.whl": "x"})
    listed.write({"services/s0/requirements.txt": "../../wheels/own-1-py3-none-any.whl\n--find-links ../../wheels\n"})
    clone = Site(shutil.copytree(listed.root, tmp_path / "elsewhere"), listed.workspace)
    assert clone.recipes()["s0"].digest == listed.recipes()["s0"].digest


def test_a_zip_is_compared_with_the_one_before_for_the_same_target(plain: Site) -> None:
    def delta(architecture: Literal["arm64", "x86_64"]) -> int | None:
        targets = {unit: replace(target, architecture=architecture) for unit, target in plain.targets.items()}
        (made,) = plain.builder().build(plain.workspace, ("s0",), targets)
        return made.delta

    plain.build("s0")
    assert delta("arm64") is None, "the first for that one"
    plain.write({"services/s0/app.py": HANDLER + "".join(f"word_{number} = {number}\n" for number in range(99))})
    grown = delta("x86_64")
    assert grown is not None
    assert grown > 0
    assert delta("arm64") == delta("x86_64") == grown


def test_a_flipped_byte_and_a_cut_zip_are_noticed_and_built_again(plain: Site) -> None:
    before = plain.build()
    flipped, cut = Path(before["s0"].path), Path(before["s1"].path)
    raw = bytearray(flipped.read_bytes())
    raw[40] ^= 1
    flipped.write_bytes(raw)
    cut.write_bytes(cut.read_bytes()[:-1])
    after = plain.build()
    assert {unit: made.digest for unit, made in after.items()} == {unit: made.digest for unit, made in before.items()}
    assert not after["s0"].cached


def test_a_record_that_lies_is_not_believed(plain: Site) -> None:
    before = plain.build()
    record = plain.cache / "v1/index/artifact" / f"{before['s0'].recipe}.json"
    record.write_text(record.read_text().replace(before["s0"].digest, "0" * 64))
    assert plain.build()["s0"].digest == before["s0"].digest


def test_the_record_of_another_unit_is_not_believed(plain: Site) -> None:
    before = plain.build()
    records = plain.cache / "v1/index/artifact"
    shutil.copyfile(records / f"{before['s1'].recipe}.json", records / f"{before['s0'].recipe}.json")
    after = plain.build()["s0"]
    assert (after.digest, after.cached) == (before["s0"].digest, False)


def test_an_sbom_that_was_changed_is_written_again(plain: Site) -> None:
    before = plain.build()
    sbom = Path(before["s0"].sbom)
    whole = sbom.read_text()
    for wrong in ("{}", whole.replace("CycloneDX", "CycloneDY"), whole[:-1], ""):
        sbom.write_text(wrong)
        after = plain.build()
        assert (after["s0"].digest, after["s0"].cached) == (before["s0"].digest, False)
        assert sbom.read_text() == whole
    assert plain.build()["s0"].cached


def test_what_is_cached_needs_no_cache_that_can_be_written(plain: Site) -> None:
    plain.build()
    with read_only(plain.cache):
        assert fresh(plain) == set()
        plain.write({"services/s0/app.py": HANDLER + "x = 1\n"})
        with pytest.raises(BuildFailed, match="cannot write to the build cache"):
            plain.build()
