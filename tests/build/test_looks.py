"""What is remembered of a look at the sources is never stale, and a build that has nothing to do reads nothing else."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build.sites import HANDLER_PY, Heard, Later, Site, Wall, service, workspace
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SOAKS

from penstock.adapters import (
    builder_node_aliases,
    builder_node_outside,
    builder_node_parts,
    builder_node_plan,
    builder_node_scripts,
    builder_python_listed,
    builder_python_plan,
    builder_seen,
)
from penstock.adapters.builder import Builder
from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.builder_looks import Looks
from penstock.adapters.builder_node_machine import Machine
from penstock.adapters.builder_node_plan import NodePlanner
from penstock.adapters.builder_python_plan import PythonPlanner
from penstock.adapters.builder_units import Units
from penstock.build.units import units as units_of
from penstock.model.artifact import Artifact
from penstock.model.workspace import Package

if TYPE_CHECKING:
    from types import ModuleType

ROUNDS = 300 if SOAKS else 40
TICK = 0.011
"""Seconds after which a file system gives another time, at 100 ticks a second."""
LOCK = 'version = 1\n[[package]]\nname = "py"\nversion = "{}"\nsource = {{ virtual = "services/py" }}\n'
VARIANTS: dict[str, tuple[str, ...]] = {
    "services/py/app.py": ("A = 1\n", "A = 2\n"),
    "services/py/deep/data.txt": ("one", "two"),
    "services/py/requirements.txt": ("-e ../../packages/lib\n", "idna==3.10\n", "idna==3.11\n", "-c pins.txt\n"),
    "services/py/pins.txt": ("idna==3.10\n", "idna==3.11\n"),
    "services/py/pyproject.toml": (
        '[project]\nname = "py"\nversion = "1"\nreadme = "README.md"\n',
        '[project]\nname = "py"\nversion = "1"\ndependencies = ["idna"]\n',
    ),
    "services/py/README.md": ("read", "this"),
    "services/py/.env": ("ignored", "IGNORED"),
    "services/py/Pipfile.lock": ("{}",),
    "packages/lib/src/lib/__init__.py": ("B = 1\n", "B = 2\n"),
    "packages/lib/requirements.txt": ("-e ../other\n", "# none here\n"),
    "packages/other/other.py": ("C = 1\n", "C = 2\n"),
    "uv.lock": (LOCK.format(1), LOCK.format(2), "version = 9\n"),
    "services/uv.lock": ("version = 1\npackage = []\n",),
    "services/ts/src/app.ts": ('import "kit"; import "~/aside/x"', 'import "kit"; export let a  '),
    "services/ts/package.json": ('{"name": "ts"}', '{"name": "ts", "dependencies": {"kit": "*"}}', "{"),
    "services/ts/tsconfig.json": (
        '{"extends": "../../tsconfig.base.json"}',
        '{"compilerOptions": {"paths": {"~/*": ["../../aside/*"]}}}',
        '{"compilerOptions": {"baseUrl": "../..", "paths": {"~/x": ["aside"]}}}',
    ),
    "services/ts/dist/made.js": ("1", "2"),
    "packages/kit/package.json": (
        '{"name": "kit"}',
        '{"name": "kit", "main": "dist/index.js"}',
        '{"name": "kit", "scripts": {"build": "tsc"}}',
    ),
    "packages/kit/index.ts": ("1", "2"),
    "packages/kit/tsconfig.json": ('{"compilerOptions": {"outDir": "dist", "rootDir": "."}}', "{}"),
    "package.json": ('{"name": "root"}', '{"workspaces": ["services/*"]}'),
    "aside/package.json": ('{"main": "out/x.js"}', '{"main": "x.ts"}'),
    "aside/tsconfig.json": ('{"compilerOptions": {"outDir": "out"}}',),
    "packages/kit/dist/index.js": ("1", "2"),
    "aside/x.ts": ("1", "2"),
    "tsconfig.base.json": ("{}", '{"extends": "./further.json"}'),
    "further.json": ("{}", '{"compilerOptions": {}}'),
    "package-lock.json": ("{}", '{"lockfileVersion": 3}'),
    "services/ts/pnpm-lock.yaml": ("lockfileVersion: 9\n",),
    ".npmrc": ("a=1", "a=2"),
}
FIRST = {
    path: VARIANTS[path][0]
    for path in (
        "services/py/app.py", "services/py/requirements.txt", "packages/lib/src/lib/__init__.py", "package-lock.json",
        "services/ts/src/app.ts", "services/ts/package.json", "packages/kit/package.json", "packages/kit/index.ts",
    )
}  # fmt: skip
WRITES = st.sampled_from([(path, text) for path, texts in VARIANTS.items() for text in texts])
ODD = st.tuples(st.sampled_from(sorted(VARIANTS)), st.sampled_from(("delete", "folder", "executable", "link", "touch")))
EDITS = st.lists(st.one_of(WRITES, WRITES, ODD), min_size=1, max_size=3)
BOTH = workspace(
    service("py", "app.handler"),
    service("ts", "src/app.handler", "node"),
    packages=(
        Package(name="lib", path="packages/lib", language="python"),
        Package(name="kit", path="packages/kit", language="node"),
    ),
)


def edit(path: Path, how: str) -> None:
    """One change of a file, whatever lies there now."""
    if how in {"executable", "touch"}:
        if path.is_file():
            path.chmod(0o755) if how == "executable" else os.utime(path, (7, 7))
        return
    for above in path.parents:
        if above.is_file():
            above.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if how == "delete":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to(next(above for above in path.parents if (above / "linked").exists()) / "linked")
    else:
        path.write_text(how)


class Looked:
    """Looks at a workspace, once with a memory and once without."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.selected = units_of(site.workspace)

    def units(self, cache: Path) -> Units:
        files = SourceFiles(self.site.root, cache / "files.json", Later())
        machine = Machine(self.site.root, self.site.commands, files)
        planners = PythonPlanner(self.site.root, files), NodePlanner(self.site.root, files, machine)
        looks = Looks(self.site.root, ZipCache(cache, files), Later())
        return Units(files, looks, Later(), planners, lambda *_: {"tool": "1"}, cache)

    def remembered(self) -> dict[str, str]:
        """Recipes of what is said to be unchanged; then everything is looked at and remembered."""
        units = self.units(self.site.cache)
        units.begin(self.site.workspace)
        known = {one.name: units.unchanged(one, self.site.targets[one.name]) for one in self.selected}
        prepared, _ = units.prepare(self.site.workspace, self.selected, self.site.targets)
        made = {one.unit.name: self.artifact(one.unit.name, one.digest) for one in prepared}
        units.learn(prepared, made, {one.name for one in self.selected})
        return {name: found[0] for name, found in known.items() if found is not None}

    def planned(self) -> dict[str, str]:
        """Recipes by somebody who remembers nothing."""
        with tempfile.TemporaryDirectory() as cache:
            prepared, _ = self.units(Path(cache)).prepare(self.site.workspace, self.selected, self.site.targets)
        return {one.unit.name: one.digest for one in prepared}

    def artifact(self, unit: str, recipe: str) -> Artifact:
        target = self.site.targets[unit]
        return Artifact(
            unit=unit, digest="", recipe=recipe, target=target, size=0, unzipped=0, path="", functions=(), cached=False
        )


@settings(max_examples=ROUNDS)
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_what_is_said_to_be_unchanged_is_what_a_fresh_look_finds(rounds: list[list[tuple[str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder).resolve() / "w", BOTH)
        site.write({**FIRST, "linked": "elsewhere"})
        looked = Looked(site)
        looked.remembered()
        assert looked.remembered() == looked.planned(), "nothing changed, and nothing was remembered"
        for edits in rounds:
            time.sleep(TICK)
            for path, how in edits:
                edit(site.root / path, how)
            planned = looked.planned()
            for unit, recipe in looked.remembered().items():
                assert recipe == planned.get(unit), unit


@pytest.mark.parametrize(
    "module",
    [
        builder_node_aliases,
        builder_node_outside,
        builder_node_parts,
        builder_node_plan,
        builder_node_scripts,
        builder_python_plan,
        builder_python_listed,
    ],
)
def test_planners_touch_files_only_where_it_is_noted(module: ModuleType) -> None:
    source = inspect.getsource(module)
    for call in (
        ".is_file(",
        ".is_dir(",
        ".exists(",
        ".stat(",
        "read_text(",
        "read_bytes(",
        "open(",
        "glob(",
        "iterdir(",
    ):
        assert call not in source, call
    for call in ("os.stat", "os.scandir", "os.walk", "os.listdir", "isfile", "isdir", "realpath", "resolve()"):
        assert call not in source, call


@pytest.fixture
def settled(tmp_path: Path) -> Site:
    """A service that was built, and its looks kept."""
    site = Site(tmp_path / "w", workspace(service("one", "app.handler"), service("two", "app.handler")))
    site.clock = Later()
    site.write(dict.fromkeys(("services/one/app.py", "services/two/app.py"), HANDLER_PY))
    site.build()
    site.build()
    return site


def test_a_build_with_nothing_to_do_needs_neither_digests_nor_records(settled: Site) -> None:
    before = settled.build()
    (settled.cache / "v1/files.json").unlink()
    shutil.rmtree(settled.cache / "v1/index/artifact")
    after = settled.build()
    assert {unit: made.digest for unit, made in after.items()} == {unit: made.digest for unit, made in before.items()}
    assert all(made.cached for made in after.values())
    assert not (settled.cache / "v1/files.json").exists()


def test_an_artifact_that_was_tampered_with_is_noticed_at_once(settled: Site) -> None:
    (one, _) = settled.build().values()
    content = bytearray(Path(one.path).read_bytes())
    content[40] ^= 1
    time.sleep(TICK)
    Path(one.path).write_bytes(content)
    os.utime(one.path, (7, 7))
    assert settled.build()["one"].digest == one.digest
    assert Path(one.path).read_bytes() != content
    Path(one.sbom).unlink()
    assert not settled.build()["one"].cached


def test_a_memory_that_is_broken_costs_time_only(settled: Site) -> None:
    memory = settled.cache / "v1/index/looks/looks"
    whole, before = memory.read_bytes(), settled.build()
    for broken in (b"", whole[:-20], whole.replace(b'"seen"', b'"sewn"'), b"\0" * 100):
        memory.write_bytes(broken)
        after = settled.build()
        assert {one.digest for one in after.values()} == {one.digest for one in before.values()}
    assert remembered(memory.read_bytes()) == remembered(whole), "learnt again"


def remembered(memory: bytes) -> dict[str, Any]:
    """What it says, but for when it is to be noted next that a ZIP is in use."""
    content: dict[str, Any] = json.loads(memory.partition(b"\n")[2])
    return {**content, "zips": {recipe: known[:-1] for recipe, known in content["zips"].items()}}


def test_a_build_from_nothing_forgets_what_was_seen(settled: Site) -> None:
    builder = settled.builder()
    builder.forget()
    assert not any(made.cached for made in builder.build(settled.workspace, None, settled.targets))


def test_other_handlers_targets_and_options_are_not_taken_for_those_that_were_seen(settled: Site) -> None:
    before = settled.build()["one"].recipe
    settled.versions["python"] = "3.12"
    assert settled.build()["one"].recipe != before
    settled.versions["python"] = "3.11"
    assert settled.build()["one"].cached, "each target is remembered"
    settled.write({"services/one/other.py": HANDLER_PY})
    settled.workspace = workspace(service("one", "other.handler"), service("two", "app.handler"))
    assert settled.build()["one"].recipe != before


def test_a_file_that_may_change_again_without_a_trace_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    found = builder_seen.state(str(path))
    seen = builder_seen.Seen(paths={"file": found})
    status = path.stat()
    assert not builder_seen.is_sure(seen, status.st_mtime + 0.05)
    assert builder_seen.is_sure(seen, status.st_mtime + 5)
    assert not builder_seen.is_settled(8_000_000_000, 8_000_000_000, 9.5), "a clock of whole seconds"
    assert builder_seen.is_settled(8_000_000_001, 8_000_000_001, 9.5)


def test_two_builds_at_different_moments_do_not_believe_each_others_unfinished_looks(settled: Site) -> None:
    settled.write({"packages/shared/src/shared/__init__.py": "X = 1\n"})
    for name in ("one", "two"):
        settled.write({f"services/{name}/requirements.txt": "-e ../../packages/shared\n"})
    settled.build()
    time.sleep(TICK)
    settled.write({"packages/shared/src/shared/__init__.py": "X = 2\n"})
    first = settled.build("one")["one"]
    assert not first.cached
    second = settled.build()["two"]
    assert not second.cached, "what the other saw of the shared package is not what this one was built from"
    fresh = Builder(settled.root, settled.commands, settled.root / ".penstock/fresh", Heard(), Wall())
    assert second.digest == fresh.build(settled.workspace, ["two"], settled.targets)[0].digest
