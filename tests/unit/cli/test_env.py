"""`penstock env`: what a shell gets to work in an environment by hand. Port 5000 and on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from workers import WORKER

PENSTOCK = str(Path(sys.executable).with_name("penstock"))
PORT = str(5000 + WORKER)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace in a folder whose name needs quoting, with one environment here and one on AWS."""
    root = tmp_path / "it's a shop"
    service = root / "services" / "hello"
    service.mkdir(parents=True)
    (root / "penstock.toml").write_text(
        '[workspace]\nname = "demo"\nservices = ["services/*"]\n[defaults]\nruntime = "python3.13"\n'
        '[environments.dev]\nendpoint = "local"\naccount = "111111111111"\nregion = "eu-west-1"\n'
        '[environments.live]\naccount = "222222222222"\nregion = "us-east-1"\n'
    )
    (service / "service.toml").write_text('handler = "app.handler"\nroutes = ["GET /hello"]\nhealth = "GET /hello"\n')
    (service / "app.py").write_text("def handler(event, context):\n    return {'statusCode': 200}\n")
    (service / "requirements.txt").write_text("")
    return root


def penstock(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PENSTOCK, *arguments],
        cwd=cwd,
        env={**os.environ, "PENSTOCK_LOCAL_PORT": PORT, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_shell_that_evaluates_it_is_in_that_environment_and_in_no_other(workspace: Path) -> None:
    try:
        done = penstock(
            "env", "-e", "dev", cwd=workspace, AWS_PROFILE="company", AWS_ENDPOINT_URL_S3="https://elsewhere"
        )
        assert done.returncode == 0, done.stderr
        shown = subprocess.run(
            [
                "bash",
                "-euc",
                f'{done.stdout}\n"{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"',
            ],
            env={"PATH": os.environ["PATH"], "AWS_PROFILE": "company", "AWS_ENDPOINT_URL_S3": "https://elsewhere"},
            capture_output=True,
            text=True,
            check=True,
        )
        running = json.loads(penstock("local", "status", "--json", cwd=workspace).stdout)
    finally:
        penstock("local", "stop", cwd=workspace)
    variables = json.loads(shown.stdout)
    assert variables["AWS_ACCESS_KEY_ID"] == "111111111111"
    assert variables["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{PORT}"
    assert variables["AWS_REGION"] == "eu-west-1"
    assert "AWS_PROFILE" not in variables
    assert "AWS_ENDPOINT_URL_S3" not in variables
    assert Path(variables["TF_CLI_CONFIG_FILE"]).is_relative_to(workspace.resolve())
    assert Path(variables["TF_CLI_CONFIG_FILE"]).is_file()
    assert running["running"] is True


def test_on_aws_only_the_region_is_set_and_no_credentials_are_made_up(workspace: Path) -> None:
    done = penstock("env", "-e", "live", "--json", cwd=workspace)
    variables = json.loads(done.stdout)["variables"]
    assert variables["AWS_REGION"] == "us-east-1"
    assert "AWS_ACCESS_KEY_ID" not in variables
    assert penstock("local", "status", cwd=workspace).returncode == 1


def test_an_environment_that_there_is_not_is_answered_with_those_there_are(workspace: Path) -> None:
    done = penstock("env", "-e", "prod", cwd=workspace)
    assert (done.returncode, done.stdout) == (2, "")
    assert "dev, live" in done.stderr


def test_a_machine_without_terraform_still_gets_the_rest(workspace: Path) -> None:
    done = penstock("env", "-e", "live", cwd=workspace, PENSTOCK_TERRAFORM="/nowhere/terraform")
    assert done.returncode == 0
    assert "export AWS_REGION=us-east-1" in done.stdout
    assert "TF_CLI_CONFIG_FILE=" not in done.stdout
    assert "without Terraform" in done.stderr
