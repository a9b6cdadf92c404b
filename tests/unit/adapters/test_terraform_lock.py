"""The lock file of a new root: one that works on every platform."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from penstock.adapters.terraform import TerraformCli
from penstock.adapters.terraform_lock import KNOWN_VERSION, LINUX_AMD64, ZIPS, seed_lock
from penstock.adapters.terraform_mirror import this_platform
from penstock.adapters.terraform_program import Program
from penstock.model.errors import ToolMissing
from penstock.testing.events import RecordedEvents

TERRAFORM = Program(path=Path("/usr/bin/terraform"), version="1.11.4")
TOFU = Program(path=Path("/usr/bin/tofu"), version="1.11.0")


def test_a_new_root_gets_the_checksums_of_all_platforms(tmp_path: Path) -> None:
    assert seed_lock(tmp_path, TERRAFORM)
    text = (tmp_path / ".terraform.lock.hcl").read_text()
    assert f'version = "{KNOWN_VERSION}"' in text
    assert len(set(re.findall(r'"zh:([0-9a-f]{64})"', text))) == len(ZIPS) == 15


def test_a_lock_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / ".terraform.lock.hcl").write_text("mine")
    assert not seed_lock(tmp_path, TERRAFORM)
    assert (tmp_path / ".terraform.lock.hcl").read_text() == "mine"


def test_opentofu_makes_its_own(tmp_path: Path) -> None:
    assert not seed_lock(tmp_path, TOFU)
    assert not (tmp_path / ".terraform.lock.hcl").exists()


@pytest.mark.terraform
@pytest.mark.skipif(this_platform() != "linux_amd64", reason="the checksum of the unpacked package is that platform's")
def test_init_from_a_mirror_accepts_the_lock_and_leaves_it_as_it_is(root: Path, tmp_path: Path) -> None:
    (root / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    )
    terraform = TerraformCli(workspace=tmp_path, environ=os.environ, overrides={}, events=RecordedEvents())
    terraform.prepare(root)
    text = (root / ".terraform.lock.hcl").read_text()
    assert LINUX_AMD64 in text
    assert all(f"zh:{digest}" in text for digest in ZIPS)
    by_hand = subprocess.run(
        [str(terraform.program.path), "init", "-input=false", "-lockfile=readonly"],
        cwd=root,
        env=terraform.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert by_hand.returncode == 0, by_hand.stderr


@pytest.mark.terraform
def test_a_provider_that_cannot_be_had_says_where_it_was_looked_for_and_what_to_set(root: Path, tmp_path: Path) -> None:
    (root / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    own = tmp_path / "rc"
    own.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{empty}"\n  }}\n}}\n')
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": str(own)}
    terraform = TerraformCli(workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents())
    with pytest.raises(ToolMissing) as caught:
        terraform.prepare(root)
    assert "Terraform cannot get its provider" in caught.value.what
    assert "PENSTOCK_TERRAFORM_MIRROR" in caught.value.hint
    assert caught.value.exit_code == 1
    assert not (root / ".terraform.lock.hcl").exists()
