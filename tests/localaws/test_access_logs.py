"""Access logs of stages, and what metric filters make of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from localaws.harness import REGION, Account

from penstock.localaws.access_logs import rendered

if TYPE_CHECKING:
    from localaws.harness import Server

FORMAT = {
    "api": "$context.apiId",
    "canary": "$context.isCanaryRequest",
    "deployment": "$context.deploymentId",
    "error": "$context.error.responseType",
    "function": "$context.integration.status",
    "integration": "$context.integrationLatency",
    "latency": "$context.responseLatency",
    "length": "$context.responseLength",
    "requestId": "$context.requestId",
    "route": "$context.httpMethod $context.resourcePath",
    "stage": "$context.stage",
    "status": "$context.status",
    "time": "$context.requestTimeEpoch",
}
ANSWERS = """
def handler(event, context):
    if event["httpMethod"] == "GET" and (event.get("queryStringParameters") or {}).get("fail"):
        return {"statusCode": 503, "body": "later"}
    return {"statusCode": 200, "body": "fine"}
"""


@pytest.fixture
def shop(account: Account) -> dict[str, str]:
    """An API whose live stage writes an access log; slot blue and green run the same code."""
    name = f"shop-{account.number}"
    arn = account.function("users", ANSWERS, Publish=True)
    for slot in ("blue", "green"):
        account.client("lambda").create_alias(FunctionName="users", Name=slot, FunctionVersion="1")
    api = account.api(name, arn, paths=["/users/{id}"])
    for slot in ("blue", "green"):
        account.permit("users", slot, api)
    account.client("logs").create_log_group(logGroupName="calls")
    account.may_log()
    gateway = account.client("apigateway")
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName="live", deploymentId=deployment, variables={"slot": "blue"})
    patch(
        account,
        api,
        ("replace", "/accessLogSettings/destinationArn", f"arn:aws:logs:{REGION}:{account.number}:log-group:calls"),
        ("replace", "/accessLogSettings/format", json.dumps(FORMAT)),
    )
    return {"name": name, "api": api, "deployment": deployment}


def patch(account: Account, api: str, *operations: tuple[str, str, str]) -> None:
    account.client("apigateway").update_stage(
        restApiId=api,
        stageName="live",
        patchOperations=[{"op": kind, "path": path, "value": value} for kind, path, value in operations],
    )


def lines(account: Account, group: str = "calls") -> list[dict[str, Any]]:
    events = account.client("logs").filter_log_events(logGroupName=group)["events"]
    return [json.loads(event["message"]) for event in events]


def test_each_request_is_a_line_in_the_stages_format(account: Account, server: Server, shop: dict[str, str]) -> None:
    server.call(f"/@{shop['name']}/users/7")
    server.call(f"/@{shop['name']}/users/7?fail=1")
    server.call(f"/@{shop['name']}/nowhere")
    good, bad, lost = lines(account)
    assert good | {"requestId": "", "time": "", "integration": "", "latency": ""} == {
        "api": shop["api"],
        "canary": "-",
        "deployment": shop["deployment"],
        "error": "-",
        "function": "200",
        "integration": "",
        "latency": "",
        "length": "4",
        "requestId": "",
        "route": "GET /users/{id}",
        "stage": "live",
        "status": "200",
        "time": "",
    }
    assert int(good["latency"]) >= int(good["integration"]) >= 0
    assert abs(int(good["time"]) / 1000 - time.time()) < 60
    assert good["requestId"] != bad["requestId"]
    assert (bad["status"], bad["function"]) == ("503", "503")
    assert (lost["status"], lost["error"], lost["function"]) == ("403", "MISSING_AUTHENTICATION_TOKEN", "-")


def test_a_line_tells_the_side_while_there_is_a_canary_and_a_canarys_lines_are_kept_apart_too(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    account.client("logs").create_log_group(logGroupName="calls/Canary")
    canary = account.client("apigateway").create_deployment(restApiId=shop["api"])["id"]
    patch(
        account,
        shop["api"],
        ("replace", "/canarySettings/deploymentId", canary),
        ("replace", "/canarySettings/percentTraffic", "50"),
    )
    for _ in range(24):
        server.call(f"/@{shop['name']}/users/7")
    told = lines(account)
    assert {(line["canary"], line["deployment"]) for line in told} == {
        ("false", shop["deployment"]),
        ("true", canary),
    }
    assert lines(account, "calls/Canary") == [line for line in told if line["canary"] == "true"]


def test_metric_filters_count_requests_and_server_errors_by_route_and_side(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    logs = account.client("logs")
    for metric, pattern in (("Requests", '{ $.status = "*" }'), ("ServerErrors", "{ $.status >= 500 }")):
        logs.put_metric_filter(
            logGroupName="calls",
            filterName=metric,
            filterPattern=pattern,
            metricTransformations=[
                {
                    "metricName": metric,
                    "metricNamespace": "Calls",
                    "metricValue": "1",
                    "dimensions": {"Canary": "$.canary", "Route": "$.route"},
                }
            ],
        )
    patch(account, shop["api"], ("replace", "/canarySettings/percentTraffic", "100"))
    for query in ("", "", "?fail=1"):
        server.call(f"/@{shop['name']}/users/7{query}")
    now = time.time()
    found = {
        metric: account.client("cloudwatch").get_metric_statistics(
            Namespace="Calls",
            MetricName=metric,
            Dimensions=[{"Name": "Canary", "Value": "true"}, {"Name": "Route", "Value": "GET /users/{id}"}],
            StartTime=now - 120,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        for metric in ("Requests", "ServerErrors")
    }
    assert {metric: sum(point["Sum"] for point in points) for metric, points in found.items()} == {
        "Requests": 3.0,
        "ServerErrors": 1.0,
    }


def test_a_variable_without_a_value_is_a_dash() -> None:
    assert rendered("$context.status $context.identity.user [$context.path]\n", {"status": "200"}) == "200 - [-]"
