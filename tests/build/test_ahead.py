"""Shared packages, and what uv makes itself, are made ahead of the services that need them.

Once and by one call, with the same bytes as alone; also when one of them cannot be made.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import COMMON, UV_ROOT, Site, python_service, service, workspace

from penstock.adapters.builder_python_wheels import Wheels
from penstock.adapters.commands import RealCommands
from penstock.model.errors import BuildsFailed
from penstock.model.workspace import Package

if TYPE_CHECKING:
    from penstock.ports import Command, CommandResult

NAMES = ("a", "b", "c", "d")


class Building(RealCommands):
    """Keeps in which folders build backends were started, and how often for many packages at once."""

    def __init__(self) -> None:
        super().__init__()
        self.packages: list[str] = []
        self.together = 0

    def run(self, command: Command) -> CommandResult:
        if command.argv[1:2] == ("build",) and command.cwd is not None:
            if "--all-packages" in command.argv:
                self.together += 1
            else:
                self.packages.append(command.cwd.name)
        return super().run(command)


def site_in(root: Path) -> Site:
    """Four services of one shared package, each a package itself."""
    package = Package(name="common", path="packages/common", language="python")
    site = Site(root, workspace(*(service(name, f"{name}.app.handler") for name in NAMES), packages=(package,)))
    site.write(COMMON | {"pyproject.toml": UV_ROOT})
    for name in NAMES:
        site.write(python_service(name, "common"))
    site.uv_lock()
    site.commands = Building()
    return site


@pytest.fixture
def shared(tmp_path: Path) -> Site:
    return site_in(tmp_path)


def started(site: Site) -> tuple[int, list[str]]:
    """How often uv was asked for many packages, and the folders that it was asked for alone."""
    assert isinstance(site.commands, Building)
    return site.commands.together, sorted(site.commands.packages)


def digests(site: Site) -> dict[str, str]:
    return {name: artifact.digest for name, artifact in site.build().items()}


def test_one_call_of_uv_makes_all_that_it_makes_itself_with_the_bytes_of_a_call_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, alone = site_in(tmp_path / "together"), site_in(tmp_path / "alone")
    made = digests(together)
    assert started(together) == (1, [])
    with monkeypatch.context() as patch:
        patch.setattr(Wheels, "_is_held", lambda *_: False)
        assert digests(alone) == made
    assert started(alone) == (0, sorted((*NAMES, "common")))


def test_so_are_those_of_a_version_of_that_backend_that_is_not_the_uvs(shared: Site) -> None:
    for manifest in shared.root.glob("*/*/pyproject.toml"):
        manifest.write_text(manifest.read_text().replace("uv_build>=0.9,<1", "uv_build>=0.8.17,<0.9.0"))
    made = digests(shared)  # by then that version is in uv's cache, which is all that the call for many looks into
    shared.commands = Building()
    shared.builder().forget()
    assert digests(shared) == made
    assert started(shared) == (1, [])


def test_what_changed_alone_is_made_alone(shared: Site) -> None:
    shared.build()
    shared.write({"services/b/src/b/more.py": "MORE = 1\n"})
    shared.build()
    assert started(shared) == (1, ["b"])


def test_packages_of_one_name_and_those_with_settings_of_uvs_own_are_made_apart(shared: Site) -> None:
    for name in NAMES[:2]:  # projects of their own, as alike as copies of a template
        manifest = shared.root / f"services/{name}/pyproject.toml"
        text = manifest.read_text().replace(f'name = "{name}"', 'name = "service"', 1).replace('"common"', "")
        manifest.write_text(text.replace("common = { workspace = true }\n", ""))
    root = shared.root / "pyproject.toml"
    root.write_text(root.read_text() + 'exclude = ["services/a", "services/b"]\n')
    for name in NAMES[:2]:
        shared.uv_lock(f"services/{name}")
    settings = shared.root / "services/d/uv.toml"
    settings.write_text('no-binary-package = ["none"]\n')
    shared.uv_lock()
    assert shared.build().keys() == {*NAMES}
    assert started(shared) == (1, ["b", "d"])


def test_one_that_cannot_be_made_is_tried_as_often_as_for_one_service_and_fails_all(shared: Site) -> None:
    manifest = shared.root / "packages/common/pyproject.toml"
    manifest.write_text(manifest.read_text() + '[tool.uv.build-backend]\nmodule-name = "missing"\n')
    with pytest.raises(BuildsFailed):
        shared.build("a")
    _, before = started(shared)
    alone = before.count("common")
    assert alone > 0
    with pytest.raises(BuildsFailed) as failed:
        shared.build()
    together, now = started(shared)
    assert now.count("common") == 2 * alone
    assert together > 0, "nothing of that was used"
    (told,) = failed.value.failures
    assert told.names == NAMES
    assert "the build backend of common failed" in told.what


def test_one_service_that_cannot_be_made_leaves_the_others_as_they_are(shared: Site) -> None:
    manifest = shared.root / "services/c/pyproject.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace('module-name = "c"', 'module-name = "missing"'))
    with pytest.raises(BuildsFailed) as failed:
        shared.build()
    assert {artifact.unit for artifact in failed.value.made} == {"a", "b", "d"}
    (told,) = failed.value.failures
    assert told.names == ("c",)
    assert (told.where, "the build backend of c failed" in told.what) == ("services/c/pyproject.toml", True)


def test_a_fault_that_is_none_of_the_backends_is_told_of_the_one_that_has_it(shared: Site) -> None:
    shared.write({"services/a/src/a/odd\u00a0name.txt": "refused in a ZIP\n"})
    with pytest.raises(BuildsFailed) as failed:
        shared.build()
    assert {artifact.unit for artifact in failed.value.made} == {"b", "c", "d"}
    (told,) = failed.value.failures
    assert (told.names, "may not be named" in told.what) == (("a",), True)


def test_shared_packages_built_by_name_are_made_by_one_call(shared: Site) -> None:
    shared.write({path.replace("common", "more"): text.replace("common", "more") for path, text in COMMON.items()})
    shared.uv_lock()
    packages = (*shared.workspace.packages, Package(name="more", path="packages/more", language="python"))
    builder = shared.builder()
    assert builder.build_packages(replace(shared.workspace, packages=packages)) == ("common", "more")
    assert started(shared) == (1, [])


def test_one_that_wants_a_uv_of_its_own_is_made_alone(shared: Site) -> None:
    manifest = shared.root / "services/a/pyproject.toml"
    wanted = '[tool.uv]\nrequired-version = ">=0.1"\n[tool.uv.sources]'
    manifest.write_text(manifest.read_text().replace("[tool.uv.sources]", wanted))
    assert shared.build().keys() == {*NAMES}
    assert started(shared) == (1, ["a"])


def test_a_cache_that_somebody_deletes_between_two_builds_of_one_process_is_made_anew(shared: Site) -> None:
    builder = shared.builder()
    before = builder.build(shared.workspace, None, shared.targets)
    shutil.rmtree(shared.cache)
    after = builder.build(shared.workspace, None, shared.targets)
    assert [one.digest for one in after] == [one.digest for one in before]
    assert all(Path(one.path).exists() for one in after)
    assert [*(shared.cache / "v1" / "tmp").iterdir()] == []


def test_what_could_not_be_made_is_asked_for_again_by_the_next_build(shared: Site) -> None:
    source = shared.root / "packages/common/src/common"
    aside = source.rename(source.with_name("aside"))
    builder = shared.builder()
    with pytest.raises(BuildsFailed):
        builder.build(shared.workspace, None, shared.targets)
    aside.rename(source)
    assert len(builder.build(shared.workspace, None, shared.targets)) == len(NAMES)
