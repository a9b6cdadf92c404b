"""What people write down besides uv.lock: requirements files, Poetry's locks, groups, archives, sources."""

from __future__ import annotations

import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import Later, Site, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

IDNA = (
    "--hash=sha256:12f65c9b470abda6dc35cf8e63cc574b1c52b11df2c86030af0ac09b01b13ea9",
    "--hash=sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3",
)
SETUP = (
    "from setuptools import setup, Distribution\nsetup(name='{name}', version='1.0', py_modules=['{name}'], {more})\n"
)
NATIVE = "distclass=type('D', (Distribution,), {'has_ext_modules': lambda self: True})"


def plain(tmp_path: Path, requirements: str, **options: object) -> Site:
    """A service with a requirements file and one module."""
    site = Site(tmp_path, workspace(service("plain", "app.handler", build=BuildOptions(**options))))  # type: ignore[arg-type]
    site.write({"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/requirements.txt": requirements})
    return site


def names(site: Site) -> set[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return set(archive.namelist())


def hashes(site: Site) -> dict[str, list[str]]:
    """What the SBOM says of each package that the lock may know a hash of."""
    listed = json.loads(pathlib.Path(site.build()["plain"].sbom).read_text())["components"]
    return {each["name"]: [one["content"] for one in each.get("hashes", ())] for each in listed}


def sdist(path: Path, name: str, more: str = "", *, setup: str = "", **further: str) -> None:
    """A source archive of one module; `more` are further words to setuptools, or `setup` is all that it is told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {
        "setup.py": setup or SETUP.format(name=name, more=more),
        f"{name}.py": "A = 1\n",
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        **further,
    }
    with tarfile.open(path, "w:gz") as archive:
        for inner, content in files.items():
            info = tarfile.TarInfo(f"{name}-1.0/{inner}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))


def test_hashes_are_verified(tmp_path: Path) -> None:
    site = plain(tmp_path, f"idna==3.10 {' '.join(IDNA)}\n")
    assert "idna/core.py" in names(site)
    assert hashes(site)["idna"] == [IDNA[1].removeprefix("--hash=sha256:")], "of several, the wheel's"
    site.write({"services/plain/requirements.txt": f"idna==3.10 {IDNA[1]}\n"})
    assert hashes(site)["idna"] == [IDNA[1].removeprefix("--hash=sha256:")]
    wrong = " ".join(f"--hash=sha256:{'0' * 64}" for _ in IDNA)
    site.write({"services/plain/requirements.txt": f"idna==3.10 {wrong}\n"})
    with pytest.raises(BuildFailed, match="Hash mismatch"):
        site.build()
    site.write({"services/plain/requirements.txt": f"idna==3.10 {IDNA[1]}\nsix==1.17.0\n"})
    with pytest.raises(BuildFailed, match=r"none of these has one.*: six \(services/plain/requirements\.txt:2\)"):
        site.build()


def test_the_sdk_that_the_runtime_adds_is_noted_with_the_pinned_version(tmp_path: Path) -> None:
    site = plain(tmp_path, "idna==3.10\nboto3==1.35.0  # the runtime has it\n")
    assert hashes(site).keys() == {"idna", "boto3"}
    listed = json.loads(pathlib.Path(site.build()["plain"].sbom).read_text())["components"]
    (boto3,) = (each for each in listed if each["name"] == "boto3")
    assert boto3["version"] == "1.35.0"
    assert boto3["properties"][0]["name"] == "penstock:supplied-by"


def test_constraints_pin_what_requirements_leave_open_and_what_those_need(tmp_path: Path) -> None:
    site = plain(tmp_path, "-r ../../base.in\n-c ../../pins.txt\n")
    site.write({"base.in": "anyio>=4\n", "pins.txt": "anyio==4.6.0\nsniffio==1.3.1\nidna==3.10\nh11==0.14.0\n"})
    assert {"anyio/__init__.py", "sniffio/__init__.py", "idna/core.py"} <= names(site)
    assert not any(name.startswith("h11") for name in names(site))
    site.write({"pins.txt": "anyio==4.6.0\nidna==3.10\n"})
    with pytest.raises(BuildFailed, match="sniffio is needed by anyio, but no line pins it"):
        site.build()


def test_requirements_that_are_not_pinned_can_mean_those_of_a_day(tmp_path: Path) -> None:
    site = plain(tmp_path, "idna>=3\n", resolve="2024-09-20")
    assert "idna-3.10.dist-info/METADATA" in names(site)
    assert "option resolve" in site.recipes()["plain"].inputs


def test_a_pure_python_package_without_a_wheel_is_built_from_its_sources(tmp_path: Path) -> None:
    site = plain(tmp_path, "idna==3.10\n./wheels/pure-1.0.tar.gz\n")
    sdist(tmp_path / "services/plain/wheels/pure-1.0.tar.gz", "pure")
    found = names(site)
    assert {"pure.py", "idna/core.py", "pure-1.0.dist-info/METADATA"} <= found
    assert "pure-1.0.dist-info/WHEEL" not in found


def test_a_native_package_without_a_wheel_is_refused_by_name(tmp_path: Path) -> None:
    site = plain(tmp_path, "native @ file:native-1.0.tar.gz\n")
    sdist(tmp_path / "services/plain/native-1.0.tar.gz", "native", NATIVE)
    with pytest.raises(BuildFailed, match=r"native==1\.0 has no wheel for python3\.11/x86_64") as caught:
        site.build()
    assert "lock a version of native" in caught.value.hint


MAY_BE_QUICK = """
from setuptools import Extension, setup
def run(*native):
    setup(name="quick", version="1.0", py_modules=["quick"], ext_modules=list(native))
try:
    run(Extension("quick_fast", ["fast.c"]))
except BaseException:
    run()
"""


def test_native_code_that_a_package_can_do_without_is_left_out_on_every_machine(tmp_path: Path) -> None:
    """Whether this one has a compiler or not: else the same lock would build here and be refused there."""
    site = plain(tmp_path, "quick @ file:quick-1.0.tar.gz\n")
    sdist(tmp_path / "services/plain/quick-1.0.tar.gz", "quick", setup=MAY_BE_QUICK, **{"fast.c": "int x;\n"})
    found = names(site)
    assert "quick.py" in found
    assert not any(name.endswith(".so") for name in found)


def test_why_sources_do_not_build_is_told(tmp_path: Path) -> None:
    site = plain(tmp_path, "broken @ file:broken-1.0.tar.gz\n")
    reason = "url=__import__('sys').exit('libfoo.h was not found')"
    sdist(tmp_path / "services/plain/broken-1.0.tar.gz", "broken", reason)
    with pytest.raises(BuildFailed, match=r"its sources do not build here:\n(?s:.*)libfoo\.h was not found"):
        site.build()


def test_an_archive_of_the_workspace_is_part_of_the_recipe(tmp_path: Path) -> None:
    site = plain(tmp_path, "./pure-1.0.tar.gz\n")
    archive = tmp_path / "services/plain/pure-1.0.tar.gz"
    sdist(archive, "pure")
    before = site.recipes()["plain"].digest
    sdist(archive, "pure", "description='another'")
    assert site.recipes()["plain"].digest != before


def test_so_is_one_in_a_folder_of_links(tmp_path: Path) -> None:
    site = plain(tmp_path, "--find-links ../../links\npure==1.0\n")
    sdist(tmp_path / "links/pure-1.0.tar.gz", "pure")
    before = site.build()["plain"]
    sdist(tmp_path / "links/pure-1.0.tar.gz", "pure", "description='another'")
    assert site.build()["plain"].digest != before.digest


def test_an_old_package_with_setup_py_is_built_by_it(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/old\n")
    site.write({"packages/old/setup.py": SETUP.format(name="old", more=""), "packages/old/old.py": "A = 1\n"})
    assert {"old.py", "app.py"} <= names(site)
    assert "setup.py" not in names(site)


READS = "long_description=open('README.md').read() + open('CHANGELOG.rst').read()"


def test_what_a_setup_py_reads_beside_itself_is_there_although_it_is_left_out_by_rule(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/old\n")
    site.write({"packages/old/setup.py": SETUP.format(name="old", more=READS), "packages/old/old.py": "A = 1\n"})
    site.write({f"packages/old/{name}": "one\n" for name in ("README.md", "CHANGELOG.rst", "CONTRIBUTING.md", ".env")})
    assert names(site) == {"app.py", "old.py", "old-1.0.dist-info/METADATA", "old-1.0.dist-info/top_level.txt"}
    before = site.recipes()["plain"].inputs
    assert {name for name in before if "package" in name and not name.endswith(".py")} == {
        "package packages/old: README.md", "package packages/old: CHANGELOG.rst"
    }  # fmt: skip
    site.write({"packages/old/CHANGELOG.rst": "two\n"})
    assert site.recipes()["plain"].inputs != before
    touched = site.builder().affected(site.workspace, ["packages/old/README.md", "packages/old/.env"], lambda _: None)
    assert dict(touched) == {"plain": ("packages/old/README.md",)}


def test_what_code_says_of_a_readme_where_nothing_is_built_ships_none(tmp_path: Path) -> None:
    site = plain(tmp_path, "")
    site.write({"services/plain/build.py": "# see README.md\n", "services/plain/README.md": "of it\n"})
    assert names(site) == {"app.py", "build.py"}


def test_fragments_of_a_readme_are_there_for_the_plugin_that_puts_them_together(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/new\n")
    manifest = (
        '[project]\nname = "new"\nversion = "1"\ndynamic = ["readme"]\n'
        '[build-system]\nrequires = ["hatchling", "hatch-fancy-pypi-readme"]\nbuild-backend = "hatchling.build"\n'
        '[tool.hatch.metadata.hooks.fancy-pypi-readme]\ncontent-type = "text/markdown"\n'
        'fragments = [{ path = "README.md" }, { text = "## News" }, { path = "CHANGELOG.md" }]\n'
    )
    site.write({"packages/new/pyproject.toml": manifest, "packages/new/src/new/__init__.py": "A = 1\n"})
    site.write({"packages/new/README.md": "of it\n", "packages/new/CHANGELOG.md": "its news\n"})
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        assert "of it\n## Newsits news" in archive.read("new-1.dist-info/METADATA").decode()


def test_what_a_setup_py_says_that_it_needs_has_to_be_listed(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/old\n")
    setup = SETUP.format(name="old", more="install_requires=['idna']")
    site.write({"packages/old/setup.py": setup, "packages/old/old.py": "def late():\n    import idna\n"})
    with pytest.raises(BuildFailed, match="packages/old needs idna, but nothing lists it"):
        site.build()
    site.write({"services/plain/requirements.txt": "-e ../../packages/old\nidna==3.10\n"})
    assert "idna/core.py" in names(site)


def test_a_lock_that_lacks_something_is_noticed_without_a_python_that_the_project_allows(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    project = (
        '[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["idna>=3.10, <4"{0}]\n'
    )
    site.write(
        {"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/pyproject.toml": project.format("")}
    )
    site.uv_lock("services/plain")
    for name in ("pyproject.toml", "uv.lock"):
        path = tmp_path / "services/plain" / name
        path.write_text(path.read_text().replace(">=3.11", ">=3.99"))
    assert "idna/core.py" in names(site)
    site.write({"services/plain/pyproject.toml": project.format(', "sniffio"').replace(">=3.11", ">=3.99")})
    with pytest.raises(BuildFailed, match=r"the lock does not fit the manifests any more: .* sniffio") as caught:
        site.build()
    assert caught.value.hint == "uv lock --directory services/plain"


def test_an_extra_of_a_package_by_its_path_is_installed(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/own[words]\n-c pins.txt\n")
    project = '[project]\nname = "own"\nversion = "1"\n[project.optional-dependencies]\nwords = ["idna"]\n'
    site.write(
        {
            "services/plain/pins.txt": "idna==3.10\n",
            "packages/own/pyproject.toml": project,
            "packages/own/own.py": "A = 1\n",
        }
    )
    assert {"own.py", "idna/core.py"} <= names(site)


POETRY = f"""
[[package]]
name = "idna"
version = "3.10"
description = ""
optional = false
python-versions = ">=3.6"
groups = ["main"]
files = [
    {{ file = "idna-3.10.tar.gz", hash = "{IDNA[0].removeprefix("--hash=")}" }},
    {{ file = "idna-3.10-py3-none-any.whl", hash = "{IDNA[1].removeprefix("--hash=")}" }},
]

[[package]]
name = "shared"
version = "0.1.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = []
develop = true
[package.dependencies]
idna = "^3.0"
[package.source]
type = "directory"
url = "../../packages/shared"

[[package]]
name = "colorama"
version = "0.4.6"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
markers = "sys_platform == 'win32'"
files = []

[[package]]
name = "boto3"
version = "1.35.0"
description = ""
optional = false
python-versions = "*"
groups = ["main"]
files = []

[[package]]
name = "six"
version = "1.17.0"
description = ""
optional = false
python-versions = "*"
groups = ["dev"]
files = []

[metadata]
lock-version = "2.1"
python-versions = "^3.11"
content-hash = "0"
"""


def test_remedies_are_of_the_tool_at_hand(tmp_path: Path) -> None:
    site = plain(tmp_path, "-e ../../packages/lost\n")
    with pytest.raises(BuildFailed, match="packages/lost is not in the workspace") as caught:
        site.build()
    assert (caught.value.where, caught.value.hint) == ("services/plain/requirements.txt", "correct the path")
    (tmp_path / "services/plain/requirements.txt").unlink()
    site.write(
        {
            "services/plain/pyproject.toml": '[tool.poetry]\nname = "plain"\nversion = "1"\npackage-mode = false\n'
            '[tool.poetry.dependencies]\npython = "^3.11"\nidna = "*"\n'
        }
    )
    with pytest.raises(BuildFailed, match="it has dependencies but no lock") as caught:
        site.build()
    assert caught.value.hint == "poetry lock --directory services/plain"


def test_a_poetry_lock_gives_what_the_target_needs_of_it(tmp_path: Path) -> None:
    built = service("plain", "app.handler")
    site = Site(tmp_path, workspace(built))
    site.write(
        {
            "services/plain/app.py": "import idna\nimport shared\ndef handler(e, c): ...\n",
            "services/plain/poetry.lock": POETRY,
            "services/plain/pyproject.toml": (
                '[tool.poetry]\nname = "plain"\nversion = "1"\npackage-mode = false\n'
                '[tool.poetry.dependencies]\npython = "^3.11"\nshared = { path = "../../packages/shared" }\n'
                'colorama = { version = "^0.4", platform = "win32" }\n'
                '[tool.poetry.group.dev.dependencies]\nsix = "*"\n'
            ),
            "packages/shared/src/shared/__init__.py": "A = 1\n",
        }
    )
    found = names(site)
    assert {"app.py", "idna/core.py", "shared/__init__.py"} <= found
    assert not any(name.startswith(("six", "colorama", "boto3")) for name in found)
    assert "boto3" in hashes(site), "noted as the runtime's"
    assert hashes(site)["idna"] == [IDNA[1].removeprefix("--hash=sha256:")]
    site.write({"services/plain/poetry.lock": POETRY.replace('idna = "^3.0"', 'idna = "^4.0"')})
    with pytest.raises(BuildFailed, match="does not fit together"):
        site.build()


def test_a_dependency_group_goes_into_the_zip_when_the_service_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler", build=BuildOptions(groups=("extra",)))))
    site.write(
        {
            "services/plain/app.py": "def handler(e, c): ...\n",
            "services/plain/pyproject.toml": (
                '[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.11"\n'
                '[dependency-groups]\nextra = ["idna==3.10"]\ndev = ["six==1.17.0"]\n[tool.uv]\npackage = false\n'
            ),
        }
    )
    site.uv_lock("services/plain")
    found = names(site)
    assert "idna/core.py" in found
    assert "six.py" not in found
    assert "lock idna 3.10" in site.recipes()["plain"].inputs


def test_compiled_modules_are_shipped_on_request_and_loaded(tmp_path: Path) -> None:
    site = plain(tmp_path, "idna==3.10\n", bytecode=True)
    site.write({"services/plain/app.py": "import idna\nWORDS = {'b', 'a'}\ndef handler(e, c):\n    return __file__\n"})
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    site.versions["python"] = version
    first = site.build()["plain"]
    with zipfile.ZipFile(first.path) as archive:
        archive.extractall(tmp_path / "task")  # noqa: S202 - of our own making
    compiled = tmp_path / "task/__pycache__" / f"app.{sys.implementation.cache_tag}.pyc"
    assert compiled.read_bytes()[4] == 1  # unchecked-hash
    (tmp_path / "task/app.py").write_text("raise SystemError")
    found = subprocess.run(
        [sys.executable, "-c", "import app; print(app.handler(0, 0))"],
        cwd=tmp_path / "task", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.startswith(str(tmp_path / "task/app.py"))
    site.builder().forget()
    assert site.build()["plain"].digest == first.digest


def test_native_libraries_are_stripped_on_request(tmp_path: Path) -> None:
    heavy, light = (plain(tmp_path, "markupsafe==3.0.2\n", strip=strip) for strip in (False, True))
    heavy.versions["python"] = light.versions["python"] = f"{sys.version_info[0]}.{sys.version_info[1]}"
    before, after = (site.build()["plain"] for site in (heavy, light))
    assert after.unzipped < before.unzipped
    if platform.machine() == "x86_64":  # what Site builds for
        with zipfile.ZipFile(after.path) as archive:
            archive.extractall(tmp_path / "task")  # noqa: S202 - of our own making
        code = "from markupsafe import _speedups; print(_speedups.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path / "task", capture_output=True, text=True, check=True
        )
        assert found.stdout.startswith(str(tmp_path / "task"))


def test_who_strips_and_compiles_is_part_of_the_recipe_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    program = tmp_path / "tools/llvm-strip"
    site = plain(tmp_path / "w", "", strip=True, bytecode=True)
    site.versions["python"] = f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    found = []
    for version in ("18.1", "19.1.0"):
        program.write_text(f"#!/bin/sh\necho LLVM {version}\n")
        program.chmod(0o755)
        site.build()
        found.append(site.recipes()["plain"].inputs)
    assert [one["tool strip"] for one in found] == ["LLVM 18.1", "LLVM 19.1.0"]
    assert found[0]["tool python for bytecode"] == f"Python {platform.python_version()}"
    site.workspace = workspace(service("plain", "app.handler"))
    assert not [one for one in site.recipes()["plain"].inputs if "strip" in one or "bytecode" in one]


def test_a_better_strip_that_comes_to_lie_on_the_path_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    site = plain(tmp_path / "w", "", strip=True)
    site.clock = Later()  # as of a while after the files were written, so that what was seen is remembered
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}")
    assert [site.build()["plain"].cached for _ in range(2)] == [False, True]
    program = tmp_path / "tools/llvm-strip"
    program.write_text("#!/bin/sh\necho LLVM 19.1.0\n")
    program.chmod(0o755)
    assert not site.build()["plain"].cached


def test_a_vendored_library_of_another_processor_is_refused(tmp_path: Path) -> None:
    site = plain(tmp_path, "")
    library = b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + (183).to_bytes(2, "little") + bytes(64)
    (tmp_path / "services/plain/fast.so").write_bytes(library)
    with pytest.raises(BuildFailed, match=r"fast\.so is made for arm64, and the target is python3\.11/x86_64"):
        site.build()


def test_a_package_built_from_its_sources_has_the_same_recipe_and_bytes_in_another_place(tmp_path: Path) -> None:
    sdist(tmp_path / "pure-1.0.tar.gz", "pure")
    made = []
    for place, umask in (("here", 0o022), ("some where/else", 0o077)):
        (tmp_path / place).mkdir(parents=True)
        site = plain(tmp_path / place, "-f ../../links\nidna==3.10\n./wheels/pure-1.0.tar.gz\n")
        for copy in ("services/plain/wheels/pure-1.0.tar.gz", "links/pure-1.0.tar.gz"):
            (tmp_path / place / copy).parent.mkdir()
            shutil.copy(tmp_path / "pure-1.0.tar.gz", tmp_path / place / copy)
        old = os.umask(umask)
        try:
            made.append((site.recipes()["plain"].digest, site.build()["plain"].digest))
        finally:
            os.umask(old)
    assert made[0] == made[1]
