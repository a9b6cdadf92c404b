"""Lambda: aliases and weights, versions, errors, logs, what a function finds around it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from localaws.harness import ECHO, Account, Server, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASE = """
def handler(event, context):
    return {"release": %r, "arn": context.invoked_function_arn, "version": context.function_version}
"""


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def versions(account: Account) -> dict[str, Any]:
    """A function with releases one and two published, and the alias ``live`` on one."""
    arn = account.function("f", RELEASE % "one")
    client = account.client("lambda")
    one = client.publish_version(FunctionName="f", Description="the first")["Version"]
    two = account.release("f", RELEASE % "two")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion=one)
    return {"arn": arn, "one": one, "two": two, "client": client}


def test_an_alias_runs_its_version_and_says_so(account: Account) -> None:
    f = versions(account)
    payload, answer = account.invoke("f", Qualifier="live")

    assert payload == {"release": "one", "arn": f"{f['arn']}:live", "version": "1"}
    assert answer["ExecutedVersion"] == "1"
    assert account.invoke("f")[0] == {"release": "two", "arn": f["arn"], "version": "$LATEST"}
    assert account.invoke(f"{f['arn']}:live")[0]["release"] == "one", "the qualifier may be in the ARN"


def test_weights_share_out_invocations(account: Account) -> None:
    f = versions(account)
    f["client"].update_alias(FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {f["two"]: 0.3}})
    seen = [account.invoke("f", Qualifier="live") for _ in range(120)]

    share = sum(payload["release"] == "two" for payload, _ in seen)
    assert 10 <= share <= 70  # 36 expected; outside once in a million runs
    assert all(payload["version"] == answer["ExecutedVersion"] for payload, answer in seen)
    assert {payload["arn"] for payload, _ in seen} == {f"{f['arn']}:live"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"FunctionVersion": "99"}, "ResourceNotFoundException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"99": 0.1}}}, "ResourceNotFoundException"),
        ({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}}, "InvalidParameterValueException"),
        (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
            "InvalidParameterValueException",
        ),
        ({"RevisionId": "stale", "FunctionVersion": "2"}, "PreconditionFailedException"),
    ],
)
def test_an_alias_update_that_aws_refuses_changes_nothing(account: Account, change: dict[str, Any], code: str) -> None:
    client = versions(account)["client"]
    before = client.get_alias(FunctionName="f", Name="live")
    with refused(code):
        client.update_alias(FunctionName="f", Name="live", **change)

    after = client.get_alias(FunctionName="f", Name="live")
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}


def test_an_alias_update_with_the_current_revision_gets_a_new_one(account: Account) -> None:
    client = versions(account)["client"]
    before = client.get_alias(FunctionName="f", Name="live")["RevisionId"]
    after = client.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=before)

    assert after["FunctionVersion"] == "2"
    assert after["RevisionId"] != before


def test_publishing_without_a_change_gives_the_version_that_is_there(account: Account) -> None:
    f = versions(account)
    again = f["client"].publish_version(FunctionName="f", Description="not taken")
    assert again["Version"] == f["two"]

    account.release("f", RELEASE % "two")  # the same bytes, uploaded again
    assert f["client"].publish_version(FunctionName="f")["Version"] == f["two"]
    f["client"].update_function_configuration(FunctionName="f", MemorySize=512)
    assert f["client"].publish_version(FunctionName="f")["Version"] == "3"


def test_a_version_keeps_its_description_code_and_configuration(account: Account) -> None:
    f = versions(account)
    f["client"].update_function_configuration(FunctionName="f", Environment={"Variables": {"NEW": "1"}}, Timeout=9)
    first = f["client"].get_function_configuration(FunctionName="f", Qualifier="1")

    assert first["Description"] == "the first"
    assert first["Timeout"] == 3
    assert "Environment" not in first or not first["Environment"].get("Variables")
    assert first["CodeSha256"] == sha256(RELEASE % "one")
    assert first["FunctionArn"] == f"{f['arn']}:1"
    listed = f["client"].list_versions_by_function(FunctionName="f")["Versions"]
    assert [v["Version"] for v in listed] == ["$LATEST", "1", "2"]


def sha256(code: str) -> str:
    return base64.b64encode(hashlib.sha256(zipped({"app.py": code})).digest()).decode()


def test_publishing_checks_digest_and_revision(account: Account) -> None:
    f = versions(account)
    with refused("InvalidParameterValueException"):
        f["client"].publish_version(FunctionName="f", CodeSha256=sha256("other"))
    with refused("PreconditionFailedException"):
        f["client"].publish_version(FunctionName="f", RevisionId="stale")
    updated = f["client"].update_function_code(
        FunctionName="f", ZipFile=zipped({"app.py": RELEASE % "three"}), Architectures=["arm64"]
    )
    assert updated["LastUpdateStatus"] == "InProgress"
    f["client"].get_waiter("function_updated_v2").wait(FunctionName="f")
    current = f["client"].get_function_configuration(FunctionName="f")
    third = f["client"].publish_version(
        FunctionName="f", CodeSha256=sha256(RELEASE % "three"), RevisionId=current["RevisionId"]
    )
    assert (third["Version"], third["Architectures"]) == ("3", ["arm64"])
    with refused("PreconditionFailedException"):
        f["client"].update_function_code(
            FunctionName="f", ZipFile=zipped({"app.py": "pass"}), RevisionId=updated["RevisionId"] + "0"
        )


def test_a_version_that_an_alias_uses_cannot_be_deleted(account: Account) -> None:
    client = versions(account)["client"]
    with refused("ResourceConflictException"):
        client.delete_function(FunctionName="f", Qualifier="1")
    client.delete_function(FunctionName="f", Qualifier="2")
    with refused("ResourceNotFoundException"):
        client.get_function_configuration(FunctionName="f", Qualifier="2")


def test_code_that_is_not_in_s3_makes_no_function(account: Account) -> None:
    account.bucket(f"b-{account.number}")
    with refused("NoSuchKey"):
        account.client("lambda").create_function(
            FunctionName="f",
            Role=account.role(),
            Runtime="python3.11",
            Handler="app.handler",
            Code={"S3Bucket": f"b-{account.number}", "S3Key": "none.zip"},
        )
    with refused("ResourceNotFoundException"):
        account.client("lambda").get_function(FunctionName="f")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("def handler(event, context):\n    raise KeyError('id')\n", "KeyError", "'id'"),
        ("import none_such\n", "Runtime.ImportModuleError", "Unable to import module 'app': No module named"),
        ("def other(event, context): ...\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("import os\ndef handler(e, c):\n    os._exit(3)\n", "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c):\n    return object()\n", "Runtime.MarshalError", "Unable to marshal response"),
        (
            "import time\ndef handler(e, c):\n    time.sleep(30)\n",
            "Sandbox.Timedout",
            "Task timed out after 1.00 seconds",
        ),
    ],
)
def test_errors_are_those_of_lambda(account: Account, code: str, kind: str, message: str) -> None:
    account.function("f", code, Timeout=1)
    payload, answer = account.invoke("f", LogType="Tail")

    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "REPORT RequestId" in tail
    if kind == "KeyError":
        assert any("raise KeyError" in frame for frame in payload["stackTrace"])
        assert "Traceback" in tail


def test_the_next_invocation_after_a_failure_works(account: Account) -> None:
    account.function("f", "import os\ndef handler(e, c):\n    os._exit(1) if e.get('die') else None\n    return 'ok'\n")
    assert account.invoke("f")[0] == "ok"
    assert account.invoke("f", {"die": True})[1]["FunctionError"] == "Unhandled"
    assert account.invoke("f")[0] == "ok"


def test_a_function_finds_its_role_and_nothing_of_the_host(account: Account) -> None:
    role = account.role("mine", {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"})
    account.function("f", ECHO % "one", role, Environment={"Variables": {"OWN": "1", "AWS_REGION": "x"}})
    environment = json.loads(account.invoke("f")[0]["body"])["environment"]

    assert environment["OWN"] == "1"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert environment["AWS_ENDPOINT_URL"] == account.server.url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "AWS_PROFILE" not in environment
    assert "must-not-leak" not in json.dumps(environment)
    assert {"HOME", "AUTH", "STATE_DIR", "VIRTUAL_ENV"}.isdisjoint(environment)


SDK = """
import boto3, botocore, sys
def handler(event, context):
    try:
        import pydantic
        others = True
    except ImportError:
        others = False
    return {"boto3": boto3.__file__, "others": others, "path": sys.path,
            "who": boto3.client("sts").get_caller_identity()["Arn"], "python": sys.version_info[:2]}
"""


def test_the_sdk_stands_at_the_end_of_the_path_and_nothing_else_of_the_server_is_there(account: Account) -> None:
    account.function("f", SDK)
    found = account.invoke("f")[0]

    assert found["path"][-1] == str(Path(found["boto3"]).parents[1])
    assert found["others"] is False
    assert found["who"] == f"arn:aws:sts::{account.number}:assumed-role/role-f/f"
    account.client("lambda").update_function_code(
        FunctionName="f",
        ZipFile=zipped(
            {"app.py": "import boto3\ndef handler(e, c):\n    return boto3.MINE\n", "boto3.py": "MINE = 1\n"}
        ),
    )
    assert account.invoke("f")[0] == 1, "what the function brings comes first"


def test_the_declared_python_runs_the_function_or_the_error_says_how_to_get_it(account: Account) -> None:
    code = "import sys\ndef handler(event, context):\n    return '%d.%d' % sys.version_info[:2]\n"
    for version in ("3.11", "3.12", "3.13"):
        account.function(f"f{version[2:]}", code, Runtime=f"python{version}")
        payload, answer = account.invoke(f"f{version[2:]}")
        if "FunctionError" in answer:
            assert f"--interpreter python{version}=PATH" in payload["errorMessage"]
        else:
            assert payload == version
    account.function("f39", code, Runtime="python3.9")
    payload, _ = account.invoke("f39")
    assert payload == "3.9" or "uv python install 3.9" in payload["errorMessage"]


NODE_ESM = """
import { createRequire } from "node:module";
export const handler = async (event, context) => {
  console.log("hello", event.name);
  return { name: event.name, arn: context.invokedFunctionArn, version: context.functionVersion,
           left: context.getRemainingTimeInMillis() > 0 };
};
"""
NODE_CJS = "exports.handler = (event, context, callback) => callback(null, { name: event.name });\n"
NODE_FAILS = "exports.handler = async () => { throw new TypeError('no'); };\n"


@pytest.mark.parametrize(("file", "code"), [("index.mjs", NODE_ESM), ("index.js", NODE_CJS)])
def test_node_runs_es_modules_and_commonjs(
    account: Account, program: Callable[[str], str], file: str, code: str
) -> None:
    program("node")
    node(account, file, code)
    payload, answer = account.invoke("f", {"name": "Ada"}, LogType="Tail")

    assert "FunctionError" not in answer, payload
    assert payload["name"] == "Ada"
    if file == "index.mjs":
        assert payload["version"] == "$LATEST"
        assert "hello Ada" in base64.b64decode(answer["LogResult"]).decode()


def node(account: Account, file: str, code: str) -> None:
    account.client("lambda").create_function(
        FunctionName="f",
        Role=account.role("node"),
        Runtime="nodejs22.x",
        Handler="index.handler",
        Code={"ZipFile": zipped({file: code})},
    )


def test_node_errors_are_those_of_lambda(account: Account, program: Callable[[str], str]) -> None:
    program("node")
    node(account, "index.js", NODE_FAILS)
    payload, answer = account.invoke("f")
    assert (payload["errorType"], payload["errorMessage"]) == ("TypeError", "no")
    assert answer["FunctionError"] == "Unhandled"
    account.client("lambda").update_function_code(
        FunctionName="f", ZipFile=zipped({"index.js": "require('none-such');\n"})
    )
    assert account.invoke("f")[0]["errorType"] == "Runtime.ImportModuleError"


def test_the_node_sdk_resolves_in_both_module_systems(tmp_path: Path, program: Callable[[str], str]) -> None:
    program("node")
    package = tmp_path / "sdk" / "node_modules" / "@aws-sdk" / "client-s3"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@aws-sdk/client-s3", "version": "3.0.0", "main": "index.js"}')
    (package / "index.js").write_text("exports.S3 = 'theirs';\n")
    server = Server(tmp_path / "state", options=["--node-sdk", str(tmp_path / "sdk")])
    server.start()
    try:
        account = Account(server, "111111111111")
        node(account, "index.mjs", 'import { S3 } from "@aws-sdk/client-s3";\nexport const handler = async () => S3;\n')
        assert account.invoke("f")[0] == "theirs"
        account.client("lambda").update_function_code(
            FunctionName="f",
            ZipFile=zipped({"index.js": 'exports.handler = async () => require("@aws-sdk/client-s3").S3;\n'}),
        )
        assert account.invoke("f")[0] == "theirs"
    finally:
        server.end()


def test_logs_reach_cloudwatch_and_json_format_gives_platform_records(account: Account) -> None:
    code = "def handler(event, context):\n    print('noticed', event['n'])\n"
    account.function("f", code)
    account.invoke("f", {"n": 7})
    logs = account.client("logs")
    messages = [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]]
    assert messages[0].startswith("START RequestId: ")
    assert messages[1] == "noticed 7"
    assert messages[2].startswith("END RequestId: ")
    assert re.match(r"REPORT RequestId: \S+\tDuration: [\d.]+ ms\t.*Init Duration: ", messages[3])

    account.client("lambda").update_function_configuration(FunctionName="f", LoggingConfig={"LogFormat": "JSON"})
    account.invoke("f", {"n": 8})
    records = [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]][4:]
    assert [json.loads(r)["type"] for r in (records[0], records[-1])] == ["platform.start", "platform.report"]


def test_large_events_and_answers_pass(account: Account) -> None:
    account.function("f", "def handler(event, context):\n    print('x' * 200_000)\n    return event['text'] * 2\n")
    payload, _ = account.invoke("f", {"text": "ä" * 500_000})

    assert payload == "ä" * 1_000_000


def test_invocations_of_one_function_run_side_by_side(account: Account) -> None:
    code = "import os, time\ndef handler(event, context):\n    time.sleep(1.5)\n    return os.getpid()\n"
    account.function("f", code, Timeout=30)
    with ThreadPoolExecutor(3) as pool:
        processes = list(pool.map(lambda _: account.invoke("f")[0], range(3)))

    assert len(set(processes)) == 3, "one after the other would have used one process"


def test_reserved_concurrency_holds_for_aliases_too(account: Account) -> None:
    client = versions(account)["client"]
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    for qualifier in ("live", "$LATEST"):
        with refused("TooManyRequestsException"):
            client.invoke(FunctionName="f", Qualifier=qualifier)


def test_function_processes_end_with_the_server(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    account.function("f", "import os, time\ndef handler(e, c):\n    return os.getpid()\n")
    pid = account.invoke("f")[0]
    assert Path(f"/proc/{pid}").exists()
    assert own_server.process is not None
    own_server.end(signal.SIGKILL)

    until = time.monotonic() + 3
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_secrets_are_in_no_log_and_on_no_command_line(account: Account, server: Server) -> None:
    secret = "correct-horse-battery"
    account.client("secretsmanager").create_secret(Name=f"s-{account.number}", SecretString=secret)
    code = (
        "import boto3\ndef handler(e, c):\n    print(e['secret'])\n"
        "    return boto3.client('secretsmanager').get_secret_value(SecretId=e['id'])['SecretString']\n"
    )
    role = account.role("r", {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"})
    account.function("f", code, role)
    assert account.invoke("f", {"secret": secret, "id": f"s-{account.number}"})[0] == secret

    assert secret not in server.log.read_text()
    assert server.process is not None
    pids = [server.process.pid, *children(server.process.pid)]
    assert len(pids) > 1
    for pid in pids:
        for name in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split() if os.path.exists(f"/proc/{child}")]  # noqa: PTH110


def test_a_queue_and_a_stream_reach_the_alias(account: Account) -> None:
    f = account.function(
        "f",
        "import boto3, json, os\n"
        "def handler(event, context):\n"
        "    for record in event['Records']:\n"
        "        boto3.client('dynamodb').put_item(TableName='seen', Item={'id': {'S': record['eventSource']},\n"
        "            'arn': {'S': context.invoked_function_arn}, 'version': {'S': context.function_version}})\n",
        account.role("r", {"Effect": "Allow", "Action": ["dynamodb:*", "sqs:*", "logs:*"], "Resource": "*"}),
        Publish=True,
        Timeout=10,
    )
    account.client("lambda").create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    tables = account.client("dynamodb")
    key: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    tables.create_table(TableName="seen", **key)
    stream = tables.create_table(
        TableName="orders", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}, **key
    )["TableDescription"]["LatestStreamArn"]
    queues = account.client("sqs")
    url = queues.create_queue(QueueName="outbox")["QueueUrl"]
    queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = account.client("lambda").create_event_source_mapping
    mapping(EventSourceArn=queue, FunctionName=f"{f}:live")
    mapping(
        EventSourceArn=stream,
        FunctionName=f"{f}:live",
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
    )
    queues.send_message(QueueUrl=url, MessageBody="hello")
    tables.put_item(TableName="orders", Item={"id": {"S": "1"}})

    until = time.monotonic() + 10
    items: list[dict[str, Any]] = []
    while len(items) < 2 and time.monotonic() < until:
        time.sleep(0.1)
        items = tables.scan(TableName="seen")["Items"]
    assert {item["id"]["S"] for item in items} == {"aws:sqs", "aws:dynamodb"}
    assert {item["arn"]["S"] for item in items} == {f"{f}:live"}
    assert {item["version"]["S"] for item in items} == {"1"}


def test_metrics_are_kept_by_function_alias_and_version(account: Account) -> None:
    versions(account)
    for qualifier in ("live", "live", "$LATEST"):
        account.invoke("f", Qualifier=qualifier)
    metrics = account.client("cloudwatch").list_metrics(Namespace="AWS/Lambda", MetricName="Invocations")["Metrics"]
    series = {tuple(sorted((d["Name"], d["Value"]) for d in m["Dimensions"])) for m in metrics}

    assert (("FunctionName", "f"),) in series
    assert (("FunctionName", "f"), ("Resource", "f:live")) in series
    assert (("ExecutedVersion", "1"), ("FunctionName", "f"), ("Resource", "f:live")) in series
    now = time.time()
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": "f:live"}],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 2


def test_this_python_is_one_that_the_runtime_names(account: Account) -> None:
    account.function("f", "import sys\ndef handler(e, c):\n    return sys.version_info[1]\n")
    assert account.invoke("f")[0] == sys.version_info.minor


def test_a_crowd_before_a_cold_function_is_answered_without_a_process_for_each(account: Account) -> None:
    account.function("slow", "import os, time\ntime.sleep(0.4)\ndef handler(e, c):\n    return os.getpid()\n")
    with ThreadPoolExecutor(max_workers=40) as crowd:
        answers = list(crowd.map(lambda _: account.invoke("slow"), range(40)))
    processes = [payload for payload, _ in answers]
    assert all(isinstance(process, int) for process in processes), "nobody is turned away, and nothing times out"
    assert len(set(processes)) <= 20


def test_a_new_release_starts_with_the_bytecode_of_what_did_not_change(tmp_path: Path) -> None:
    server = Server(tmp_path / "state")
    server.start()
    try:
        account = Account(server, "111111111111")
        library = "VALUE = 1\n"
        account.function("f", "def handler(event, context): ...\n")
        code = "import library\ndef handler(event, context):\n    return [library.VALUE, %d]\n"
        for number in (1, 2):
            account.client("lambda").update_function_code(
                FunctionName="f", ZipFile=zipped({"app.py": code % number, "library.py": library})
            )
            assert account.invoke("f")[0] == [1, number]
        links = [path.stat().st_nlink for path in (tmp_path / "state" / "code").rglob("library.*.pyc")]
        assert links == [2, 2], "one file under two names"
        account.client("lambda").update_function_code(
            FunctionName="f", ZipFile=zipped({"app.py": code % 3, "library.py": "VALUE = 2\n"})
        )
        assert account.invoke("f")[0] == [2, 3], "another content of the same size is compiled anew"
    finally:
        server.end()
