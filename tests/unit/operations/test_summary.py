"""A plan in few lines, for a log."""

from __future__ import annotations

from penstock.model.plan import FunctionMove, Plan, ResourceChange
from penstock.operations.summary import brief, counted


def test_a_brief_plan_counts_by_module_what_comes_and_names_what_goes() -> None:
    addresses = ("module.users.aws_iam_role.this", 'module.users.aws_lambda_alias.this["blue"]', "module.api.x.y")
    made = tuple(ResourceChange(address=address, type="x", action="create") for address in addresses)
    changed = ResourceChange(address="module.users.aws_lambda_function.this", type="x", action="update")
    gone = ResourceChange(address="module.table_old.aws_dynamodb_table.this", type="x", action="delete")
    plan = Plan(
        id="cee56d00fba8",
        environment="production",
        release="r1",
        base_release=None,
        changes=(*made, changed, gone),
        moves=(FunctionMove(key="users", artifact_before=None, artifact_after="ab" * 32, config_changed=True),),
        routes_changed=True,
        strategy="all-at-once",
        terraform_digest="",
    )
    assert brief(plan) == (
        "Plan cee56d00fba8 for production: release r1 over nothing\n"
        "    - module.table_old.aws_dynamodb_table.this\n"
        "    module.users: 2 to create, 1 to update\n"
        "    module.api: 1 to create\n"
        "    + users: ababababab\n"
        "  penstock plan -e production names every change"
    )


def test_one_of_a_kind_is_no_plural() -> None:
    assert (counted(1, "resource"), counted(0, "resource")) == ("1 resource", "0 resources")
