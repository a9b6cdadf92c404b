"""Real Terraform over ``terraform/main.tf``: apply, plan, destroy."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localaws.harness import zipped

from penstock.adapters.terraform_mirror import provide

if TYPE_CHECKING:
    from localaws.harness import Server

ACCOUNT = "444444444444"


@dataclass(frozen=True)
class Step:
    """One Terraform command that ended."""

    name: str
    code: int
    output: str


def run_all(server: Server, folder: Path) -> list[Step]:
    """Run the steps in order until one fails; no step when there is no Terraform."""
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        return []
    shutil.copy(Path(__file__).with_name("terraform") / "main.tf", folder)
    (folder / "placeholder.zip").write_bytes(zipped({"app.py": "def handler(event, context):\n    return {}\n"}))
    environment = {**os.environ, "TF_VAR_endpoint": server.url, "TF_VAR_account": ACCOUNT, "TF_IN_AUTOMATION": "1"}
    environment["TF_CLI_CONFIG_FILE"] = str(provide(os.environ, folder, "registry.terraform.io").config)
    steps: list[Step] = []

    def step(name: str, *arguments: str) -> bool:
        ended = subprocess.run(
            [terraform, *arguments, "-no-color", "-input=false"],
            check=False,
            cwd=folder,
            env=environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=240,
        )
        steps.append(Step(name, ended.returncode, ended.stdout))
        return ended.returncode == 0

    if step("init", "init") and step("apply", "apply", "-auto-approve") and step("plan", "plan", "-detailed-exitcode"):
        step("destroy", "destroy", "-auto-approve", "-refresh=false")
    return steps
