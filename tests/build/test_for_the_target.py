"""What goes along is what the target needs: markers, extras and groups, of locked packages and of our own."""

from __future__ import annotations

import json
import pathlib
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import COMMON, UV_ROOT, Site, python_service, service, workspace

from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

APP = "def handler(e, c): ...\n"


def plain(tmp_path: Path, requirements: str) -> Site:
    """A service with a requirements file and one module."""
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": APP, "services/plain/requirements.txt": requirements})
    return site


def names(site: Site) -> set[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return set(archive.namelist())


def test_packages_are_installed_once_for_all_services_that_lock_the_same(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(*(service(name, "app.handler") for name in ("one", "two", "other"))))
    for name, locked in (("one", "idna==3.10\n"), ("two", "# the same\nidna==3.10\n"), ("other", "idna==3.9\n")):
        site.write({f"services/{name}/app.py": APP, f"services/{name}/requirements.txt": locked})
    site.build()
    assert len(list((site.cache / "v1/index/installation").glob("*.json"))) == 2


def test_of_two_packages_of_the_workspace_the_target_gets_the_one_that_its_marker_means(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "plain.app.handler")))
    site.write(
        {
            "pyproject.toml": UV_ROOT,
            **python_service("plain", "old-way ; python_version < '3.13'", "new-way ; python_version >= '3.13'"),
        }
    )
    manifest = tmp_path / "services/plain/pyproject.toml"
    sources = "old-way = { workspace = true }\nnew-way = { workspace = true }\n"
    manifest.write_text(manifest.read_text().replace("[tool.uv.sources]\n", f"[tool.uv.sources]\n{sources}"))
    for name in ("old", "new"):
        site.write(
            {
                f"packages/{name}/pyproject.toml": (
                    f'[project]\nname = "{name}-way"\nversion = "1"\n'
                    '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
                    '[tool.uv.build-backend]\nmodule-name = "way"\n'
                ),
                f"packages/{name}/src/way/__init__.py": f"WAY = '{name}'\n",
            }
        )
    site.uv_lock()
    for version, way in (("3.11", "old"), ("3.13", "new")):
        site.versions["python"] = version
        made = site.build()["plain"]
        with zipfile.ZipFile(made.path) as archive:
            assert archive.read("way/__init__.py").decode() == f"WAY = '{way}'\n"
        listed = json.loads(pathlib.Path(made.sbom).read_text())["components"]
        assert [each["name"] for each in listed] == [f"{way}-way"]
        assert not [
            one for one in site.recipes()["plain"].inputs if f"{({'old', 'new'} - {way}).pop()}-way: way" in one
        ]


def test_a_folder_of_a_requirements_file_goes_along_when_its_marker_means_the_target(tmp_path: Path) -> None:
    site = plain(
        tmp_path, "../../packages/old ; python_version < '3.13'\n../../packages/new ; python_version >= '3.13'\n"
    )
    for name in ("old", "new"):
        words = f"name={name!r}, py_modules=[{name!r}]"
        site.write(
            {
                f"packages/{name}/setup.py": f"from setuptools import setup\nsetup({words})\n",
                f"packages/{name}/{name}.py": "A = 1\n",
            }
        )
    assert {"old.py", "new.py"} & names(site) == {"old.py"}
    site.versions["python"] = "3.13"
    assert {"old.py", "new.py"} & names(site) == {"new.py"}


ASKED = (
    "idna==3.10 ; python_version >= '3.13'",
    "six==1.17.0 ; platform_machine == 'aarch64'",
    "sniffio==1.3.1 ; sys_platform == 'win32'",
    "h11==0.14.0 ; python_version < '3.13'",
    "toolz==1.0.0 ; platform_machine == 'x86_64'",
)
MEANT = {"idna/core.py", "six.py"}
NOT_MEANT = {"sniffio/__init__.py", "h11/__init__.py", "toolz/__init__.py"}
ELSEWHERE = Target(language="python", version="3.13", architecture="arm64")


@pytest.mark.parametrize("kind", ["uv", "requirements"])
def test_markers_mean_the_target_and_not_the_machine_that_builds(tmp_path: Path, kind: str) -> None:
    site = plain(tmp_path, "".join(f"{line}\n" for line in ASKED))
    if kind == "uv":
        project = f'[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {[*ASKED]}\n'
        site.write({"services/plain/pyproject.toml": f"{project}[tool.uv]\npackage = false\n"})
        site.uv_lock("services/plain")
    (made,) = site.builder().build(site.workspace, None, {"plain": ELSEWHERE})
    with zipfile.ZipFile(made.path) as archive:
        assert (MEANT | NOT_MEANT) & {*archive.namelist()} == MEANT
    components = {each["name"] for each in json.loads(pathlib.Path(made.sbom).read_text())["components"]}
    assert components == {"idna", "six"}


def test_extras_and_groups_of_the_service_and_of_what_it_needs_go_along(tmp_path: Path) -> None:
    build = BuildOptions(extras=("fast",), groups=("all",))
    site = Site(tmp_path, workspace(service("plain", "app.handler", build=build)))
    site.write(
        {
            "services/plain/app.py": APP,
            "services/plain/pyproject.toml": (
                '[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.11"\n'
                'dependencies = ["common[words]"]\n'
                '[project.optional-dependencies]\nfast = ["six==1.17.0"]\nslow = ["toolz==1.0.0"]\n'
                '[dependency-groups]\nbase = ["sniffio==1.3.1"]\nall = [{ include-group = "base" }]\n'
                'dev = ["h11==0.14.0"]\n[tool.uv]\npackage = false\n'
                '[tool.uv.sources]\ncommon = { path = "../../packages/common", editable = true }\n'
            ),
            "packages/common/pyproject.toml": (
                '[project]\nname = "common"\nversion = "1"\nrequires-python = ">=3.11"\n'
                '[project.optional-dependencies]\nwords = ["idna==3.10"]\n'
                '[project.entry-points."w.plugins"]\none = "common:one"\n'
                '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            ),
            "packages/common/src/common/__init__.py": "one = 1\n",
            "packages/common/src/common/data/words.txt": "data\n",
        }
    )
    site.uv_lock("services/plain")
    found = names(site)
    assert {"six.py", "sniffio/__init__.py", "idna/core.py", "common/data/words.txt"} <= found
    assert "common-1.dist-info/entry_points.txt" in found
    assert not {"toolz/__init__.py", "h11/__init__.py"} & found


def test_a_wheel_that_a_uv_lock_names_by_its_path_is_installed_and_part_of_the_recipe(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write(
        {
            "services/plain/app.py": "import inside\ndef handler(e, c): ...\n",
            "services/plain/pyproject.toml": (
                '[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.11"\n'
                'dependencies = ["in-side", "idna==3.10", "common"]\n[tool.uv]\npackage = false\n[tool.uv.sources]\n'
                'in-side = { path = "../../vendored/in_side-1.0-py3-none-any.whl" }\n'
                'common = { path = "../../packages/common", editable = true }\n'
            ),
            **COMMON,
        }
    )
    wheel = tmp_path / "vendored/in_side-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    vendored(wheel, "A = 1\n")
    site.uv_lock("services/plain")
    made = site.build()["plain"]
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("inside.py") == b"A = 1\n"
        assert {"idna/core.py", "common/words.txt"} <= set(archive.namelist())
    assert "in-side" in {one["name"] for one in json.loads(pathlib.Path(made.sbom).read_text())["components"]}
    before = site.recipes()["plain"].digest
    vendored(wheel, "A = 2\n")
    assert site.recipes()["plain"].digest != before
    with pytest.raises(BuildFailed, match="Hash mismatch"):
        site.build()
    (tmp_path / "services/plain/uv.lock").unlink()
    site.uv_lock("services/plain")
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        assert archive.read("inside.py") == b"A = 2\n"


def vendored(path: Path, source: str) -> None:
    """A wheel of one module."""
    files = {
        "inside.py": source,
        "in_side-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: in-side\nVersion: 1.0\n",
        "in_side-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, "in_side-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, content)
