"""Real Terraform over ``terraform/main.tf``: apply, plan, apply a change, plan with a drift, destroy."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localaws.harness import Account, zipped

if TYPE_CHECKING:
    from localaws.harness import Server

ACCOUNT = "444444444444"
MIRROR = Path("/opt/tf-plugins")  # where this machine keeps providers; elsewhere the registry has them


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
    if MIRROR.is_dir():
        settings = folder / "terraformrc"
        settings.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{MIRROR}"\n  }}\n'
            '  direct {\n    exclude = ["hashicorp/aws"]\n  }\n}\n'
        )
        environment["TF_CLI_CONFIG_FILE"] = str(settings)
    steps: list[Step] = []

    def step(name: str, *arguments: str, good: int = 0) -> bool:
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
        return ended.returncode == good

    if step("init", "init") and step("apply", "apply", "-auto-approve") and step("plan", "plan", "-detailed-exitcode"):
        drift(server)
        step("drift", "plan", "-detailed-exitcode", "-var", "title=two", good=2)
        step("destroy", "destroy", "-auto-approve", "-refresh=false")
    return steps


def drift(server: Server) -> None:
    """Change one attribute of several kinds of resource behind Terraform's back."""
    account = Account(server, ACCOUNT)
    account.client("logs").put_retention_policy(logGroupName="/aws/lambda/contract-api", retentionInDays=1)
    account.client("dynamodb").update_time_to_live(
        TableName="contract-users", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )
    account.client("lambda").update_function_configuration(FunctionName="contract-api", MemorySize=1024)
    account.client("ssm").put_parameter(Name="/penstock/contract/pointer", Value="{}", Overwrite=True)
    account.client("iam").delete_role_policy(RoleName="contract-api", PolicyName="own")
    account.client("cloudwatch").delete_alarms(AlarmNames=["contract-any"])
