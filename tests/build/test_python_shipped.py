"""Which files of services and packages ship, and which of them are looked at for secrets."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

HATCH = (
    '[project]\nname = "own"\nversion = "1"\n'
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
)
HANDLER = "def handler(e, c): ...\n"
KEY = "-----BEGIN PRIVATE " + "KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"


def built(site: Site) -> list[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return archive.namelist()


def plain(tmp_path: Path, handler: str, files: dict[str, str], **options: tuple[str, ...]) -> Site:
    site = Site(tmp_path / "w", workspace(service("plain", handler, build=BuildOptions(**options))))  # type: ignore[arg-type]
    site.write({f"services/plain/{path}": content for path, content in files.items()})
    return site


def test_a_module_whose_name_begins_as_that_of_a_requirements_file_ships(tmp_path: Path) -> None:
    files = {
        "requirements_check.py": HANDLER,
        "requirements/core.py": "A = 1\n",
        "requirements/dev.txt": "",
        "requirements.txt": "",
        "requirements-dev.in": "",
    }
    assert sorted(built(plain(tmp_path, "requirements_check.handler", files))) == [
        "requirements/core.py",
        "requirements_check.py",
    ]


def test_a_folder_that_is_left_out_by_rule_is_named_when_it_is_imported(tmp_path: Path) -> None:
    files = {"app.py": f"from events import created\n{HANDLER}", "events/__init__.py": "created = 1\n"}
    with pytest.raises(BuildFailed) as caught:
        plain(tmp_path, "app.handler", files).build()
    assert "a folder events at the top of a service or package is left out by rule" in caught.value.hint


def test_a_program_in_bin_and_a_secret_under_another_name_of_ones_own_package(tmp_path: Path) -> None:
    force = '[tool.hatch.build.targets.wheel.force-include]\n"data/tool" = "bin/tool"\n"data/key" = "own/other.json"\n'
    files = {
        "pyproject.toml": HATCH + '[tool.hatch.build.targets.wheel]\npackages = ["own"]\n' + force,
        "own/__init__.py": HANDLER,
        "data/tool": "#!/bin/sh\n",
        "data/key": f'{{"private_key": "{KEY}"}}',
    }
    site = plain(tmp_path, "own.handler", files)
    with pytest.raises(BuildFailed, match="a private key") as caught:
        site.build()
    assert caught.value.where == "services/plain/data/key:1"
    reviewed = plain(tmp_path, "own.handler", files, reviewed=("data/key",))
    assert {"bin/tool", "own/other.json"} <= set(built(reviewed))


def test_a_key_in_a_big_text_is_found(tmp_path: Path) -> None:
    files = {"app.py": HANDLER, "dump.sql": "-- nothing\n" * 200_000 + KEY}
    with pytest.raises(BuildFailed, match="a private key"):
        plain(tmp_path, "app.handler", files).build()
