"""What the tests of several adapters begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for Terraform, where a workspace has its environment `dev`."""
    folder = tmp_path / "infra" / "environments" / "dev"
    folder.mkdir(parents=True)
    return folder
