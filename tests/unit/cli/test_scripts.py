"""scripts/deploy.sh on machines where something is missing: what it says, on which stream, and how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
BASICS = ("bash", "env", "dirname", "cmp", "sed", "mkdir", "mv", "rm", "cp", "cat", "uname")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which nothing was brought up yet."""
    folder = tmp_path / "clone"
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    shutil.copy(REPOSITORY / "uv.lock", folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that is the whole path of a machine with Python, Node and Terraform."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASICS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    (folder / "python3").symlink_to(sys.executable)
    install(folder, "node", 'case "$1" in -e) exit 0 ;; --version) echo v20.1.0 ;; esac')
    install(folder, "npm", "exit 0")
    install(folder, "terraform", 'echo \'{ "terraform_version": "1.11.4" }\'')
    return folder


def install(folder: Path, name: str, body: str) -> None:
    program = folder / name
    program.unlink(missing_ok=True)
    program.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    program.chmod(0o755)


def deploy(clone: Path, machine: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "scripts" / "deploy.sh"), "--environment", "dev"],
        env={"PATH": str(machine), "HOME": str(machine), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def bring_up(clone: Path) -> None:
    """What the first run leaves: a Penstock that prints how it was called, pnpm, and the mark of uv.lock."""
    pnpm = clone / ".tools" / "pnpm" / "node_modules" / ".bin"
    venv = clone / ".venv" / "bin"
    pnpm.mkdir(parents=True)
    venv.mkdir(parents=True)
    install(pnpm, "pnpm", "exit 0")
    install(venv, "penstock", 'echo "$@"')
    (venv / "python").symlink_to(sys.executable)
    (clone / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    shutil.copy(clone / "uv.lock", clone / ".venv" / "penstock-installed.lock")


def test_a_machine_without_python_is_told_what_to_install(clone: Path, machine: Path) -> None:
    (machine / "python3").unlink()
    done = deploy(clone, machine)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no Python ≥ 3.11 on the path" in done.stderr
    assert "PENSTOCK_PYTHON" in done.stderr


def test_a_python_that_does_not_run_is_passed_over(clone: Path, machine: Path) -> None:
    (machine / "python3").unlink()
    install(machine, "python3", "exit 127")
    (machine / "python3.12").symlink_to(sys.executable)
    (machine / "node").unlink()
    assert "node is not on the path" in deploy(clone, machine).stderr


def test_a_machine_without_node_is_told_what_to_install(clone: Path, machine: Path) -> None:
    (machine / "node").unlink()
    done = deploy(clone, machine)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: node is not on the path\n  → install Node ≥ 20 with npm" in done.stderr


def test_an_old_node_is_named_with_its_version(clone: Path, machine: Path) -> None:
    install(machine, "node", 'case "$1" in -e) exit 1 ;; --version) echo v18.19.0 ;; esac')
    assert "node is v18.19.0, older than 20" in deploy(clone, machine).stderr


def test_node_without_npm_is_told(clone: Path, machine: Path) -> None:
    (machine / "npm").unlink()
    assert "npm is not on the path" in deploy(clone, machine).stderr


def test_a_machine_without_terraform_is_told_what_to_install(clone: Path, machine: Path) -> None:
    (machine / "terraform").unlink()
    done = deploy(clone, machine)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no Terraform or OpenTofu ≥ 1.11 on the path" in done.stderr
    assert "developer.hashicorp.com/terraform/install" in done.stderr


@pytest.mark.parametrize("version", ["0.15.5", "1.5.7", "1.9.8", "1.10.5"])
def test_an_old_terraform_is_named_with_its_version(clone: Path, machine: Path, version: str) -> None:
    install(machine, "terraform", f'echo \'{{ "terraform_version": "{version}" }}\'')
    done = deploy(clone, machine)
    assert done.returncode == 1
    assert f"found: terraform {version}" in done.stderr


def test_a_second_run_starts_nothing_but_penstock(clone: Path, machine: Path) -> None:
    bring_up(clone)
    for name in ("python3", "node", "npm", "terraform"):
        install(machine, name, f'echo "{name} was started" >&2; exit 9')
    done = deploy(clone, machine)
    assert done.stderr == ""
    assert done.stdout == f"deploy --workspace {clone}/examples/shop --environment dev\n"


def test_a_changed_lock_brings_up_the_environment_anew(clone: Path, machine: Path) -> None:
    bring_up(clone)
    with (clone / "uv.lock").open("a") as file:
        file.write("# newer\n")
    install(machine, "uv", 'echo "uv $*" >> "$HOME/asked"')
    done = deploy(clone, machine)
    assert done.returncode == 0
    asked = (machine / "asked").read_text()
    assert f"sync --quiet --frozen --project {clone}" in asked
    assert "installing the locked environment" in done.stderr
    assert f'export PATH="{clone}/.venv/bin:$PATH"' in done.stderr
    (machine / "asked").unlink()
    deploy(clone, machine)
    assert not (machine / "asked").exists()


def test_the_examples_own_script_ships_the_example(clone: Path, machine: Path) -> None:
    bring_up(clone)
    own = clone / "examples" / "shop" / "scripts"
    own.mkdir(parents=True)
    shutil.copy(REPOSITORY / "examples" / "shop" / "scripts" / "deploy.sh", own)
    (clone / "src" / "penstock").mkdir(parents=True)
    (clone / "src" / "penstock" / "__init__.py").touch()
    done = subprocess.run(
        [str(own / "deploy.sh"), "-e", "dev"], env={"PATH": str(machine)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith(f"--workspace {clone}/examples/shop -e dev\n")


def test_every_script_is_one_that_bash_accepts_and_can_be_run() -> None:
    scripts = [
        *(REPOSITORY / "scripts").glob("*.sh"),
        REPOSITORY / ".ci" / "run",
        REPOSITORY / "examples" / "shop" / "scripts" / "deploy.sh",
    ]
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK), script
