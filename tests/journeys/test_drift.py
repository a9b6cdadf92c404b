"""Somebody changes things by hand in the console: Terraform tells, for every kind of resource that the shop has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from journeys.shop import well

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from journeys.shop import Shop

USERS = "shop-dev-user_service"
STREAM = (
    'module.notification_service.module.event_source["worker/stream-orders"].aws_lambda_event_source_mapping.this[0]'
)
OPEN_TO_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}],
}
ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}

Drift = tuple[str, "Callable[[Shop], object]"]


def _patch(name: str, value: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": name, "value": value}]


def _api(shop: Shop, name: str) -> str:
    apis = shop.client("apigateway").get_rest_apis(limit=500)["items"]
    return next(str(api["id"]) for api in apis if api["name"] == name)


def _boundary(shop: Shop) -> object:
    iam = shop.client("iam")
    (policy,) = iam.list_policies(Scope="Local")["Policies"]
    document = json.dumps(OPEN_TO_ALL)
    return iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document, SetAsDefault=True)


def _spare_deployment(shop: Shop) -> object:
    """Take the deployment that Terraform made first; the stage serves one of the engine's by now."""
    gateway = shop.client("apigateway")
    api = _api(shop, "shop-dev")
    deployments = gateway.get_deployments(restApiId=api)["items"]
    first = next(found["id"] for found in deployments if found.get("description") == "first")
    return gateway.delete_deployment(restApiId=api, deploymentId=first)


def _mapping(shop: Shop) -> object:
    functions = shop.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    return functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=99)


DRIFTS: Mapping[str, Drift] = {
    "aws_api_gateway_deployment": ("module.rest_api.aws_api_gateway_deployment.live", _spare_deployment),
    "aws_api_gateway_rest_api": (
        "module.rest_api.aws_api_gateway_rest_api.preview",
        lambda shop: shop.client("apigateway").update_rest_api(
            restApiId=_api(shop, "shop-dev-preview"), patchOperations=_patch("/description", "mine now")
        ),
    ),
    "aws_api_gateway_stage": (
        "module.rest_api.aws_api_gateway_stage.live",
        lambda shop: shop.client("apigateway").update_stage(
            restApiId=_api(shop, "shop-dev"), stageName="live", patchOperations=_patch("/variables/slot", "blue")
        ),
    ),
    "aws_cloudwatch_log_group": (
        'module.user_service.aws_cloudwatch_log_group.this["user_service"]',
        lambda shop: shop.client("logs").put_retention_policy(logGroupName=f"/aws/lambda/{USERS}", retentionInDays=1),
    ),
    "aws_dynamodb_table": (
        "module.table_users.aws_dynamodb_table.this",
        lambda shop: shop.client("dynamodb").tag_resource(
            ResourceArn="arn:aws:dynamodb:eu-west-1:111111111111:table/shop-dev-users",
            Tags=[{"Key": "team", "Value": "another"}],
        ),
    ),
    "aws_iam_policy": ("module.boundary.aws_iam_policy.this", _boundary),
    "aws_iam_role": (
        "module.user_service.aws_iam_role.this",
        lambda shop: shop.client("iam").update_assume_role_policy(RoleName=USERS, PolicyDocument=json.dumps(ANYBODY)),
    ),
    "aws_iam_role_policy": (
        "module.order_service.aws_iam_role_policy.this",
        lambda shop: shop.client("iam").put_role_policy(
            RoleName="shop-dev-order_service", PolicyName="service", PolicyDocument=json.dumps(OPEN_TO_ALL)
        ),
    ),
    "aws_lambda_alias": (
        'module.order_service.aws_lambda_alias.this["order_service/live"]',
        lambda shop: shop.client("lambda").delete_alias(FunctionName="shop-dev-order_service", Name="live"),
    ),
    "aws_lambda_event_source_mapping": (STREAM, _mapping),
    "aws_lambda_function": (
        'module.user_service.aws_lambda_function.this["user_service"]',
        lambda shop: shop.client("lambda").update_function_configuration(FunctionName=USERS, MemorySize=1024),
    ),
    "aws_lambda_permission": (
        'module.user_service.aws_lambda_permission.http["user_service/green/live"]',
        lambda shop: shop.client("lambda").remove_permission(
            FunctionName=USERS, Qualifier="green", StatementId="api-live-green"
        ),
    ),
    "aws_secretsmanager_secret": (
        "module.secret_notification_token.aws_secretsmanager_secret.this",
        lambda shop: shop.client("secretsmanager").tag_resource(
            SecretId="shop/dev/notification_token", Tags=[{"Key": "team", "Value": "another"}]
        ),
    ),
    "aws_ssm_parameter": (
        "module.pointer.aws_ssm_parameter.pointer",
        lambda shop: shop.client("ssm").add_tags_to_resource(
            ResourceType="Parameter",
            ResourceId="/penstock/shop/dev/pointer",
            Tags=[{"Key": "team", "Value": "another"}],
        ),
    ),
}
"""For every type of resource: one of them by its address, and what somebody does to it."""


def test_drift_of_every_kind_of_resource_is_found_and_nothing_else(shop: Shop) -> None:
    listed = well(shop.terraform("state", "list")).stdout.split("\n")
    kinds = {kind for line in listed for kind in line.split(".") if kind.startswith("aws_") and ".data." not in line}
    assert kinds == set(DRIFTS), "every kind of resource that the shop has is drifted here"

    for _, drift in DRIFTS.values():
        drift(shop)

    planned = shop.terraform("plan", "-detailed-exitcode", "-no-color", "-input=false", "-out=drift.tfplan")
    assert planned.status == 2, planned
    document = json.loads(well(shop.terraform("show", "-json", "drift.tfplan")).stdout)
    found, drifted = _changes(document), {address for address, _ in DRIFTS.values()}
    assert found == drifted, f"not found: {sorted(drifted - found)}; found besides: {sorted(found - drifted)}"

    well(shop.terraform("apply", "-no-color", "-input=false", "drift.tfplan"))
    assert shop.plans_nothing()


def _changes(document: Mapping[str, Any]) -> set[str]:
    """Addresses of everything that a plan would change."""
    return {
        change["address"]
        for change in document["resource_changes"]
        if change["mode"] == "managed" and change["change"]["actions"] != ["no-op"]
    }
