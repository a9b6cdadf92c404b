"""Finding Terraform: which program, how old it may be, and what is said when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.adapters.terraform_program import find_program
from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, name: str, version: str) -> Path:
    """A program that says it is that version, and writes down that it was asked."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        f"#!/bin/sh\necho asked >> '{folder}/asked'\necho Warning\necho '{{\"terraform_version\": \"{version}\"}}'\n"
    )
    program.chmod(0o755)
    return program


def path_of(*folders: Path) -> dict[str, str]:
    return {"PATH": ":".join([*map(str, folders), "/usr/bin", "/bin"])}


def test_terraform_is_taken_before_tofu(tmp_path: Path) -> None:
    install(tmp_path / "bin", "tofu", "1.12.0")
    terraform = install(tmp_path / "bin", "terraform", "1.11.4")
    found = find_program(path_of(tmp_path / "bin"), tmp_path / "memory.json")
    assert (found.path, str(found)) == (terraform, "Terraform 1.11.4")
    assert found.registry == "registry.terraform.io"


def test_a_new_tofu_is_taken_when_terraform_is_too_old(tmp_path: Path) -> None:
    install(tmp_path / "bin", "terraform", "1.5.7")
    install(tmp_path / "bin", "tofu", "1.11.0-rc1")
    found = find_program(path_of(tmp_path / "bin"), tmp_path / "memory.json")
    assert str(found) == "OpenTofu 1.11.0-rc1"
    assert found.registry == "registry.opentofu.org"


def test_one_that_is_too_old_is_named_with_its_version_and_what_to_install(tmp_path: Path) -> None:
    program = install(tmp_path / "bin", "terraform", "1.10.5")
    with pytest.raises(ToolMissing) as caught:
        find_program({"PATH": str(tmp_path / "bin")}, tmp_path / "memory.json")
    assert f"{program} is 1.10.5" in caught.value.what
    assert "install Terraform ≥ 1.11" in caught.value.hint
    assert caught.value.exit_code == 1


def test_none_at_all_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as caught:
        find_program({"PATH": str(tmp_path)}, tmp_path / "memory.json")
    assert caught.value.what == "neither `terraform` nor `tofu` is on the path"
    assert "OpenTofu" in caught.value.hint


def test_the_one_that_was_named_is_taken_and_no_other(tmp_path: Path) -> None:
    install(tmp_path / "bin", "terraform", "1.14.0")
    named = install(tmp_path / "else where", "my-terraform", "1.11.1")
    environ = path_of(tmp_path / "bin") | {"PENSTOCK_TERRAFORM": str(named)}
    assert find_program(environ, tmp_path / "memory.json").path == named


def test_a_named_one_that_is_not_there_is_an_error_even_when_another_is(tmp_path: Path) -> None:
    install(tmp_path / "bin", "terraform", "1.14.0")
    environ = path_of(tmp_path / "bin") | {"PENSTOCK_TERRAFORM": "/nowhere/terraform"}
    with pytest.raises(ToolMissing) as caught:
        find_program(environ, tmp_path / "memory.json")
    assert caught.value.where == "PENSTOCK_TERRAFORM"


def test_a_program_is_asked_for_its_version_once_and_again_after_an_update(tmp_path: Path) -> None:
    memory = tmp_path / "own" / "memory.json"
    environ = path_of(tmp_path / "bin")
    install(tmp_path / "bin", "terraform", "1.11.4")
    for _ in range(3):
        find_program(environ, memory)
    assert (tmp_path / "bin" / "asked").read_text() == "asked\n"
    install(tmp_path / "bin", "terraform", "1.13.10")
    assert find_program(environ, memory).version == "1.13.10"


def test_a_folder_that_cannot_be_written_only_costs_the_memory(tmp_path: Path) -> None:
    install(tmp_path / "bin", "terraform", "1.11.4")
    (tmp_path / "file").touch()
    assert find_program(path_of(tmp_path / "bin"), tmp_path / "file" / "memory.json").version == "1.11.4"
