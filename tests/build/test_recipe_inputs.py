"""What a recipe holds: everything that an artifact's bytes, or the proof of it, depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import Service

PLAIN = service("plain", "app.handler")
SETUP = "from setuptools import setup\nsetup(name='{name}', version='1.0', py_modules=['{name}'])\n"


def site_with(root: Path, files: Mapping[str, str], about: Service = PLAIN) -> Site:
    """A service with one module and these further files, by their paths in the workspace."""
    site = Site(root, workspace(about))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n", **files})
    return site


def recipe(site: Site) -> str:
    return site.recipes()["plain"].digest


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


# ------------------------------------------------------------------------------------------ packages


def two_of_a_name(root: Path) -> Site:
    return site_with(
        root,
        {
            "services/plain/requirements.txt": "-e ../../orders/lib\n-e ../../users/lib\n",
            **{f"{team}/lib/setup.py": SETUP.format(name=f"{team}_lib") for team in ("orders", "users")},
            **{f"{team}/lib/{team}_lib.py": "A = 1\n" for team in ("orders", "users")},
        },
    )


@pytest.mark.parametrize("team", ["orders", "users"])
def test_of_two_packages_in_folders_of_one_name_both_count(tmp_path: Path, team: str) -> None:
    site = two_of_a_name(tmp_path)
    before = recipe(site)
    append(tmp_path / f"{team}/lib/setup.py", "# edited\n")
    assert recipe(site) != before
    assert f"package {team}/lib: setup.py" in site.recipes()["plain"].inputs, "and `why` says which"


def test_the_sbom_tells_two_packages_of_one_name_apart(tmp_path: Path) -> None:
    site = two_of_a_name(tmp_path)
    assert internal(site) == {"orders/lib": None, "users/lib": None}
    site.write(
        {
            "users/lib/pyproject.toml": (
                '[project]\nname = "users-lib"\nversion = "1.0"\n'
                '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            ),
            "users/lib/setup.py": "from setuptools import setup\nsetup(py_modules=['users_lib'])\n",
        }
    )
    assert internal(site) == {"lib": None, "users-lib": "1.0"}, (
        "by the name that its manifest tells, or else its folder"
    )


def internal(site: Site) -> dict[str, str | None]:
    """Versions of what the SBOM says is the workspace's own, by name."""
    listed = json.loads(Path(site.build()["plain"].sbom).read_text())["components"]
    return {each["name"]: each.get("version") for each in listed if "purl" not in each}


# ------------------------------------------------------------------------------------------ the proof


def test_what_only_a_layer_could_bring_is_proved_again_when_the_layer_goes(tmp_path: Path) -> None:
    (function,) = PLAIN.functions
    with_layer = replace(PLAIN, functions=(replace(function, layers=("arn:aws:lambda:eu-west-1:1:layer:numpy:1",)),))
    site = site_with(tmp_path, {"services/plain/app.py": "import numpy\ndef handler(e, c): ...\n"}, with_layer)
    assert not site.build()["plain"].cached
    assert site.build()["plain"].cached
    site.workspace = workspace(PLAIN)
    (reason,) = site.builder().why(site.workspace, ("plain",), site.targets)
    assert [(one.what, one.input) for one in reason.changes] == [("removed", "layers")]
    with pytest.raises(BuildFailed, match="import of numpy"):
        site.build()
