"""State: what is acknowledged survives kill -9, a full disk refuses and corrupts nothing, snapshots, start and stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from localaws.harness import ECHO, LOGS, Account, Server, free_port

from penstock.localaws.objects import finish_interrupted_writes

if TYPE_CHECKING:
    from collections.abc import Iterator


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_an_acknowledged_object_survives_kill_9(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    s3 = account.bucket("artifacts", versioned=True)
    acknowledged = {}
    for number in range(30):
        key = f"ledger/{number}.json"
        acknowledged[key] = s3.put_object(Bucket="artifacts", Key=key, Body=f"entry {number}", IfNoneMatch="*")["ETag"]
    s3.put_object(Bucket="artifacts", Key="ledger/0.json", Body="second")
    own_server.restart()

    assert s3.get_object(Bucket="artifacts", Key="ledger/0.json")["Body"].read() == b"second"
    for key, etag in list(acknowledged.items())[1:]:
        found = s3.get_object(Bucket="artifacts", Key=key)
        assert (found["ETag"], found["Body"].read()) == (etag, f"entry {key[7:-5]}".encode())
    with pytest.raises(ClientError) as lost:
        s3.put_object(Bucket="artifacts", Key="ledger/7.json", Body="again", IfNoneMatch="*")
    assert code(lost) == "PreconditionFailed"


def test_a_rehearsals_state_is_saved_when_it_ends_and_not_meanwhile(tmp_path: Path) -> None:
    server = Server(tmp_path / "state", options=("--rehearsal",))
    server.start()
    try:
        account = Account(server, "111111111111")
        account.client("sqs").create_queue(QueueName="first")
        time.sleep(2.0)  # it would be saved within one
        server.restart(signal.SIGKILL)
        assert not account.client("sqs").list_queues().get("QueueUrls")
        account.client("sqs").create_queue(QueueName="second")
        server.restart(signal.SIGTERM)
        assert [url.rpartition("/")[2] for url in account.client("sqs").list_queues()["QueueUrls"]] == ["second"]
    finally:
        server.end()


def test_versions_of_an_object_are_kept_on_disk_and_not_in_memory(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    s3 = account.bucket("artifacts", versioned=True)
    before = own_server.memory()
    big = 8 << 20
    ids = [s3.put_object(Bucket="artifacts", Key="a.zip", Body=f"{n}" * big)["VersionId"] for n in range(8)]
    s3.delete_object(Bucket="artifacts", Key="a.zip")
    assert own_server.memory() - before < 5 * big
    for number, version in enumerate(ids):
        body = s3.get_object(Bucket="artifacts", Key="a.zip", VersionId=version)["Body"].read()
        assert (len(body), body[:1]) == (big, str(number).encode())
    for version in ids[:-1]:
        s3.delete_object(Bucket="artifacts", Key="a.zip", VersionId=version)
    own_server.restart()
    assert s3.get_object(Bucket="artifacts", Key="a.zip", VersionId=ids[-1])["ContentLength"] == big


def test_of_many_conditional_creations_exactly_one_wins(account: Account) -> None:
    name = f"b-{account.number}"
    account.bucket(name)

    def put(number: int) -> str:
        try:
            account.client("s3").put_object(Bucket=name, Key="lease.json", Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return f"won {number}"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put, range(24)))
    winners = [answer for answer in answers if answer.startswith("won")]
    assert len(winners) == 1
    assert set(answers) - set(winners) == {"412"}
    body = account.client("s3").get_object(Bucket=name, Key="lease.json")["Body"].read()
    assert winners == [f"won {body.decode()}"]


def test_if_match_replaces_what_was_read_and_nothing_else(account: Account) -> None:
    name = f"b-{account.number}"
    s3 = account.bucket(name)
    etag = s3.put_object(Bucket=name, Key="lease.json", Body="1")["ETag"]

    def replace(number: int) -> int:
        try:
            account.client("s3").put_object(Bucket=name, Key="lease.json", Body=str(number), IfMatch=etag)
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(replace, range(2, 14)))
    assert answers == [200] + [412] * 11
    with pytest.raises(ClientError) as absent:
        s3.put_object(Bucket=name, Key="none", Body="1", IfMatch=etag)
    assert code(absent) == "NoSuchKey"


def test_other_state_loses_at_most_a_second(own_server: Server) -> None:
    account = Account(own_server, "222222222222")
    arn = account.function("f", ECHO % "one")
    client = account.client("lambda")
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="blue", FunctionVersion="1")
    api = account.api("shop", arn)
    account.permit("f", "blue", api)
    gateway = account.client("apigateway")
    gateway.create_stage(
        restApiId=api,
        stageName="live",
        deploymentId=gateway.create_deployment(restApiId=api)["id"],
        variables={"slot": "blue"},
    )
    account.put(api, "shop", arn, paths=["/draft"])
    account.client("ssm").put_parameter(Name="/pointer", Value="blue", Type="String")
    account.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/t",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=2,
    )
    before = own_server.call("/@shop/users")[1]
    time.sleep(1)
    own_server.restart()

    status, after = own_server.call("/@shop/users")
    assert (status, after["release"], after["arn"]) == (200, "one", before["arn"])
    assert own_server.call("/@shop/draft")[0] == 403, "the snapshot is back, not the draft"
    assert account.client("ssm").get_parameter(Name="/pointer")["Parameter"]["Value"] == "blue"
    assert client.get_function(FunctionName="f")["Configuration"]["LastUpdateStatus"] == "Successful"
    targets = account.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="dynamodb")
    assert [t["ResourceId"] for t in targets["ScalableTargets"]] == ["table/t"]


def test_kill_9_at_any_moment_leaves_a_whole_state(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    written = 0
    for round_ in range(3):
        ssm = account.client("ssm")
        until = time.monotonic() + 0.5 + 0.13 * round_
        while time.monotonic() < until:
            written += 1
            ssm.put_parameter(Name=f"/p/{written}", Value="x" * 500, Type="String")
        own_server.restart()
        found = {
            p["Name"]
            for page in ssm.get_paginator("get_parameters_by_path").paginate(Path="/p/")
            for p in page["Parameters"]
        }
        kept = max((int(name.rpartition("/")[2]) for name in found), default=0)
        assert found == {f"/p/{n}" for n in range(1, kept + 1)}, "a prefix, without holes"
        written = kept


def test_graceful_stop_loses_nothing(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    account.client("ssm").put_parameter(Name="/last", Value="1", Type="String")
    assert own_server.end(signal.SIGTERM) == 0
    own_server.start()

    assert account.client("ssm").get_parameter(Name="/last")["Parameter"]["Value"] == "1"


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (
            {"k": "old", "k.meta.json": "{1}", "k.tmp": "ne", "k.meta.json.tmp": '{"a'},
            {"k": "old", "k.meta.json": "{1}"},
        ),
        (
            {"k": "new", "k.meta.json": '{"a": 1}', "k.meta.json.tmp": '{"a": 2}'},
            {"k": "new", "k.meta.json": '{"a": 2}'},
        ),
        ({"k.tmp": "new", "k.meta.json.tmp": '{"a": 2}'}, {}),
    ],
    ids=["killed while writing", "killed between the moves", "killed before the first move"],
)
def test_an_interrupted_object_write_is_finished_or_undone(
    tmp_path: Path, left: dict[str, str], kept: dict[str, str]
) -> None:
    for name, text in left.items():
        (tmp_path / name).write_text(text)
    finish_interrupted_writes(tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == kept


def test_buckets_and_keys_that_look_like_our_files_survive(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    s3 = account.bucket("my.tmp")
    keys = ["a.tmp", "a.tmp/b", "a.meta.json", "x/y.meta.json.tmp", "x", "x/y"]
    for key in keys:
        s3.put_object(Bucket="my.tmp", Key=key, Body=key.encode())
    own_server.restart()

    assert {o["Key"] for o in s3.list_objects_v2(Bucket="my.tmp")["Contents"]} == set(keys)
    assert [s3.get_object(Bucket="my.tmp", Key=key)["Body"].read().decode() for key in keys] == keys


def test_snapshot_and_restore_by_name(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    s3 = account.bucket("box")
    s3.put_object(Bucket="box", Key="k", Body="before")
    account.function("f", ECHO % "before")
    own_server.control("POST", "snapshot/clean")
    s3.put_object(Bucket="box", Key="k", Body="after")
    s3.put_object(Bucket="box", Key="new", Body="after")
    account.release("f", ECHO % "after")
    own_server.control("POST", "restore/clean")

    assert s3.get_object(Bucket="box", Key="k")["Body"].read() == b"before"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="box")["Contents"]] == ["k"]
    assert json.loads(account.invoke("f")[0]["body"])["release"] == "before"
    assert [v["Version"] for v in account.client("lambda").list_versions_by_function(FunctionName="f")["Versions"]] == [
        "$LATEST"
    ]
    assert own_server.control("GET", "snapshots") == {"snapshots": ["clean"]}
    own_server.restart()
    assert s3.get_object(Bucket="box", Key="k")["Body"].read() == b"before"
    own_server.control("POST", "reset")
    assert s3.list_buckets()["Buckets"] == []
    own_server.control("POST", "restore/clean")
    assert json.loads(account.invoke("f")[0]["body"])["release"] == "before"


def test_a_queue_is_read_for_its_function_on_whatever_port_the_state_comes_back(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    reads = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    role = account.role("reader", LOGS, {"Effect": "Allow", "Action": reads, "Resource": "*"})
    account.function("f", "def handler(event, context): print('got', event['Records'][0]['body'])", role)
    sqs = account.client("sqs")
    before = sqs.create_queue(QueueName="outbox")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=before, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    account.client("lambda").create_event_source_mapping(FunctionName="f", EventSourceArn=queue, BatchSize=1)
    sqs.send_message(QueueUrl=before, MessageBody="one")
    assert received(account, "one")

    own_server.end()
    own_server.port = free_port()
    own_server.start()

    sqs = account.client("sqs")
    (url,) = sqs.list_queues()["QueueUrls"]
    assert (
        url
        == sqs.get_queue_url(QueueName="outbox")["QueueUrl"]
        == before.replace(before.split("/")[2], own_server.url[7:])
    )
    sqs.send_message(QueueUrl=url, MessageBody="two")
    sqs.send_message(QueueUrl=before, MessageBody="three")  # Terraform's state has the old one
    assert received(account, "two")
    assert received(account, "three")


def received(account: Account, text: str) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ClientError):  # there is no log group before the first call
            events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]
            if any(event["message"].startswith(f"got {text}") for event in events):
                return True
        time.sleep(0.1)
    return False


def test_an_unknown_snapshot_and_a_bad_name_are_refused(server: Server) -> None:
    assert server.call("/_penstock/restore/none", method="POST")[0] == 404
    assert server.call("/_penstock/snapshot/..", method="POST")[0] == 400
    assert server.call("/_penstock/nothing")[0] == 404


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; skips where one cannot be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_refuses_writes_and_corrupts_nothing(small_disk: Path) -> None:
    server = Server(small_disk / "state")
    server.start()
    try:
        account = Account(server, "111111111111")
        s3 = account.bucket("box")
        s3.put_object(Bucket="box", Key="small", Body=b"kept")

        def fill() -> None:
            for number in range(100):
                s3.put_object(Bucket="box", Key=f"big/{number}", Body=b"x" * 3_000_000)

        with pytest.raises(ClientError) as full:
            fill()
        assert full.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert full.value.response["Error"]["Code"] == "InsufficientStorage"
        big = "x" * 3_000_000
        calls: list[tuple[str, str, dict[str, str]]] = [
            ("iam", "create_user", {"UserName": big}),
            ("lambda", "create_alias", {"FunctionName": "f", "Name": "a", "FunctionVersion": "1", "Description": big}),
            ("ssm", "put_parameter", {"Name": "/p", "Value": big, "Type": "String"}),
        ]
        for service, operation, parameters in calls:
            with pytest.raises(ClientError, match="InsufficientStorage"):
                getattr(account.client(service), operation)(**parameters)
        assert account.client("ssm").describe_parameters()["Parameters"] == []
        with pytest.raises(ClientError):
            s3.put_object(Bucket="box", Key="small", Body=b"x" * 3_000_000)
        assert s3.get_object(Bucket="box", Key="small")["Body"].read() == b"kept"
        listed = {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket="box")["Contents"]}
        server.restart()
        assert {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket="box")["Contents"]} == listed
        assert s3.get_object(Bucket="box", Key="small")["Body"].read() == b"kept"
        for key in listed:
            if key.startswith("big/"):
                s3.delete_object(Bucket="box", Key=key)
        s3.put_object(Bucket="box", Key="again", Body=b"room")
    finally:
        server.end()


def start(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock.localaws", *options], check=False, capture_output=True, text=True, timeout=20
    )


def test_a_taken_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        ended = start("--port", port, "--state", str(tmp_path / "state"))

    assert ended.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_servers_never_share_a_folder(own_server: Server) -> None:
    ended = start("--port", str(free_port()), "--state", str(own_server.state))

    assert ended.returncode == 1
    assert "is in use by another embedded AWS" in ended.stderr


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = start("--port", str(free_port()), "--state", str(tmp_path / "file" / "state"))

    assert ended.returncode == 1
    assert "cannot be made" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_is_small_and_only_on_loopback(own_server: Server) -> None:
    own_server.restart(signal.SIGTERM)
    assert own_server.process is not None
    assert own_server.memory() < 150 << 20
    health = own_server.control("GET", "health")
    assert (health["status"], health["pid"]) == ("ready", own_server.process.pid)
    assert health["state"] == str(own_server.state)
    assert listening(own_server.process.pid) == {("0100007F", own_server.port)}


def test_a_connection_ends_when_its_client_goes(own_server: Server) -> None:
    assert own_server.process is not None
    descriptors = Path(f"/proc/{own_server.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(30):
        connection = http.client.HTTPConnection("127.0.0.1", own_server.port)
        connection.request("GET", "/_penstock/health")
        connection.getresponse().read()
        connection.close()
    until = time.monotonic() + 5
    while len(list(descriptors.iterdir())) > before + 5 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(list(descriptors.iterdir())) <= before + 5


def listening(pid: int) -> set[tuple[str, int]]:
    """The addresses on which a process listens, from /proc."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields: Any = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found
