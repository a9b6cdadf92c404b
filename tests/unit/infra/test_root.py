from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.infra import zoo

from penstock.infra.digest import config_digest
from penstock.infra.hcl import literal
from penstock.infra.openapi import api_digest, api_document, resource_count
from penstock.infra.render import RESERVED, render_root, root_text
from penstock.model.errors import UsageError
from penstock.model.gates import Webhook
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Concurrency, EventSource, Function, Route, Secret, Statement, Uses, Workspace

ROUTES = (Route("GET", "/users/{id}"), Route("ANY", "/files/{proxy+}"), Route("POST", "/users"))


def with_function(**changes: Any) -> tuple[Workspace, Function]:
    function = dataclasses.replace(zoo.function(), **changes)
    return zoo.workspace(zoo.service("users", function)), function


@given(st.text())
def test_terraform_reads_a_literal_word_for_word(text: str) -> None:
    escaped = literal(text)
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", escaped.replace("$${", "").replace("%%{", ""))
    assert escaped.replace("$${", "${").replace("%%{", "%{") == text


def test_keys_are_literals_too() -> None:
    assert literal({"${a}": ["%{b}", 1, None, True]}) == {"$${a}": ["%%{b}", 1, None, True]}


def test_nothing_of_the_root_depends_on_the_order_of_things() -> None:
    users, orders = zoo.service("users"), zoo.service("orders")
    forwards, backwards = zoo.workspace(users, orders), zoo.workspace(orders, users)
    assert root_text(render_root(forwards)) == root_text(render_root(backwards))


def test_the_text_is_sorted_json_and_ends_with_a_newline() -> None:
    text = root_text(render_root(zoo.workspace()))
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_each_service_is_a_module_of_its_own_name() -> None:
    root = render_root(zoo.workspace(zoo.service("users"), zoo.service("orders")))
    assert {"users", "orders"} <= set(root["module"])


def test_the_api_depends_on_no_service_so_that_one_can_be_destroyed_alone() -> None:
    root = render_root(zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES))))
    shared = {name: body for name, body in root["module"].items() if name != "users"}
    assert "module.users" not in json.dumps(shared)


@pytest.mark.parametrize("name", [*RESERVED, "table_users", "secret_key"])
def test_a_service_may_not_take_the_name_of_a_module_of_ours(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        render_root(zoo.workspace(zoo.service(name)))


def test_without_routes_there_is_no_api_because_aws_refuses_an_empty_one() -> None:
    root = render_root(zoo.workspace())
    assert "rest_api" not in root["module"]
    assert "output" not in root


def test_no_output_follows_what_a_release_moves() -> None:
    root = render_root(zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES))))
    assert "pointer" not in json.dumps(root["output"])


def test_terraform_refuses_every_account_but_the_environments() -> None:
    root = render_root(zoo.workspace())
    assert root["provider"]["aws"]["allowed_account_ids"] == [zoo.ACCOUNT]
    assert root["terraform"]["backend"]["s3"]["allowed_account_ids"] == [zoo.ACCOUNT]


def test_path_style_is_for_endpoints_of_ones_own() -> None:
    local = zoo.workspace()
    aws = dataclasses.replace(local, environment=dataclasses.replace(local.environment, endpoint=None))
    assert render_root(local)["provider"]["aws"]["s3_use_path_style"] is True
    assert "s3_use_path_style" not in render_root(aws)["provider"]["aws"]
    assert "use_path_style" not in render_root(aws)["terraform"]["backend"]["s3"]


def test_the_document_has_every_route_with_its_placeholders() -> None:
    paths = api_document(zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES))))["paths"]
    assert list(paths) == ["/files/{proxy+}", "/users", "/users/{id}"]
    assert list(paths["/files/{proxy+}"]) == ["x-amazon-apigateway-any-method"]
    assert paths["/files/{proxy+}"]["x-amazon-apigateway-any-method"]["parameters"][0]["name"] == "proxy"
    uri = paths["/users"]["post"]["x-amazon-apigateway-integration"]["uri"]
    assert uri.endswith(":function:shop-dev-users:${stageVariables.slot}/invocations")


def test_the_documents_digest_changes_with_the_routes_only() -> None:
    before = zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES)))
    bigger = zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES, memory=512)))
    fewer = zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES[:2])))
    assert api_digest(before) == api_digest(bigger)
    assert api_digest(before) != api_digest(fewer)


def test_resources_are_counted_as_api_gateway_counts_them() -> None:
    assert resource_count(zoo.workspace(zoo.service("users", zoo.function(routes=ROUTES)))) == len(
        ["/", "/users", "/users/{id}", "/files", "/files/{proxy+}"]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"memory": 512},
        {"timeout": 11},
        {"runtime": "python3.12"},
        {"handler": "b.c"},
        {"env": {"A": "1"}},
        {"layers": ("x",)},
        {"architecture": "x86_64"},
        {"tracing": True},
        {"ephemeral": 1024},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_version_freezes_changes_the_configurations_digest(change: dict[str, Any]) -> None:
    assert config_digest(*with_function(**change)) != config_digest(*with_function())


@pytest.mark.parametrize(
    "change",
    [
        {"log_retention": 30},
        {"routes": ROUTES},
        {"concurrency": Concurrency(reserved=3)},
        {"on": (EventSource(kind="schedule", source="rate(1 hour)"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_version_does_not_freeze_leaves_it_alone(change: dict[str, Any]) -> None:
    assert config_digest(*with_function(**change)) == config_digest(*with_function())


def test_two_sources_of_one_kind_get_two_names() -> None:
    on = (EventSource(kind="schedule", source="rate(1 hour)"), EventSource(kind="schedule", source="rate(2 hours)"))
    workspace, _ = with_function(on=on)
    sources = render_root(workspace)["module"]["users"]["service"]["functions"]["users"]["event_sources"]
    assert sources == {
        "schedule": {"kind": "schedule", "schedule": "rate(1 hour)"},
        "schedule-2": {"kind": "schedule", "schedule": "rate(2 hours)"},
    }


def test_a_policy_that_iam_would_refuse_is_refused_with_its_size() -> None:
    many = tuple(
        Statement(actions=("s3:GetObject",), resources=(f"arn:aws:s3:::a-bucket-of-many-{number}/*",), reason="many")
        for number in range(120)
    )
    with pytest.raises(UsageError, match=r"IAM takes 10240"):
        render_root(zoo.workspace(zoo.service("users", uses=Uses(statements=many))))


@pytest.mark.parametrize("resource", ["*", "arn:aws:*"])
def test_everything_of_a_fenced_service_is_refused_because_it_would_open_the_fence_for_all(resource: str) -> None:
    statement = Statement(actions=("s3:GetObject",), resources=(resource,), reason="lazy")
    with pytest.raises(UsageError, match="beyond this environment"):
        render_root(asking(statement))


def test_an_action_that_knows_no_other_resource_than_everything_leaves_the_fence_closed() -> None:
    statement = Statement(actions=("cloudwatch:PutMetricData",), resources=("*",), reason="metrics")
    assert "*" not in render_root(asking(statement))["module"]["boundary"]["own"]


def asking(statement: Statement) -> Workspace:
    service = dataclasses.replace(zoo.service("users", zoo.function()), uses=Uses(statements=(statement,)))
    return zoo.workspace(service)


def test_the_controller_may_read_the_secrets_of_webhooks_and_no_other() -> None:
    found = zoo.workspace(zoo.service("users"))
    hook = Webhook(name="qa", url="https://qa.example.com", when="promotion", headers={"Authorization": "token"})
    policy = RolloutPolicy(strategy="canary", webhooks=(dataclasses.replace(hook, secret="key"),))
    secrets = tuple(Secret(name=name, physical=f"shop/dev/{name}") for name in ("key", "other", "token"))
    environment = dataclasses.replace(found.environment, rollout=policy)
    controller = render_root(dataclasses.replace(found, environment=environment, secrets=secrets))["module"][
        "controller"
    ]
    where = f"arn:aws:secretsmanager:{environment.region}:{environment.account}:secret:shop/dev"
    assert controller["secrets"] == [f"{where}/key-??????", f"{where}/token-??????"]


@pytest.mark.parametrize(
    ("policy", "are_made"),
    [
        (RolloutPolicy(strategy="canary"), True),
        (RolloutPolicy(strategy="blue-green", bake=600.0), True),
        (RolloutPolicy(strategy="blue-green"), False),
    ],
)
def test_alarms_that_take_a_release_back_are_made_where_somebody_looks_at_them(
    policy: RolloutPolicy, are_made: bool
) -> None:
    workspace = zoo.workspace()
    environment = dataclasses.replace(workspace.environment, rollout=policy)
    root = render_root(dataclasses.replace(workspace, environment=environment))
    assert root["module"]["observability"].get("rollouts", False) is are_made
