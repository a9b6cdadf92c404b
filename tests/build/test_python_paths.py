"""The folder that a package is built in reaches no artifact: it is another one for each build."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import HANDLER_PY, Site, service, workspace

from penstock.model.errors import BuildFailed, BuildsFailed

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = '[build-system]\nrequires = ["{}"]\nbuild-backend = "{}"\n'
HATCH = (
    '[tool.hatch.metadata]\nallow-direct-references = true\n[tool.hatch.build.targets.wheel]\npackages = ["one"]\n'
    + SYSTEM.format("hatchling", "hatchling.build")
)
BESIDE = {
    "poetry": {
        "pyproject.toml": '[tool.poetry]\nname = "one"\nversion = "1"\ndescription = ""\nauthors = []\n'
        '[tool.poetry.dependencies]\npython = "^3.11"\n'
        'beside = { path = "../beside", extras = ["fast"], markers = "python_version >= \'3.9\'", develop = true }\n'
        + SYSTEM.format("poetry-core", "poetry.core.masonry.api")
    },
    "hatch": {
        "pyproject.toml": '[project]\nname = "one"\nversion = "1"\ndependencies = ["beside @ {root:uri}/../beside"]\n'
        + HATCH
    },
    "hatch, an extra": {
        "pyproject.toml": '[project]\nname = "one"\nversion = "1"\n[project.optional-dependencies]\n'
        "more = [\"beside[fast] @ {root:uri}/../beside ; python_version >= '3.9'\"]\n" + HATCH
    },
    "pdm": {
        "pyproject.toml": '[project]\nname = "one"\nversion = "1"\n'
        'dependencies = ["beside @ file:///${PROJECT_ROOT}/../beside"]\n[tool.pdm.build]\nincludes = ["one"]\n'
        + SYSTEM.format("pdm-backend", "pdm.backend")
    },
    "setup.py": {
        "setup.py": "import os\nfrom setuptools import setup\nhere = os.path.dirname(os.path.abspath(__file__))\n"
        "setup(name='one', version='1', packages=['one'], install_requires=[f'beside @ file://{here}/../beside'])\n"
    },
}
"""Ways to depend on the package beside one's own by its path."""


def site(root: Path, one: dict[str, str]) -> Site:
    made = Site(root, workspace(service("plain", "app.handler")))
    made.write({f"packages/one/{path}": text for path, text in one.items()})
    made.write(
        {
            "packages/one/one/__init__.py": "",
            "packages/beside/pyproject.toml": '[project]\nname = "beside"\nversion = "1"\n'
            + SYSTEM.format("setuptools", "setuptools.build_meta"),
            "packages/beside/beside/__init__.py": "",
            "services/plain/requirements.txt": "-e ../../packages/one\n-e ../../packages/beside\n",
            "services/plain/app.py": f"import one, beside\n{HANDLER_PY}",
        }
    )
    return made


@pytest.mark.parametrize("one", BESIDE.values(), ids=BESIDE)
def test_a_package_that_depends_on_one_by_its_path_is_the_same_in_another_place(
    tmp_path: Path, one: dict[str, str]
) -> None:
    here, there = (site(tmp_path / place, one).build()["plain"] for place in ("here", "some/where/else"))
    with zipfile.ZipFile(here.path) as archive:
        about = archive.read("one-1.dist-info/METADATA").decode()
    (needed,) = (line for line in about.splitlines() if line.startswith("Requires-Dist:"))
    assert needed.startswith("Requires-Dist: beside")
    assert "@" not in needed
    assert ("[fast]" in needed, "python_version" in needed) == ("fast" in str(one), "python_version" in str(one))
    assert here.digest == there.digest


def test_a_file_that_names_the_folder_it_was_built_in_is_refused(tmp_path: Path) -> None:
    setup = (
        "import os\nfrom setuptools import setup\nopen('one/where.py', 'w').write(f'HERE = {os.getcwd()!r}')\n"
        "setup(name='one', version='1', packages=['one'])\n"
    )
    with pytest.raises(BuildFailed, match=r"writes the folder that it is built in into one/where\.py") as caught:
        site(tmp_path, {"setup.py": setup}).build()
    assert "packages/one" in str(caught.value.where or caught.value)


def test_a_shared_package_that_does_not_build_is_told_once_for_all_who_reach_it(tmp_path: Path) -> None:
    made = site(tmp_path, {"setup.py": "open('../beside/words.txt')\n"})
    made.workspace = workspace(service("plain", "app.handler"), service("other", "app.handler"))
    made.write({"services/other/app.py": HANDLER_PY, "services/other/requirements.txt": "-e ../../packages/one\n"})
    with pytest.raises(BuildsFailed) as caught:
        made.build()
    (failure,) = caught.value.failures
    assert failure.names == ("other", "plain")
    assert failure.where == "packages/one/setup.py"
    assert "No such file or directory: '../beside/words.txt'" in failure.what
