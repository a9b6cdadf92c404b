"""Who may be those that call a function around its alias, by what the workspace says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.release.shop import a_workspace

from penstock.model.workspace import EnvValue, Statement, TerraformReference, Uses, Workspace
from penstock.operations.bypass import who_may_bypass
from penstock.rollout.traffic import Callers


def with_uses(workspace: Workspace, name: str, uses: Uses) -> Workspace:
    services = (replace(one, uses=uses) if one.name == name else one for one in workspace.services)
    return replace(workspace, services=tuple(services))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:InvokeFunction", "*"),
        ("Lambda:Invoke*", "arn:aws:lambda:*:*:function:shop-dev-*"),
        ("lambda:*", "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-users"),
        ("*", "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-users:*"),
        ("lambda:InvokeFunction", TerraformReference(expression="data.aws_lambda_function.users.arn")),
    ],
)
def test_who_may_call_a_function_by_its_name_has_a_statement_for_it(action: str, resource: EnvValue) -> None:
    statement = Statement(actions=(action,), resources=(resource,), reason="reports")
    found = who_may_bypass(with_uses(a_workspace(), "worker", Uses(services=("orders",), statements=(statement,))))
    assert found["shop-dev-users"] == Callers(others=("worker",))
    assert found["shop-dev-orders"].users == ("worker",)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:GetFunction", "*"),
        ("s3:*", "*"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-users:live"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111111111111:function:shop-dev-orders"),
    ],
)
def test_who_may_do_something_else_or_to_another_one_is_no_caller_of_it(action: str, resource: str) -> None:
    statement = Statement(actions=(action,), resources=(resource,), reason="reports")
    assert (
        who_may_bypass(with_uses(a_workspace(), "worker", Uses(statements=(statement,))))["shop-dev-users"] == Callers()
    )
