"""Settings of uv's that decide what is installed are part of the recipe, or do not count."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace

from penstock.adapters.builder_python_parts import settings_files
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

OVERRIDE = '[tool.uv]\noverride-dependencies = ["idna==3.9"]\n'


@pytest.fixture
def plain(tmp_path: Path) -> Site:
    """A service with one pinned requirement."""
    site = Site(tmp_path / "w", workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/requirements.txt": "idna==3.10\n"})
    return site


def recipe(site: Site) -> str:
    return site.recipes()["plain"].digest


def idna(site: Site) -> list[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return [name for name in archive.namelist() if name.startswith("idna-") and name.endswith("METADATA")]


def test_a_version_that_uv_was_told_to_take_instead_of_the_pinned_one_is_refused(plain: Site) -> None:
    plain.write({"pyproject.toml": OVERRIDE})
    with pytest.raises(BuildFailed) as caught:
        plain.build()
    assert "uv takes idna 3.9, and it is pinned to 3.10" in str(caught.value)
    plain.write({"pyproject.toml": "[tool.ruff]\n"})
    assert idna(plain) == ["idna-3.10.dist-info/METADATA"]


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[tool.uv]\nexclude-newer = "2026-01-31T00:00:00Z"\n'},
        {"services/uv.toml": "no-binary = false\n"},
    ],
)
def test_settings_above_a_service_are_part_of_its_recipe_and_reach(plain: Site, files: dict[str, str]) -> None:
    before = recipe(plain)
    assert plain.recipes()["plain"].digest == before
    plain.write(files)
    assert recipe(plain) != before
    assert set(files) <= set(settings_files("services/plain"))  # what `affected` looks at
    for path in files:
        (plain.root / path).unlink()
    assert recipe(plain) == before


def test_settings_of_other_matters_change_nothing(plain: Site) -> None:
    before = recipe(plain)
    plain.write({"pyproject.toml": '[tool.uv]\nmanaged = false\n[tool.uv.workspace]\nmembers = ["x"]\n'})
    assert recipe(plain) == before


def test_what_the_environment_says_about_versions_counts_or_is_part_of_the_recipe(
    plain: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "override.txt").write_text("idna==3.9\n")
    monkeypatch.setenv("UV_OVERRIDE", str(tmp_path / "override.txt"))
    assert idna(plain) == ["idna-3.10.dist-info/METADATA"]
    now = recipe(plain)
    monkeypatch.setenv("UV_RESOLUTION", "lowest")
    assert recipe(plain) != now
