"""Terraform with the real provider gets clean plans for everything that the product renders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from localaws.terraform_run import Step


@pytest.mark.terraform
def test_after_an_apply_nothing_is_left_to_change_and_destroy_works(terraform_run: Future[list[Step]] | None) -> None:
    assert terraform_run is not None
    steps = terraform_run.result(timeout=400)
    if not steps:
        pytest.skip("neither terraform nor tofu is on this machine")
    outputs = {step.name: step.output for step in steps}
    codes = {step.name: step.code for step in steps}

    assert codes == {"init": 0, "apply": 0, "plan": 0, "destroy": 0}, steps[-1].output[-6000:]
    assert "No changes. Your infrastructure matches the configuration." in outputs["plan"]
