"""The Node SDK that the embedded AWS supplies."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.node_sdk import link_node_sdk

if TYPE_CHECKING:
    from pathlib import Path


def package(folder: Path, **sections: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": folder.name, **sections}))


def install(folder: Path, name: str) -> None:
    """What a package manager puts there."""
    place = folder / "node_modules" / name
    place.mkdir(parents=True)
    (place / "package.json").write_text(json.dumps({"name": name, "version": "3.0.0", "main": "index.js"}))
    (place / "index.js").write_text(f"module.exports = {json.dumps(name)};\n")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text('[workspace]\nservices = ["services/*"]\npackages = ["packages/*"]\n')
    (tmp_path / "pnpm-lock.yaml").touch()
    package(tmp_path / "services" / "a", devDependencies={"@aws-sdk/client-s3": "3", "typescript": "5"})
    package(tmp_path / "packages" / "p", dependencies={"@smithy/types": "4"})
    return tmp_path


def test_only_what_lambda_supplies_is_linked_and_before_it_is_installed(workspace: Path) -> None:
    folder = link_node_sdk(workspace, workspace / ".penstock" / "node-sdk")
    links = {str(path.relative_to(folder)): path.readlink() for path in folder.rglob("*") if path.is_symlink()}
    assert links == {
        "node_modules/@aws-sdk/client-s3": workspace / "services" / "a" / "node_modules" / "@aws-sdk" / "client-s3",
        "node_modules/@smithy/types": workspace / "packages" / "p" / "node_modules" / "@smithy" / "types",
    }


def test_with_npm_packages_are_those_of_the_root(workspace: Path) -> None:
    (workspace / "pnpm-lock.yaml").unlink()
    folder = link_node_sdk(workspace, workspace / "sdk")
    assert (folder / "node_modules" / "@aws-sdk" / "client-s3").readlink().is_relative_to(workspace / "node_modules")


def test_a_second_time_changes_nothing_and_a_moved_package_is_followed(workspace: Path) -> None:
    folder = link_node_sdk(workspace, workspace / "sdk")
    link = folder / "node_modules" / "@aws-sdk" / "client-s3"
    before = link.lstat().st_mtime_ns
    link_node_sdk(workspace, workspace / "sdk")
    assert link.lstat().st_mtime_ns == before
    package(workspace / "services" / "a")
    package(workspace / "services" / "b", dependencies={"@aws-sdk/client-s3": "3"})
    link_node_sdk(workspace, workspace / "sdk")
    assert link.readlink().parts[-4] == "b"


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_manifest_is_for_the_build_to_tell(workspace: Path, text: str) -> None:
    (workspace / "services" / "a" / "package.json").write_text(text)
    assert link_node_sdk(workspace, workspace / "sdk").is_dir()


@pytest.mark.parametrize(
    "text", ["workspace = 5", "[workspace]\nservices = 5", '[workspace]\nservices = ["../*", "/*", ""]', "["]
)
def test_a_broken_workspace_is_for_validate_to_tell(workspace: Path, text: str) -> None:
    (workspace / "penstock.toml").write_text(text)
    assert link_node_sdk(workspace, workspace / "sdk").is_dir()


def test_a_module_far_from_the_workspace_resolves_through_it(workspace: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on the path")
    folder = link_node_sdk(workspace, workspace / "sdk")
    install(workspace / "services" / "a", "@aws-sdk/client-s3")
    code = folder / "code" / "app.mjs"
    code.parent.mkdir()
    code.write_text('import name from "@aws-sdk/client-s3"; console.log(name);\n')
    shown = subprocess.run([node, str(code)], capture_output=True, text=True, check=True)
    assert shown.stdout == "@aws-sdk/client-s3\n"
