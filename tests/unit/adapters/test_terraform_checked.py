"""A provider that `init` has checked is taken as it is by the commands after it, and by nothing else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.terraform import TerraformCli
from penstock.adapters.terraform_checked import SUMMARY, trusting
from penstock.adapters.terraform_messages import Progress
from penstock.adapters.terraform_mirror import this_platform
from penstock.api.wiring import Wiring
from penstock.model.errors import PenstockError
from penstock.model.events import Note
from penstock.testing.events import RecordedEvents

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = "registry.terraform.io"
ROOT = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "nobody"
  secret_key                  = "nobody"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}
data "aws_iam_policy_document" "one" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
}
resource "terraform_data" "one" {
  input = data.aws_iam_policy_document.one.json
}
"""


def installed(root: Path, version: str) -> Path:
    package = root / ".terraform/providers" / REGISTRY / "hashicorp/aws" / version / this_platform()
    package.mkdir(parents=True)
    return package


@pytest.mark.parametrize("own", ["", 'provider_installation {\n  filesystem_mirror {\n    path = "/m"\n  }\n}\n'])
def test_the_configuration_says_beside_all_else_where_the_package_is(own: str, root: Path, tmp_path: Path) -> None:
    package = installed(root, "5.100.0")
    (tmp_path / "cli.tfrc").write_text(own)
    found = trusting(tmp_path / "cli.tfrc", root, REGISTRY, tmp_path / "scratch")
    assert found is not None
    text = found.read_text()
    assert f'"{REGISTRY}/hashicorp/aws" = "{package}"' in text
    assert text.count("provider_installation") == 1
    assert text.count("{") == text.count("}")
    assert ("filesystem_mirror" in text) == bool(own)


def test_of_two_versions_terraform_finds_the_right_one_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cli.tfrc").touch()
    assert trusting(tmp_path / "cli.tfrc", root, REGISTRY, tmp_path) is None, "nothing is installed"
    installed(root, "5.99.0")
    installed(root, "5.100.0")
    assert trusting(tmp_path / "cli.tfrc", root, REGISTRY, tmp_path) is None


def test_only_who_was_told_to_trust_does(root: Path, tmp_path: Path) -> None:
    installed(root, "5.100.0")
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    lines = {"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": SUMMARY, "detail": ""}}
    for checks_once in (False, True):
        terraform = TerraformCli(
            workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents(), checks_once=checks_once
        )
        told = terraform.environment_in(root)["TF_CLI_CONFIG_FILE"]
        assert (told != str(terraform.cli_config)) == checks_once
        assert (Progress("plan", trusting=checks_once).event(lines) is None) == checks_once
    (tmp_path / ".terraformrc").write_text("provider_installation {\n  direct {}\n}\n")
    theirs = TerraformCli(workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents(), checks_once=True)
    assert theirs.environment_in(root)["TF_CLI_CONFIG_FILE"] == str(tmp_path / ".terraformrc")


@pytest.mark.parametrize(("endpoint", "trusts"), [('"local"', True), ('"http://127.0.0.1:1"', False), (None, False)])
def test_commands_trust_in_the_embedded_aws_and_nowhere_else(
    endpoint: str | None, root: Path, tmp_path: Path, *, trusts: bool
) -> None:
    installed(root, "5.100.0")
    said = f"endpoint = {endpoint}\n" if endpoint else ""
    service = tmp_path / "services" / "users"
    service.mkdir(parents=True)
    (service / "service.toml").write_text('handler = "app.handler"\n')
    (service / "app.py").write_text("def handler(event, context): ...\n")
    (service / "requirements.txt").touch()
    (tmp_path / "penstock.toml").write_text(
        '[workspace]\nname = "demo"\nservices = ["services/*"]\n'
        f'[environments.dev]\naccount = "111111111111"\nregion = "eu-west-1"\n{said}'
    )
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    terraform = Wiring(tmp_path, "dev", events=RecordedEvents(), environ=environ).terraform
    assert (terraform.environment_in(root)["TF_CLI_CONFIG_FILE"] != str(terraform.cli_config)) == trusts


@pytest.mark.terraform
def test_what_init_refuses_is_refused_whatever_comes_after_trusts(root: Path, tmp_path: Path) -> None:
    (root / "main.tf").write_text(ROOT)
    events = RecordedEvents()
    environ = {**os.environ, "HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(tmp_path / "none")}
    terraform = TerraformCli(workspace=tmp_path, environ=environ, overrides={}, events=events, checks_once=True)
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "p", variables={})
    terraform.apply(root, plan.path)
    assert "s3:GetObject" in (root / "terraform.tfstate").read_text()
    assert [event.text for event in events.seen if isinstance(event, Note)] == []
    assert (tmp_path / ".penstock/terraform/dev/checked.tfrc").is_file()

    lock = root / ".terraform.lock.hcl"
    wrong = "".join(line for line in lock.read_text().splitlines(keepends=True) if '"h1:' not in line)
    lock.write_text(wrong.replace("hashes = [", 'hashes = [\n    "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'))
    with pytest.raises(PenstockError, match="checksums"):
        terraform.prepare(root)


@pytest.mark.terraform
def test_another_program_in_the_place_of_the_provider_is_checked_again(root: Path, tmp_path: Path) -> None:
    (root / "main.tf").write_text(ROOT)
    mirror = tmp_path / "mirror"
    environ = {**os.environ, "HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(tmp_path / "none")}
    environ.pop("PENSTOCK_TERRAFORM_MIRROR", None)
    real = TerraformCli(workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents())
    real.prepare(root)
    (package,) = (root / ".terraform/providers").glob("*/*/*/*/*")
    copied = mirror / package.relative_to(root / ".terraform/providers")
    shutil.copytree(package, copied, copy_function=os.link)
    shutil.rmtree(root / ".terraform")
    environ["PENSTOCK_TERRAFORM_MIRROR"] = str(mirror)
    terraform = TerraformCli(
        workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents(), checks_once=True
    )
    terraform.prepare(root)
    (program,) = copied.glob("terraform-provider-aws*")
    program.unlink()
    program.write_text("#!/bin/sh\n# somebody else's\n")
    program.chmod(0o755)
    with pytest.raises(PenstockError, match="checksums"):
        terraform.prepare(root)
