"""Who made it counts: what one Penstock kept is nothing to another one that would make, or refuse, other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from build.sites import Wall

import penstock
from penstock.adapters import builder_node, builder_python
from penstock.adapters.builder_files import SourceFiles
from penstock.build import python

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from build.sites import Site

    from penstock.model.artifact import Artifact

GOLDEN = {
    "python 6": {"users": "ff680f5bae1fef492e4f8a60b23afb12c4a6a8e46c64160986f960fc76651817"},
    "node 8": {
        "catalog": "86545433b13c6d6bdc6538f184fb73c9ea01a3ecb24a2f18729a1570b160ef6e",
        "legacy-api": "46f8a3d9884cb01abf9c9d02334a3e447032acdbd013ddb5d87d4f04470377db",
    },
}
"""SHA-256 of small artifacts by who made them: language and BUILDER. Old lines may go."""


def check(site: Site, builder: str, made: dict[str, Artifact]) -> None:
    inputs = next(iter(site.recipes().values())).inputs
    tools = {name: value for name, value in inputs.items() if name.startswith("tool ")}
    assert {name: artifact.digest for name, artifact in made.items()} == GOLDEN.get(builder), (
        f"these are not the bytes of {builder}. Raise BUILDER beside the builder, so that nobody takes what the code "
        "before it kept, and put the digests here. Only the digests when a tool is another one, which recipes tell by "
        f"themselves: {tools}"
    )


def test_the_bytes_of_a_python_artifact_change_only_with_the_builder(site: Site) -> None:
    check(site, f"python {builder_python.BUILDER}", site.build("users"))


def test_the_bytes_of_node_artifacts_change_only_with_the_builder(node_site: Site) -> None:
    check(node_site, f"node {builder_node.BUILDER}", node_site.build("catalog", "legacy-api"))


def test_what_an_older_penstock_let_pass_is_built_and_proved_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not site.build("orders")["orders"].cached
    assert site.build("orders")["orders"].cached
    monkeypatch.setattr(penstock, "__version__", "99.0")
    (reason,) = site.builder().why(site.workspace, ("orders",), site.targets)
    assert [one.input for one in reason.changes] == ["tool penstock"]
    again = site.build("orders")["orders"]
    assert not again.cached
    assert again.delta == 0, "what was built before is remembered all the same"


def test_nothing_that_an_older_penstock_found_out_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, manifest = tmp_path / "files.json", tmp_path / "pyproject.toml"
    manifest.write_text("")
    key = python.key("export", {"lock": "abc"})

    def found(fact: str) -> tuple[str, object]:
        files = SourceFiles(tmp_path, memory, Wall())
        before = files.recall("built users")
        answer = files.fact("pyproject", manifest, lambda: fact)
        files.remember("built users", "by hand")
        files.save()
        return answer, before

    assert found("a fact") == ("a fact", None)
    assert found("another") == ("a fact", "by hand")
    monkeypatch.setattr(penstock, "__version__", "99.0")
    assert found("another") == ("another", "by hand"), "what was told is kept"
    assert python.key("export", {"lock": "abc"}) != key
