"""Terraform with the real provider gets clean plans for everything that the product renders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from localaws.terraform_run import Step


@pytest.mark.terraform
def test_apply_is_clean_drift_is_seen_and_destroy_leaves_nothing(terraform_run: Future[list[Step]] | None) -> None:
    assert terraform_run is not None
    steps = terraform_run.result(timeout=400)
    if not steps:
        pytest.skip("neither terraform nor tofu is on this machine")
    outputs = {step.name: step.output for step in steps}
    codes = {step.name: step.code for step in steps}

    assert codes == {"init": 0, "apply": 0, "plan": 0, "drift": 2, "destroy": 0}, steps[-1].output[-6000:]
    assert "No changes. Your infrastructure matches the configuration." in outputs["plan"]
    for address in (
        "aws_cloudwatch_log_group.api",
        "aws_dynamodb_table.users",
        "aws_lambda_function.api",
        "aws_ssm_parameter.pointer",
        "aws_iam_role_policy.api",
        "aws_cloudwatch_composite_alarm.any",
        "aws_api_gateway_rest_api.api",
    ):
        assert f"# {address} " in outputs["drift"]
