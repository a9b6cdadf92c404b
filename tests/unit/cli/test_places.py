"""Errors name files as they are called from where the person stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.cli.errors import error_text, seen_from
from penstock.model.errors import BuildFailed, BuildsFailed, Failure, Problem, WorkspaceInvalid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "examples" / "shop"
    (root / "services").mkdir(parents=True)
    (root / "uv.lock").touch()
    (root / "services" / "service.toml").touch()
    return root


def test_from_above_a_path_leads_down_and_the_command_names_the_workspace(root: Path, tmp_path: Path) -> None:
    error = BuildFailed("services/x is not in the lock", where="uv.lock", hint="then: uv lock --directory .")
    assert error_text(seen_from(error, root, tmp_path)) == (
        "error: services/x is not in the lock\n  at examples/shop/uv.lock\n  → then: uv lock --directory examples/shop"
    )


def test_from_below_it_leads_up_and_keeps_its_line(root: Path) -> None:
    error = BuildFailed("no", where="services/service.toml:12")
    assert seen_from(error, root, root / "services").where == "service.toml:12"
    error = BuildFailed("no", where="uv.lock:3")
    assert seen_from(error, root, root / "services").where == "../uv.lock:3"


def test_every_problem_of_a_workspace_is_placed(root: Path, tmp_path: Path) -> None:
    invalid = WorkspaceInvalid(
        (Problem(file="services/service.toml", line=2, what="no"), Problem(file="gone", what="no"))
    )
    assert error_text(seen_from(invalid, root, tmp_path)).splitlines()[:2] == [
        "examples/shop/services/service.toml:2: no",
        "gone: no",
    ]


def test_every_service_that_did_not_build_is_placed_and_so_is_what_a_compiler_said(root: Path, tmp_path: Path) -> None:
    failures = (
        Failure(names=("a", "b"), what="it is stale", where="uv.lock", hint="uv lock --directory ."),
        Failure(names=("c",), what="tsc:\nservices/service.toml:3:5: error\n  gone.ts:1: error"),
    )
    assert error_text(seen_from(BuildsFailed(failures, total=5), root, tmp_path)).splitlines() == [
        "error: 3 of 5 did not build:",
        "a, b: examples/shop/uv.lock: it is stale",
        "  → uv lock --directory examples/shop",
        "c: tsc:",
        "examples/shop/services/service.toml:3:5: error",
        "  gone.ts:1: error",
    ]


@pytest.mark.parametrize("where", ["dev:blue", "s3:PutObject bucket/lease.json", "/abs/uv.lock", "", "lease.json"])
def test_what_is_no_file_of_the_workspace_stays(root: Path, tmp_path: Path, where: str) -> None:
    assert seen_from(BuildFailed("no", where=where), root, tmp_path).where == where


def test_in_the_workspace_itself_nothing_changes(root: Path) -> None:
    error = BuildFailed("no", where="uv.lock", hint="uv lock --directory .")
    assert (seen_from(error, root, root).where, error.hint) == ("uv.lock", "uv lock --directory .")


def test_two_lists_of_what_failed_become_one_in_which_a_reason_stands_once() -> None:
    same = {"what": "its backend failed", "where": "packages/p"}
    packages = BuildsFailed((Failure(names=("p",), **same),), total=2)
    services = BuildsFailed((Failure(names=("a",), what="no"), Failure(names=("b", "c"), **same)), total=5)
    assert (packages + services).what.splitlines() == [
        "4 of 7 did not build:",
        "p, b, c: packages/p: its backend failed",
        "a: no",
    ]
    assert (packages.what, packages.where) == ("p: its backend failed", "packages/p")
