"""The same shop with code as Terraform's business: what most teams have, to measure beside.

The generated root and its modules are copied, and the copy's functions get `filename`, `source_code_hash` and
`publish = true`, their aliases the new version: a code change is then an ordinary `terraform apply`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from measure import PENSTOCK, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FUNCTION_IGNORES = re.compile(r"\n  lifecycle \{\n    ignore_changes = \[\n      filename,[^]]*\]\n  \}\n")
ALIAS_IGNORES = re.compile(r"\n  lifecycle \{\n    ignore_changes = \[function_version, routing_config\]\n  \}\n")
FROM_BUCKET = re.compile(r"  publish       = false\n  s3_bucket     = [^\n]*\n  s3_key        = [^\n]*\n(?=  tags)")
FROM_FILE = """\
  publish          = true
  filename         = "${path.root}/zips/${each.value.function_name}.zip"
  source_code_hash = filebase64sha256("${path.root}/zips/${each.value.function_name}.zip")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a Terraform run took: seconds on the clock, and seconds of computing by itself and by its provider."""

    seconds: float
    computing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A root in which Terraform owns the code, in an environment that Penstock never deployed."""

    workspace: Path
    environment: str
    env: Mapping[str, str]

    @property
    def root(self) -> Path:
        """Where the root is."""
        return self.workspace / "byhand" / "environments" / self.environment

    def terraform(self, *arguments: str) -> Effort:
        """Run Terraform in the root, timed."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = run(["terraform", *arguments], cwd=self.root, env=self.env)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Effort(seconds=ran.seconds, computing=computing)

    def load(self) -> None:
        """Put the ZIPs of the code as it is now where the root expects them: what a build script would do, untimed."""
        told = run(
            [PENSTOCK, "build", "services", "-e", self.environment, "--json"], cwd=self.workspace, env=self.env
        ).stdout
        zips = self.root / "zips"
        zips.mkdir(exist_ok=True)
        names = self._function_names()
        for line in filter(None, told.splitlines()):
            event = json.loads(line)
            if event["event"] == "artifact":
                for name in names[event["unit"]]:
                    shutil.copyfile(event["path"], zips / f"{name}.zip")

    def _function_names(self) -> dict[str, list[str]]:
        """Physical names by the service that they belong to: in the shop every service is one unit."""
        modules = json.loads((self.root / "main.tf.json").read_text())["module"]
        return {
            name: [function["function_name"] for function in module["service"]["functions"].values()]
            for name, module in modules.items()
            if "service" in module and "functions" in module["service"]
        }


def by_hand(workspace: Path, environment: str, environ: Mapping[str, str]) -> ByHand:
    """Copy and change the root. The environment's bucket is there afterwards, and nothing else of it."""
    run([PENSTOCK, "deploy", "-e", environment, "--plan-only"], cwd=workspace, env=environ)
    copied = ByHand(workspace=workspace, environment=environment, env=shell(workspace, environment, environ))
    copied.root.parent.mkdir(parents=True)
    shutil.copytree(workspace / "infra" / "modules", workspace / "byhand" / "modules")
    shutil.copytree(workspace / "infra" / "environments" / environment, copied.root, symlinks=True)
    main = workspace / "byhand" / "modules" / "lambda_service" / "main.tf"
    text = main.read_text()
    for pattern, new in ((FUNCTION_IGNORES, "\n"), (ALIAS_IGNORES, "\n"), (FROM_BUCKET, FROM_FILE)):
        text, count = pattern.subn(lambda _, new=new: new, text)  # type: ignore[misc]
        assert count == 1, f"the module has changed: {pattern.pattern}"
    old = 'function_version = "$LATEST"'
    assert old in text
    machine = "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64"
    text = text.replace(old, "function_version = aws_lambda_function.this[each.value.function].version")
    main.write_text(text.replace("[each.value.architecture]", f'["{machine}"]'))
    copied.load()
    return copied


def shell(workspace: Path, environment: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a shell after `eval "$(penstock env -e ENVIRONMENT)"`."""
    said = subprocess.run(
        ["bash", "-c", 'eval "$("$0" env -e "$1")" && env -0', PENSTOCK, environment],
        cwd=workspace,
        env=dict(environ),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(entry.split("=", 1) for entry in said.split("\0") if entry)
