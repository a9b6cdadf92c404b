"""What a recipe holds: everything that an artifact's bytes, or the proof of it, depend on."""

from __future__ import annotations

import json
import sys
import zipfile
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


@pytest.mark.parametrize("runs", [True, False], ids=["setup.py", "data only"])
def test_the_python_that_runs_a_packages_own_code_counts(tmp_path: Path, *, runs: bool) -> None:
    files = package("packages/one", "one", "README.md")
    if runs:
        files |= {"packages/one/setup.py": SETUP.format(name="one")}
    site = site_with(tmp_path, {"services/plain/requirements.txt": "-e ../../packages/one\n", **files})
    tool = site.recipes()["plain"].inputs.get("tool python for backends")
    assert tool == (f"{sys.version_info[0]}.{sys.version_info[1]}" if runs else None)


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


# ------------------------------------------------------------------------------------------ READMEs and licences

DEEP = "libs/a/b/c/d/e"


def package(folder: str, name: str, readme: str) -> dict[str, str]:
    return {
        f"{folder}/pyproject.toml": (
            f'[project]\nname = "{name}"\nversion = "1"\nreadme = "{readme}"\n'
            '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
            '[tool.uv.build-backend]\nmodule-root = ""\n'
        ),
        f"{folder}/{name}/__init__.py": "",
    }


def with_readmes_above(root: Path) -> Site:
    """Two packages whose READMEs lie above them, as in many monorepos."""
    files = {
        "services/plain/requirements.txt": f"-e ../../packages/shallow\n-e ../../{DEEP}\n",
        "README.md": "of all\n",
        "libs/README.md": "of the libraries\n",
        **package("packages/shallow", "shallow", "../../README.md"),
        **package(DEEP, "deep", "../../../../../README.md"),
    }
    return site_with(root, files)


def test_a_readme_above_its_package_is_copied_to_nowhere_but_beside_the_copy_of_the_package(tmp_path: Path) -> None:
    site = with_readmes_above(tmp_path)
    before = set(tmp_path.rglob("README.md"))
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        about = {name: archive.read(f"{name}-1.dist-info/METADATA").decode() for name in ("shallow", "deep")}
    assert about["shallow"].endswith("\n\nof all\n")
    assert about["deep"].endswith("\n\nof the libraries\n")
    assert set(tmp_path.rglob("README.md")) == before


def test_a_readme_outside_of_the_workspace_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("whose?\n")
    for readme in ("../../../README.md", f"{tmp_path}/README.md"):
        files = {"services/plain/requirements.txt": "-e ../../packages/one\n", **package("packages/one", "one", readme)}
        site = site_with(tmp_path / "w", files)
        with pytest.raises(BuildFailed, match="lies outside of the workspace") as caught:
            site.recipes()
        assert "packages/one/pyproject.toml" in str(caught.value)
        assert "a file of the workspace" in str(caught.value)


def test_a_readme_that_is_a_link_out_of_the_workspace_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "whose.md").write_text("whose?\n")
    files = package("packages/one", "one", "../../README.md")
    site = site_with(tmp_path / "w", {"services/plain/requirements.txt": "-e ../../packages/one\n", **files})
    (site.root / "README.md").unlink(missing_ok=True)
    (site.root / "README.md").symlink_to(tmp_path / "whose.md")
    with pytest.raises(BuildFailed, match=r"\.\./\.\./README\.md lies outside of the workspace"):
        site.recipes()


def test_what_is_taken_as_it_is_takes_no_readme_from_above(tmp_path: Path) -> None:
    manifest = '[project]\nname = "plain"\nversion = "1"\nreadme = "../../README.md"\n'
    site = site_with(tmp_path, {"services/plain/pyproject.toml": manifest, "README.md": "of all\n"})
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        assert archive.namelist() == ["app.py"]


def test_a_change_of_a_readme_that_metadata_names_touches_the_service(tmp_path: Path) -> None:
    site = with_readmes_above(tmp_path)
    own = '[project]\nname = "plain"\nversion = "1"\nreadme = "README.md"\n'
    site.write({"services/plain/README.md": "of it\n", "services/plain/pyproject.toml": own})
    changed = {"README.md", "libs/README.md", "services/plain/README.md", "packages/shallow/README.md"}
    found = site.builder().affected(site.workspace, changed, lambda _: None)
    assert found == {"plain": ("README.md", "libs/README.md", "services/plain/README.md")}


# ------------------------------------------------------------------------------------------ pyproject.toml as data

HATCHLING = (
    '[project]\nname = "it"\nversion = "1"\n'
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    "[tool.hatch.build.targets.wheel]\n{}\n"
)


def shipped(site: Site) -> set[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": HATCHLING.format('packages = ["it"]\nforce-include = {"pyproject.toml" = "it/about.toml"}')},
        {
            "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
            "setup.py": (
                "import shutil\nfrom setuptools import setup\nshutil.copy('pyproject.toml', 'it/about.toml')\n"
                "setup(name='it', version='1', packages=['it'], package_data={'it': ['about.toml']})\n"
            ),
        },
    ],
    ids=["hatchling", "setup.py"],
)
def test_all_of_a_manifest_counts_that_ships_as_data(tmp_path: Path, files: dict[str, str]) -> None:
    files = {f"packages/it/{path}": text for path, text in files.items()} | {"packages/it/it/__init__.py": ""}
    site = site_with(tmp_path, {"services/plain/requirements.txt": "-e ../../packages/it\n", **files})
    assert "it/about.toml" in shipped(site)
    append(tmp_path / "packages/it/pyproject.toml", "[tool.ruff]\nline-length = 100\n")
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        assert b"line-length" in archive.read("it/about.toml")


def test_a_manifest_that_nothing_names_stays_out_so_that_tools_of_developers_rebuild_nothing(tmp_path: Path) -> None:
    manifest = HATCHLING.format('include = ["*"]')
    files = {
        "packages/it/pyproject.toml": manifest,
        "packages/it/it/__init__.py": "",
        "packages/it/it/a.toml": manifest,
    }
    site = site_with(tmp_path, {"services/plain/requirements.txt": "-e ../../packages/it\n", **files})
    assert shipped(site) == {"app.py", "it/__init__.py", "it/a.toml"}
    before = recipe(site)
    append(tmp_path / "packages/it/pyproject.toml", "[tool.ruff]\nline-length = 100\n")
    assert recipe(site) == before
    assert shipped(site) == {"app.py", "it/__init__.py", "it/a.toml"}
