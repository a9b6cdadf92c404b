"""The guide's commands, run in their order in a fresh clone: documentation that fails the build."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from docs.blocks import GUIDE, REPOSITORY, steps

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.journey
@pytest.mark.terraform
@pytest.mark.timeout(1800)
def test_every_command_of_the_guide_does_what_it_says(tmp_path: Path) -> None:
    clone = tmp_path / "penstock"
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
    script = tmp_path / "guide.sh"
    lines = ["set -u"]
    for step in steps(GUIDE):
        lines += [
            f"echo '>>> line {step.line}' >&2",
            f"{step.command}",
            (
                f'status=$?; [ "$status" = {step.status} ] || '
                f'{{ echo "guide.md:{step.line} ended with $status, not {step.status}" >&2; exit 99; }}'
            ),
        ]
    script.write_text("\n".join(lines))
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PENSTOCK_", "VIRTUAL"))}
    environ |= {"PENSTOCK_LOCAL_PORT": str(free_port()), "CI": "", "PYTHONDONTWRITEBYTECODE": ""}
    environ["PATH"] = os.pathsep.join(p for p in environ["PATH"].split(os.pathsep) if ".venv" not in p)
    try:
        run = subprocess.run(
            ["bash", str(script)],
            cwd=clone,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1700,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-6000:]
        assert "nothing to do" in run.stderr
    finally:
        stop(clone)
        shutil.rmtree(clone, ignore_errors=True)


def stop(clone: Path) -> None:
    """The embedded AWS of the clone, by its own process id, if the guide did not come to its end."""
    pid = clone / "examples" / "shop" / ".penstock" / "local.pid"
    if pid.is_file() and pid.read_text().strip().isdigit():
        try:
            os.kill(int(pid.read_text()), signal.SIGTERM)
        except ProcessLookupError:
            return


def test_the_guide_has_commands_to_run() -> None:
    commands = [step.command for step in steps(GUIDE)]
    assert len(commands) > 30
    for verb in ("deploy", "rollback", "switch", "status", "releases", "secrets", "render", "unlock", "local"):
        assert any(f"penstock {verb}" in command for command in commands), verb
