"""Shell completion: the scripts, and what they are answered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PENSTOCK = str(Path(sys.executable).with_name("penstock"))


def complete(*words: str, cwd: Path) -> list[str]:
    line = " ".join(("penstock", *words))
    done = subprocess.run(
        [PENSTOCK],
        cwd=cwd,
        env={
            **os.environ,
            "_PENSTOCK_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [answer.split(",", 1)[1] for answer in done.stdout.splitlines() if answer]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text(
        '[workspace]\nname = "demo"\nservices = ["services/*"]\n[environments.dev]\n[environments.production]\n'
    )
    service = tmp_path / "services" / "user_service"
    service.mkdir(parents=True)
    (service / "service.toml").touch()
    return tmp_path


def test_verbs_are_completed(workspace: Path) -> None:
    assert complete("vali", cwd=workspace) == ["validate"]


def test_verbs_of_a_group_are_completed(workspace: Path) -> None:
    assert complete("local", "sta", cwd=workspace) == ["start", "status"]


def test_environments_of_the_workspace_are_completed(workspace: Path) -> None:
    assert complete("env", "-e", "p", cwd=workspace) == ["production"]
    assert complete("env", "--environment", "", cwd=workspace) == ["dev", "production"]


def test_outside_a_workspace_completion_is_empty_and_quiet(tmp_path: Path) -> None:
    assert complete("env", "-e", "", cwd=tmp_path) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_accepts(shell: str) -> None:
    script = subprocess.run([PENSTOCK, "completion", shell], capture_output=True, text=True, check=True)
    assert "penstock" in script.stdout
    assert "penstock completion" in script.stderr
    program = shutil.which(shell)
    if program:
        subprocess.run([program, "-n", "-c", script.stdout], check=True, capture_output=True)


def test_without_a_name_it_is_the_shell_of_the_person() -> None:
    def asked(shell: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "SHELL": shell}
        return subprocess.run([PENSTOCK, "completion"], capture_output=True, text=True, env=env, check=False)

    assert "compdef" in asked("/usr/bin/zsh").stdout
    refused = asked("/bin/dash")
    assert refused.returncode == 2
    assert "no completion for dash" in refused.stderr
    assert "penstock completion bash|zsh|fish" in refused.stderr
