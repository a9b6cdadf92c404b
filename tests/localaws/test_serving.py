"""API Gateway: PutRestApi, deployments as snapshots, stage variables, canaries, short URLs, AWS_IAM methods."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from localaws.harness import ECHO, REGION, SECRET, Account

if TYPE_CHECKING:
    from localaws.harness import Server


@pytest.fixture
def shop(account: Account) -> dict[str, str]:
    """An API with a live stage on slot blue (release one); slot green is release two."""
    name = f"shop-{account.number}"
    arn = account.function("users", ECHO % "one")
    client = account.client("lambda")
    client.create_alias(
        FunctionName="users", Name="blue", FunctionVersion=client.publish_version(FunctionName="users")["Version"]
    )
    client.create_alias(FunctionName="users", Name="green", FunctionVersion=account.release("users", ECHO % "two"))
    api = account.api(name, arn)
    for slot in ("blue", "green"):
        account.permit("users", slot, api)
    gateway = account.client("apigateway")
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName="live", deploymentId=deployment, variables={"slot": "blue"})
    return {"name": name, "api": api, "function": arn, "deployment": deployment}


def test_the_slot_of_the_stage_variable_answers_and_sees_its_alias_and_its_version(
    server: Server, shop: dict[str, str]
) -> None:
    status, body = server.call(f"/@{shop['name']}/users")

    assert (status, body["release"]) == (200, "one")
    assert body["arn"] == f"{shop['function']}:blue"
    assert body["version"] == "1"
    assert body["event"]["stageVariables"] == {"slot": "blue"}
    assert body["event"]["requestContext"]["stage"] == "live"


def test_moving_the_stage_variable_moves_all_traffic_in_one_action(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    account.client("apigateway").update_stage(
        restApiId=shop["api"],
        stageName="live",
        patchOperations=[{"op": "replace", "path": "/variables/slot", "value": "green"}],
    )

    assert {server.call(f"/@{shop['name']}/users")[1]["release"] for _ in range(5)} == {"two"}


def test_a_stage_serves_its_deployment_not_the_draft(account: Account, server: Server, shop: dict[str, str]) -> None:
    account.put(shop["api"], shop["name"], shop["function"], paths=["/orders"])

    assert server.call(f"/@{shop['name']}/users")[0] == 200
    assert server.call(f"/@{shop['name']}/orders")[0] == 403
    gateway = account.client("apigateway")
    fresh = gateway.create_deployment(restApiId=shop["api"])["id"]
    gateway.update_stage(
        restApiId=shop["api"],
        stageName="live",
        patchOperations=[{"op": "replace", "path": "/deploymentId", "value": fresh}],
    )
    assert server.call(f"/@{shop['name']}/users")[0] == 403
    assert server.call(f"/@{shop['name']}/orders")[0] == 200


def test_a_canary_takes_its_share_with_its_own_deployment_and_slot(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    account.put(shop["api"], shop["name"], shop["function"], paths=["/users", "/orders"])
    gateway = account.client("apigateway")
    gateway.create_deployment(
        restApiId=shop["api"],
        stageName="live",
        canarySettings={"percentTraffic": 30.0, "stageVariableOverrides": {"slot": "green"}, "useStageCache": False},
    )
    stage = gateway.get_stage(restApiId=shop["api"], stageName="live")
    assert stage["canarySettings"]["percentTraffic"] == 30.0
    assert stage["canarySettings"]["deploymentId"] != stage["deploymentId"] == shop["deployment"]

    seen = [server.call(f"/@{shop['name']}/users")[1]["release"] for _ in range(120)]
    assert 10 <= seen.count("two") <= 70  # 36 expected; outside once in a million runs
    routed = [server.call(f"/@{shop['name']}/orders") for _ in range(60)]
    assert {body["release"] for status, body in routed if status == 200} == {"two"}, "a new route comes with its code"
    assert any(status == 403 for status, _ in routed)


def test_promoting_a_canary_by_the_documented_operations_moves_slot_and_deployment(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    gateway = account.client("apigateway")
    canary = gateway.create_deployment(
        restApiId=shop["api"],
        stageName="live",
        canarySettings={"percentTraffic": 10.0, "stageVariableOverrides": {"slot": "green"}},
    )["id"]
    gateway.update_stage(
        restApiId=shop["api"],
        stageName="live",
        patchOperations=[
            {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
            {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
            {"op": "replace", "path": "/canarySettings/percentTraffic", "value": "0.0"},
        ],
    )
    promoted = gateway.update_stage(
        restApiId=shop["api"], stageName="live", patchOperations=[{"op": "remove", "path": "/canarySettings"}]
    )

    assert promoted["variables"] == {"slot": "green"}
    assert promoted["deploymentId"] == canary
    assert "canarySettings" not in promoted
    assert {server.call(f"/@{shop['name']}/users")[1]["release"] for _ in range(5)} == {"two"}


def patch(account: Account, shop: dict[str, str], *operations: dict[str, str]) -> Any:
    return account.client("apigateway").update_stage(
        restApiId=shop["api"], stageName="live", patchOperations=list(operations)
    )


def test_replacing_any_canary_setting_makes_a_canary_with_aws_defaults(account: Account, shop: dict[str, str]) -> None:
    made = patch(account, shop, {"op": "replace", "path": "/canarySettings/percentTraffic", "value": "50"})
    assert made["canarySettings"] == {
        "deploymentId": shop["deployment"],
        "percentTraffic": 50.0,
        "useStageCache": False,
    }
    assert "canarySettings" not in patch(account, shop, {"op": "remove", "path": "/canarySettings"})
    other = account.client("apigateway").create_deployment(restApiId=shop["api"])["id"]
    made = patch(account, shop, {"op": "replace", "path": "/canarySettings/deploymentId", "value": other})
    assert made["canarySettings"] == {"deploymentId": other, "percentTraffic": 0.0, "useStageCache": False}


# What AWS answered when it was asked: https://github.com/localstack/localstack, test_apigateway_canary.snapshot.json
@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (("add", "/canarySettings/percentTraffic", "5"), "Invalid add operation with path"),
        (("add", "/canarySettings/stageVariableOverrides/slot", "green"), "Invalid add operation with path"),
        (("replace", "/canarySettings/badPath", "x"), "Invalid method setting path: /canarySettings/badPath"),
        (("replace", "/canarySettings", "x"), "Invalid method setting path: /canarySettings"),
        (("remove", "/canarySettings/stageVariableOverrides", ""), "Cannot remove method setting"),
        (("remove", "/canarySettings/percentTraffic", ""), "Cannot remove method setting"),
        (("test", "/canarySettings/percentTraffic", "5"), "Invalid patch operation"),
        (("replace", "/canarySettings/useStageCache", "perhaps"), "Invalid boolean"),
        (("replace", "/canarySettings/deploymentId", "none"), "Invalid deployment id"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_only_documented_operations_touch_a_canary(
    account: Account, shop: dict[str, str], operation: tuple[str, str, str], told: str
) -> None:
    kind, path, value = operation
    with pytest.raises(ClientError, match="BadRequestException") as refused:
        patch(
            account,
            shop,
            {"op": "replace", "path": "/variables/slot", "value": "green"},
            {"op": kind, "path": path, **({"value": value} if value else {})},
        )
    assert told in str(refused.value)
    stage = account.client("apigateway").get_stage(restApiId=shop["api"], stageName="live")
    assert (stage["variables"], "canarySettings" in stage) == ({"slot": "blue"}, False), "all or nothing"


def test_promotion_needs_a_canary_and_copies_from_it_alone(account: Account, shop: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="Promotion not available"):
        patch(account, shop, {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"})
    patch(account, shop, {"op": "replace", "path": "/canarySettings/percentTraffic", "value": "5"})
    with pytest.raises(ClientError, match="Invalid copy operation"):
        patch(account, shop, {"op": "copy", "from": "/variables", "path": "/canarySettings/stageVariableOverrides"})


@pytest.mark.parametrize("stage", ["", "nowhere"])
def test_a_canary_deployment_needs_a_stage_that_is_there(account: Account, shop: dict[str, str], stage: str) -> None:
    with pytest.raises(ClientError, match="Invalid deployment content"):
        account.client("apigateway").create_deployment(
            restApiId=shop["api"], stageName=stage, canarySettings={"percentTraffic": 5.0}
        )


@pytest.mark.parametrize("percent", ["-1", "100.5", "many"])
def test_a_canary_share_outside_0_to_100_is_refused(account: Account, shop: dict[str, str], percent: str) -> None:
    with pytest.raises(ClientError, match="BadRequestException"):
        account.client("apigateway").update_stage(
            restApiId=shop["api"],
            stageName="live",
            patchOperations=[{"op": "replace", "path": "/canarySettings/percentTraffic", "value": percent}],
        )


def test_a_deployment_in_use_cannot_be_deleted_and_an_unknown_one_cannot_be_used(
    account: Account, shop: dict[str, str]
) -> None:
    gateway = account.client("apigateway")
    with pytest.raises(ClientError, match="Active stages"):
        gateway.delete_deployment(restApiId=shop["api"], deploymentId=shop["deployment"])
    with pytest.raises(ClientError, match="Invalid deployment id"):
        gateway.update_stage(
            restApiId=shop["api"],
            stageName="live",
            patchOperations=[{"op": "replace", "path": "/deploymentId", "value": "none"}],
        )


def test_put_rest_api_keeps_the_ids_of_paths_that_stay(account: Account, shop: dict[str, str]) -> None:
    gateway = account.client("apigateway")
    before = {item["path"]: item["id"] for item in gateway.get_resources(restApiId=shop["api"])["items"]}
    account.put(shop["api"], shop["name"], shop["function"], paths=["/users", "/users/{id}"])
    after = {item["path"]: item["id"] for item in gateway.get_resources(restApiId=shop["api"])["items"]}

    assert after == {**before, "/users/{id}": after["/users/{id}"]}


def test_what_is_not_an_openapi_document_is_refused(account: Account, shop: dict[str, str]) -> None:
    for body in (b"[]", b"{}", b"not json"):
        with pytest.raises(ClientError, match="BadRequestException"):
            account.client("apigateway").put_rest_api(restApiId=shop["api"], mode="overwrite", body=body)


def test_api_gateway_needs_a_permission_for_the_very_alias(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    client = account.client("lambda")
    client.remove_permission(FunctionName="users", Qualifier="blue", StatementId="api")

    assert server.call(f"/@{shop['name']}/users") == (500, {"message": "Internal server error"})
    client.add_permission(
        FunctionName="users",
        Qualifier="blue",
        StatementId="elsewhere",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{account.number}:{shop['api']}/preview/*",
    )
    assert server.call(f"/@{shop['name']}/users")[0] == 500, "the permission names another stage"
    account.permit("users", "blue", shop["api"])
    assert server.call(f"/@{shop['name']}/users")[0] == 200


@pytest.mark.parametrize(
    "code",
    [
        "def handler(event, context):\n    raise RuntimeError('secret reason')\n",
        "def handler(event, context):\n    return {'hello': 'world'}\n",
        "import nothing_of_that_name\n",
    ],
    ids=["raises", "malformed answer", "does not load"],
)
def test_a_failing_function_is_502_without_its_reason(
    account: Account, server: Server, shop: dict[str, str], code: str
) -> None:
    version = account.release("users", code)
    account.client("lambda").update_alias(FunctionName="users", Name="blue", FunctionVersion=version)

    assert server.call(f"/@{shop['name']}/users") == (502, {"message": "Internal server error"})


def test_an_aws_iam_method_answers_signed_calls_only(account: Account, other_account: Account, server: Server) -> None:
    name = f"preview-{account.number}"
    arn = account.function("users", ECHO % "one", Publish=True)
    account.client("lambda").create_alias(FunctionName="users", Name="blue", FunctionVersion="1")
    api = account.api(name, arn, security=True)
    account.permit("users", "blue", api)
    gateway = account.client("apigateway")
    gateway.create_stage(
        restApiId=api,
        stageName="preview",
        deploymentId=gateway.create_deployment(restApiId=api)["id"],
        variables={"slot": "blue"},
    )
    path = f"/@{name}:preview/users"
    assert server.call(path)[0] == 403

    user = account.client("iam")
    user.create_user(UserName="caller")
    key = user.create_access_key(UserName="caller")["AccessKey"]
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert signed(server, path, credentials)[0] == 403, "known, but not allowed"
    user.put_user_policy(
        UserName="caller",
        PolicyName="invoke",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": f"arn:aws:execute-api:{REGION}:{account.number}:{api}/preview/GET/users",
                    }
                ],
            }
        ),
    )
    assert signed(server, path, credentials)[0] == 200
    assert signed(server, path, Credentials(key["AccessKeyId"], "wrong"))[0] == 403
    assert signed(server, path, Credentials(account.number, SECRET))[0] == 200
    assert signed(server, path, Credentials(other_account.number, SECRET))[0] == 403


def signed(server: Server, path: str, credentials: Credentials) -> tuple[int, Any]:
    request = AWSRequest("GET", server.url + path)
    SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
    return server.call(path, dict(request.headers.items()))


def test_an_unknown_short_url_says_so(server: Server) -> None:
    assert server.call("/@nobody/users") == (404, {"message": "no API is named 'nobody'"})


def test_curl_reaches_the_api(server: Server, shop: dict[str, str]) -> None:
    with urllib.request.urlopen(f"{server.url}/@{shop['name']}/users?a=1&a=2") as response:
        event = json.load(response)["event"]

    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["path"] == "/users"


def test_a_stage_has_access_logs_only_while_it_is_given_some(account: Account) -> None:
    api = account.api(f"logs-{account.number}", account.function("users", ECHO % "one"))
    gateway = account.client("apigateway")
    deployment = gateway.create_deployment(restApiId=api)["id"]
    stage = {"restApiId": api, "stageName": "live"}
    assert "accessLogSettings" not in gateway.create_stage(**stage, deploymentId=deployment)

    destination = {
        "op": "replace",
        "path": "/accessLogSettings/destinationArn",
        "value": f"arn:aws:logs:{REGION}:{account.number}:log-group:calls",
    }
    with pytest.raises(ClientError, match="CloudWatch Logs role ARN must be set in account settings"):
        gateway.update_stage(**stage, patchOperations=[destination])
    account.may_log()
    gateway.update_stage(**stage, patchOperations=[destination])
    assert gateway.get_stage(**stage)["accessLogSettings"] == {"destinationArn": destination["value"]}

    gateway.update_stage(**stage, patchOperations=[{"op": "remove", "path": "/accessLogSettings"}])
    assert "accessLogSettings" not in gateway.get_stage(**stage)


def limit(account: Account, api: str, rate: str, burst: str) -> None:
    given = {"rateLimit": rate, "burstLimit": burst}
    account.client("apigateway").update_stage(
        restApiId=api,
        stageName="live",
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in given.items()
        ],
    )


def test_a_limit_of_minus_one_is_no_limit_and_one_of_zero_refuses_all(
    account: Account, server: Server, shop: dict[str, str]
) -> None:
    limit(account, shop["api"], "-1", "-1")
    assert server.call(f"/@{shop['name']}/users")[0] == 200
    limit(account, shop["api"], "0", "0")
    assert server.call(f"/@{shop['name']}/users")[0] == 429


def test_a_stage_lets_a_burst_through_and_then_its_rate(account: Account, server: Server, shop: dict[str, str]) -> None:
    path = f"/@{shop['name']}/users"
    server.call(path)  # the function is up
    limit(account, shop["api"], "0.05", "3")
    assert [server.call(path)[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    limit(account, shop["api"], "2", "3")
    until = time.monotonic() + 10
    while (status := server.call(path)[0]) == 429 and time.monotonic() < until:
        time.sleep(0.05)
    assert status == 200
