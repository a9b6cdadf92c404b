"""Starting the embedded AWS for tests, and the few things that most of them need in it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REGION = "eu-west-1"
SECRET = "penstock-local"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
LOGS = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}
ECHO = """
import json, os
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({
        "release": %r, "arn": context.invoked_function_arn, "version": context.function_version,
        "event": event, "environment": dict(os.environ)})}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def client_of(url: str, service: str, key: str, secret: str, token: str | None) -> Any:
    """A boto3 client; making one takes longer than most calls."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@dataclass
class Server:
    """One embedded AWS, a process like a user's."""

    state: Path
    port: int = field(default_factory=free_port)
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.state.with_name(self.state.name + ".log")

    def start(self) -> float:
        """Start and wait until it is ready; returns the seconds that took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "penstock.localaws"),
                    *("--port", str(self.port), "--state", str(self.state)),
                    *self.options,
                ],
                stderr=log,
                stdout=log,
                env={**os.environ, "AWS_PROFILE": "must-not-leak", "AWS_SECRET_ACCESS_KEY": "must-not-leak"},
            )
        while True:
            try:
                self.control("GET", "health")
            except OSError:
                if self.process.poll() is not None or time.monotonic() - began > 20:
                    raise AssertionError(self.log.read_text()) from None
                time.sleep(0.01)
            else:
                return time.monotonic() - began

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def restart(self, number: int = signal.SIGKILL) -> float:
        self.end(number)
        return self.start()

    def memory(self) -> int:
        """What the server holds in memory, in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) << 10

    def control(self, method: str, path: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/_penstock/{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def call(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> tuple[int, Any]:
        """An unsigned HTTP call, as curl makes it: status and JSON (or text)."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                status, body = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()


@dataclass(frozen=True)
class Account:
    """An account's administrator."""

    server: Server
    number: str

    def client(self, service: str, **credentials: str) -> Any:
        key, secret = credentials.get("key", self.number), credentials.get("secret", SECRET)
        return client_of(self.server.url, service, key, secret, credentials.get("token"))

    def role(self, name: str = "role", *statements: Mapping[str, Any]) -> str:
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        if statements:
            policy = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        return arn

    def function(self, name: str, code: str, role: str | None = None, **settings: Any) -> str:
        """Create a function of one Python file; returns its ARN."""
        defaults: dict[str, Any] = {"Runtime": f"python3.{sys.version_info.minor}", "Handler": "app.handler"}
        arn: str = self.client("lambda").create_function(
            FunctionName=name,
            Role=role or self.role(f"role-{name}", LOGS),
            Code={"ZipFile": zipped({"app.py": code})},
            **{**defaults, **settings},
        )["FunctionArn"]
        return arn

    def release(self, name: str, code: str) -> str:
        """Update the code and publish it; returns the version."""
        client = self.client("lambda")
        client.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": code}))
        version: str = client.publish_version(FunctionName=name)["Version"]
        return version

    def invoke(self, name: str, event: Any = None, **settings: Any) -> tuple[Any, dict[str, Any]]:
        """The payload and the whole answer of an invocation."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}), **settings)
        return json.loads(answer["Payload"].read() or b"null"), answer

    def api(self, name: str, function: str, *, security: bool = False, paths: Sequence[str] = ("/users",)) -> str:
        """A REST API by PutRestApi whose methods call ``function:${stageVariables.slot}``; returns its id."""
        gateway = self.client("apigateway")
        api_id: str = gateway.create_rest_api(name=name)["id"]
        self.put(api_id, name, function, security=security, paths=paths)
        return api_id

    def put(
        self, api_id: str, name: str, function: str, *, security: bool = False, paths: Sequence[str] = ("/users",)
    ) -> None:
        self.client("apigateway").put_rest_api(
            restApiId=api_id,
            mode="overwrite",
            body=json.dumps(document(name, function, security=security, paths=paths)),
        )

    def may_log(self) -> None:
        """Let API Gateway write access logs, as an account has to once."""
        role = f"arn:aws:iam::{self.number}:role/apigateway"
        self.client("apigateway").update_account(
            patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
        )

    def bucket(self, name: str, *, versioned: bool = False) -> Any:
        """A bucket; returns the S3 client."""
        client = self.client("s3")
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return client

    def permit(self, function: str, qualifier: str, api_id: str) -> None:
        self.client("lambda").add_permission(
            FunctionName=function,
            Qualifier=qualifier,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{self.number}:{api_id}/*",
        )


def document(name: str, function: str, *, security: bool, paths: Sequence[str]) -> dict[str, Any]:
    """The OpenAPI document as the product generates it."""
    uri = (
        f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}:${{stageVariables.slot}}/invocations"
    )
    operation: dict[str, Any] = {
        "responses": {},
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri},
    }
    if security:
        operation["security"] = [{"sigv4": []}]
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
    return {
        "openapi": "3.0.1",
        "info": {"title": name, "version": "1"},
        "components": {"securitySchemes": {"sigv4": scheme}},
        "paths": {path: {"get": operation} for path in paths},
    }


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()
