from __future__ import annotations

import pytest
from unit.infra import zoo

from penstock.infra.grants import ACTIONS, POLICY_LIMIT, grants, policy_size, rendered_grants
from penstock.model.errors import UsageError
from penstock.model.workspace import Access, Statement, TerraformReference, Uses

ORDERS = "arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-orders"


def granted(uses: Uses) -> dict[tuple[str, str], set[str]]:
    """(Sid, resource) → actions of a service that owns nothing."""
    service = zoo.service("guest", uses=uses)
    cells: dict[tuple[str, str], set[str]] = {}
    for statement in grants(zoo.workspace(zoo.service(), service), service):
        for resource in statement["Resource"]:
            cells[statement["Sid"], resource] = set(statement["Action"])
    return cells


def test_a_service_that_uses_nothing_may_do_nothing() -> None:
    assert granted(Uses()) == {}


@pytest.mark.parametrize(
    ("level", "verbs"),
    [
        ("read", {"BatchGetItem", "DescribeTable", "GetItem", "Query", "Scan"}),
        ("check", {"ConditionCheckItem"}),
        ("write", {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}),
    ],
)
def test_an_access_level_is_a_published_list_of_actions(level: Access, verbs: set[str]) -> None:
    assert granted(Uses(tables={"orders": level})) == {("TableOrders", ORDERS): {f"dynamodb:{verb}" for verb in verbs}}


def test_read_write_is_read_and_check_and_write() -> None:
    parts = set(ACTIONS["table read"]) | set(ACTIONS["table check"]) | set(ACTIONS["table write"])
    assert granted(Uses(tables={"orders": "read-write"})) == {("TableOrders", ORDERS): parts}


def test_reading_includes_a_tables_indexes_and_writing_does_not() -> None:
    users = "arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-users"
    assert {resource for _, resource in granted(Uses(tables={"users": "read"}))} == {users, f"{users}/index/*"}
    assert {resource for _, resource in granted(Uses(tables={"users": "write"}))} == {users}


def test_what_a_service_owns_it_reads_and_writes() -> None:
    workspace = zoo.workspace()
    (statement,) = grants(workspace, workspace.service("users"))
    assert tuple(statement["Action"]) == ACTIONS["table read-write"]


def test_one_line_of_uses_changes_exactly_its_own_cells() -> None:
    without = granted(Uses(tables={"orders": "read"}))
    with_secret = granted(Uses(tables={"orders": "read"}, secrets=("key",)))
    assert set(with_secret) - set(without) == {
        ("SecretKey", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:shop/dev/key-??????")
    }
    assert {key: with_secret[key] for key in without} == without


def test_no_derived_statement_reaches_every_resource() -> None:
    everything = granted(
        Uses(tables={"users": "read-write"}, queues=("outbox",), secrets=("key",), services=("users",))
    )
    assert all(resource.startswith("arn:aws:") and "shop" in resource for _, resource in everything)


def test_a_used_service_may_be_called_through_its_aliases_only() -> None:
    assert {resource.rsplit(":", 1)[1] for _, resource in granted(Uses(services=("users",)))} == {
        "blue",
        "green",
        "live",
    }


def test_statements_on_the_users_own_terraform_are_rendered_but_cannot_be_kept_with_a_release() -> None:
    uses = Uses(
        statements=(
            Statement(
                actions=("es:ESHttpGet",),
                resources=(TerraformReference("aws_opensearch_domain.search.arn"),),
                reason="search",
            ),
        )
    )
    service = zoo.service("guest", uses=uses)
    workspace = zoo.workspace(service)
    assert grants(workspace, service) == ()
    assert rendered_grants(workspace, service)[0]["Resource"] == ["${aws_opensearch_domain.search.arn}"]


@pytest.mark.parametrize("expression", ['file("/etc/passwd")', "a.b} ${c.d", "a", "a.b + c.d", "", "a.b\n"])
def test_a_reference_that_is_more_than_a_path_is_refused(expression: str) -> None:
    uses = Uses(
        statements=(Statement(actions=("s3:GetObject",), resources=(TerraformReference(expression),), reason="x"),)
    )
    service = zoo.service("guest", uses=uses)
    with pytest.raises(UsageError, match="is not a reference"):
        rendered_grants(zoo.workspace(service), service)


def test_two_things_of_one_name_get_distinct_sids() -> None:
    statement = Statement(actions=("s3:GetObject",), resources=("arn:aws:s3:::a/*",), reason="a")
    service = zoo.service("guest", uses=Uses(queues=("outbox",), statements=(statement, statement)))
    sids = [one["Sid"] for one in grants(zoo.workspace(service), service)]
    assert len(sids) == len(set(sids))


def test_the_size_of_a_policy_is_measured_as_iam_does() -> None:
    statement = {"Action": ["a:B"], "Effect": "Allow", "Resource": ["arn"], "Sid": "A"}
    one = policy_size([statement])
    assert one == len(
        '{"Version":"2012-10-17","Statement":[{"Action":["a:B"],"Effect":"Allow","Resource":["arn"],"Sid":"A"}]}'
    )
    assert policy_size([statement] * 200) > POLICY_LIMIT
