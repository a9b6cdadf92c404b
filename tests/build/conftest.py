"""A small real workspace for every test that asks for `site`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build.sites import COMMON, Site, python_service, service, workspace

from penstock.model.workspace import Package

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A uv workspace: services `users` (with the shared package, idna and boto3) and `orders` (with nothing)."""
    made = Site(
        tmp_path,
        workspace(
            service("orders", {"api": "orders.app.handler", "worker": "orders.app.handler"}),
            service("users", "users.app.handler"),
            packages=(Package(name="common", path="packages/common", language="python"),),
        ),
    )
    made.write(
        {
            "pyproject.toml": (
                '[project]\nname = "w"\nversion = "1"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
                '[tool.uv.workspace]\nmembers = ["services/*", "packages/*"]\n'
            ),
            **COMMON,
            **python_service("users", "common", "boto3"),
            **python_service("orders"),
        }
    )
    made.uv_lock()
    return made
