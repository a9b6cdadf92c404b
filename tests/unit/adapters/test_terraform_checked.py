"""A provider that `init` has checked is taken as it is by the commands after it, and by nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.terraform import TerraformCli
from penstock.adapters.terraform_checked import SUMMARY, is_about_it, trusting
from penstock.adapters.terraform_mirror import this_platform
from penstock.model.errors import PenstockError
from penstock.model.events import Event, Note

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


class Events:
    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        self.seen.append(event)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "infra" / "environments" / "dev"
    folder.mkdir(parents=True)
    return folder


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


def test_an_override_of_somebody_elses_is_still_warned_of() -> None:
    assert is_about_it(SUMMARY, "- hashicorp/aws in /w/.terraform/providers/registry/hashicorp/aws")
    assert not is_about_it(SUMMARY, "- hashicorp/aws in /home/me/terraform-provider-aws")
    assert not is_about_it("Deprecated attribute", "/.terraform/providers/")


@pytest.mark.terraform
def test_what_init_refuses_is_refused_whatever_comes_after_trusts(root: Path, tmp_path: Path) -> None:
    (root / "main.tf").write_text(ROOT)
    events = Events()
    terraform = TerraformCli(workspace=tmp_path, environ=os.environ, overrides={}, events=events, checks_once=True)
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "p", variables={})
    terraform.apply(root, plan.path)
    assert "s3:GetObject" in (root / "terraform.tfstate").read_text()
    assert [event.text for event in events.seen if isinstance(event, Note)] == []
    if terraform.cli_config.parent.name == "terraform":  # else whoever wrote the configuration decides
        assert (tmp_path / ".penstock/terraform/dev/checked.tfrc").is_file()

    lock = root / ".terraform.lock.hcl"
    wrong = "".join(line for line in lock.read_text().splitlines(keepends=True) if '"h1:' not in line)
    lock.write_text(wrong.replace("hashes = [", 'hashes = [\n    "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'))
    with pytest.raises(PenstockError, match="checksums"):
        terraform.prepare(root)
