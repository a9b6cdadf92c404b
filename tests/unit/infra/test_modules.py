"""The HCL modules: documented, formatted, and tested by Terraform itself with a mocked provider."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.adapters.terraform_mirror import provide
from penstock.adapters.terraform_program import Program, find_program

MODULES = Path(__file__).parents[3] / "src" / "penstock" / "terraform"
NAMES = sorted(path.name for path in MODULES.iterdir() if path.is_dir())
FILES = ("README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return find_program(os.environ, tmp_path_factory.mktemp("terraform") / "version.json")


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_whole(name: str) -> None:
    assert [file for file in FILES if not (MODULES / name / file).is_file()] == []
    assert list((MODULES / name / "tests").glob("*.tftest.hcl"))


@pytest.mark.parametrize("name", NAMES)
def test_its_readme_tells_every_input_and_output(name: str) -> None:
    readme = (MODULES / name / "README.md").read_text()
    declared = [
        found
        for file, kind in (("variables.tf", "variable"), ("outputs.tf", "output"))
        for found in re.findall(rf'^{kind} "([a-z_]+)"', (MODULES / name / file).read_text(), re.MULTILINE)
    ]
    assert [found for found in declared if f"| `{found}` |" not in readme] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_input_and_output_is_described(name: str) -> None:
    text = (MODULES / name / "variables.tf").read_text() + (MODULES / name / "outputs.tf").read_text()
    blocks = re.findall(r'^(?:variable|output) "([a-z_]+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    assert [found for found, body in blocks if "description" not in body] == []


@pytest.mark.terraform
def test_terraform_would_format_nothing(program: Program) -> None:
    told = subprocess.run(
        [program.path, "fmt", "-check", "-recursive", "-list=true", MODULES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (0, "")


@pytest.mark.terraform
@pytest.mark.parametrize("name", NAMES)
def test_a_module_passes_its_own_tests(name: str, program: Program, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    shutil.copytree(MODULES, modules, ignore=shutil.ignore_patterns(".terraform*"))
    scratch = tmp_path / "cli"
    scratch.mkdir()
    source = provide(os.environ, scratch, program.registry)
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": str(source.config)}
    environ.pop("TF_PLUGIN_CACHE_DIR", None)
    for arguments in (["init", "-input=false"], ["test"]):
        told = subprocess.run(
            [program.path, *arguments, "-no-color"],
            cwd=modules / name,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
