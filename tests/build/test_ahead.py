"""Shared packages are made ahead of the services that need them: once, also when they cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.sites import COMMON, UV_ROOT, Site, python_service, service, workspace

from penstock.adapters.commands import RealCommands
from penstock.model.errors import BuildsFailed
from penstock.model.workspace import Package

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.ports import Command, CommandResult

NAMES = ("a", "b", "c", "d")


class Building(RealCommands):
    """Keeps which folders build backends were started for."""

    def __init__(self) -> None:
        super().__init__()
        self.packages: list[str] = []

    def run(self, command: Command) -> CommandResult:
        if command.argv[1:2] == ("build",) and command.cwd is not None:
            self.packages.append(command.cwd.name)
        return super().run(command)


@pytest.fixture
def shared(tmp_path: Path) -> Site:
    """Four services of one shared package."""
    package = Package(name="common", path="packages/common", language="python")
    site = Site(tmp_path, workspace(*(service(name, f"{name}.app.handler") for name in NAMES), packages=(package,)))
    site.write(COMMON | {"pyproject.toml": UV_ROOT})
    for name in NAMES:
        site.write(python_service(name, "common"))
    site.uv_lock()
    site.commands = Building()
    return site


def started(site: Site) -> list[str]:
    assert isinstance(site.commands, Building)
    return site.commands.packages


def test_a_shared_package_is_made_once_for_all_who_need_it(shared: Site) -> None:
    assert set(shared.build()) == set(NAMES)
    assert sorted(started(shared)) == sorted((*NAMES, "common"))


def test_one_that_cannot_be_made_is_tried_as_often_as_for_one_service_and_fails_all(shared: Site) -> None:
    manifest = shared.root / "packages/common/pyproject.toml"
    manifest.write_text(manifest.read_text() + '[tool.uv.build-backend]\nmodule-name = "missing"\n')
    with pytest.raises(BuildsFailed):
        shared.build("a")
    alone = started(shared).count("common")
    assert alone > 0
    started(shared).clear()
    with pytest.raises(BuildsFailed) as failed:
        shared.build()
    assert started(shared).count("common") == alone
    (told,) = failed.value.failures
    assert told.names == NAMES
    assert "the build backend of common failed" in told.what


def test_what_could_not_be_made_is_asked_for_again_by_the_next_build(shared: Site) -> None:
    source = shared.root / "packages/common/src/common"
    aside = source.rename(source.with_name("aside"))
    builder = shared.builder()
    with pytest.raises(BuildsFailed):
        builder.build(shared.workspace, None, shared.targets)
    aside.rename(source)
    assert len(builder.build(shared.workspace, None, shared.targets)) == len(NAMES)
