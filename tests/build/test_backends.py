"""Packages are made by the same version of their build backend on every day, built with the real uv."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace

from penstock.adapters.commands import RealCommands
from penstock.build import backends
from penstock.model.errors import BuildFailed
from penstock.model.events import Note

if TYPE_CHECKING:
    from pathlib import Path

OLD = "1.24.2"
"""Of hatchling: the last that writes Metadata-Version 2.3."""


@pytest.fixture
def hatched(tmp_path: Path) -> Site:
    """A service that hatchling makes a package of, of whichever version."""
    site = Site(tmp_path / "w", workspace(service("app", "app.main.handler")))
    site.write(
        {
            "services/app/pyproject.toml": (
                '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
                '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            ),
            "services/app/src/app/__init__.py": "",
            "services/app/src/app/main.py": "def handler(event, context):\n    return 'ok'\n",
        }
    )
    site.uv_lock("services/app")
    return site


def hold(monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    monkeypatch.setattr(backends, "VERSIONS", {**backends.VERSIONS, "hatchling": versions})


def metadata_version(site: Site, package: str = "app-1") -> str:
    with zipfile.ZipFile(site.build()["app"].path) as archive:
        return archive.read(f"{package}.dist-info/METADATA").decode().splitlines()[0].partition(": ")[2]


def warnings(site: Site) -> list[str]:
    return [event.text for event in site.heard.events if isinstance(event, Note) and event.level == "warning"]


def test_a_backend_without_a_version_is_one_that_we_list_and_its_version_is_in_the_recipe(
    hatched: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = metadata_version(hatched)
    recipe = hatched.recipes()["app"].digest
    hold(monkeypatch, OLD)
    assert hatched.recipes()["app"].digest != recipe
    assert metadata_version(hatched) == "2.3" != newer
    assert not warnings(hatched)


def test_a_backend_that_is_pinned_stands_as_it_is(hatched: Site) -> None:
    manifest = hatched.root / "services/app/pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"hatchling"', f'"hatchling=={OLD}"'))
    assert metadata_version(hatched) == "2.3"
    assert not warnings(hatched)


def test_an_index_without_the_listed_version_gives_another_and_a_warning(
    hatched: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, "1.24.99")
    assert metadata_version(hatched) != ""
    (told,) = warnings(hatched)
    assert told.startswith("services/app: built by the newest hatchling of today")
    assert "pin it with == in [build-system]" in told


def test_settings_of_uv_in_the_workspace_hold_for_backends_as_well(hatched: Site) -> None:
    (hatched.root / "uv.toml").write_text('index-url = "http://127.0.0.1:9/simple"\n')
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        hatched.build()


def test_data_that_only_git_speaks_of_ships_as_it_does_from_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "w", workspace(service("app", "app.handler")))
    manifest = (
        '[project]\nname = "one"\nversion = "1"\n[tool.setuptools.packages.find]\nwhere = ["src"]\n'
        '[build-system]\nrequires = ["setuptools>=64", "setuptools-scm>=8"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    site.write(
        {
            "services/app/app.py": "def handler(event, context): ...\n",
            "services/app/requirements.txt": "-e ../../packages/one\n",
            "packages/one/pyproject.toml": manifest,
            "packages/one/src/one/__init__.py": "",
            "packages/one/src/one/data.json": "{}",
        }
    )
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    # As in a hook of git's.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / ".git/index"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/git").mkdir(parents=True)
    (tmp_path / "config/git/ignore").write_text("data.json\n")
    first = site.build()["app"]
    with zipfile.ZipFile(first.path) as archive:
        assert "one/data.json" in archive.namelist()
    assert not (tmp_path / ".git/index").exists(), "the person's own repository is left alone"
    shutil.rmtree(site.cache)
    assert site.build()["app"].digest == first.digest


def test_without_git_a_backend_that_asks_it_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("app", "app.handler")))
    manifest = '[project]\nname = "app"\nversion = "1"\n[build-system]\nrequires = ["setuptools-scm"]\n'
    site.write({"services/app/app.py": "def handler(event, context): ...\n", "services/app/pyproject.toml": manifest})
    site.commands = WithoutGit()
    with pytest.raises(BuildFailed, match="ships what git tracks, and git is not on this machine"):
        site.build()


class WithoutGit(RealCommands):
    def find(self, program: str) -> Path | None:
        return None if program == "git" else super().find(program)


@pytest.fixture
def archived(tmp_path: Path) -> Site:
    """A service with a package that there is no wheel of, and that hatchling builds."""
    return packed(Site(tmp_path / "w", workspace(service("app", "app.handler"))), "hatchling")


def packed(site: Site, requires: str) -> Site:
    """The same site, whose package is built by that."""
    site.write(
        {"services/app/requirements.txt": "./pure-1.0.tar.gz\n", "services/app/app.py": "def handler(e, c): ...\n"}
    )
    files = {
        "pyproject.toml": (
            '[project]\nname = "pure"\nversion = "1.0"\n'
            f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "hatchling.build"\n'
        ),
        "pure.py": "",
        "PKG-INFO": "Metadata-Version: 2.1\nName: pure\nVersion: 1.0\n",
    }
    with tarfile.open(site.root / "services/app/pure-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"pure-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return site


def test_a_source_archive_is_built_by_the_listed_backend_whatever_uv_has_kept_of_it(
    archived: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = metadata_version(archived, "pure-1.0")
    hold(monkeypatch, OLD)
    assert metadata_version(archived, "pure-1.0") == "2.3" != newer
    assert not warnings(archived)


def test_a_source_archive_that_asks_for_an_older_backend_gets_the_newest_listed_one_that_fits(
    archived: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, *backends.VERSIONS["hatchling"], OLD)
    assert metadata_version(packed(archived, "hatchling<1.25"), "pure-1.0") == "2.3"
    assert not warnings(archived)


def test_a_source_archive_that_asks_for_a_backend_that_is_not_listed_gets_it_with_a_warning(archived: Site) -> None:
    assert metadata_version(packed(archived, f"hatchling=={OLD}"), "pure-1.0") == "2.3"
    (told,) = warnings(archived)
    assert told.startswith("pure: built from its sources by the newest backend of today")
