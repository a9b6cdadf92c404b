"""The embedded AWS beside plain ministack, in one run: start, memory, a warm request through API Gateway and Lambda.

Run: ``uv run python benchmarks/localaws.py``. Both servers answer in turn, so a busy machine troubles both alike.
The goal: no slower than 1.3 times ministack. Prints medians and ratios; exits 1 when the goal is missed.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

ACCOUNT, REGION, SECRET = "000000000000", "us-east-1", "penstock-local"  # ministack's unsigned callers have these
GOAL = 1.3
CODE = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'ok'}\n"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@dataclass
class Contender:
    """One server and what was measured on it."""

    name: str
    command: list[str]
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None
    path: str = ""
    starts: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start; note the seconds until the first answer."""
        began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                self.get("/_ministack/health")
            except OSError:
                assert self.process.poll() is None, f"{self.name} did not start"
                time.sleep(0.005)
            else:
                self.starts.append(time.perf_counter() - began)
                return

    def stop(self) -> None:
        """Stop and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    def get(self, path: str) -> int:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def memory(self) -> float:
        """Resident megabytes of the server, without its functions."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def prepare(self) -> None:
        """A function behind an API, by the calls that plain ministack knows."""

        def client(service: str) -> Any:
            return boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=f"http://127.0.0.1:{self.port}",
                region_name=REGION,
                aws_access_key_id=ACCOUNT,
                aws_secret_access_key=SECRET,
            )

        role = client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", CODE)
        arn = client("lambda").create_function(
            FunctionName="bench",
            Role=role,
            Runtime=f"python3.{sys.version_info.minor}",
            Handler="app.handler",
            Code={"ZipFile": buffer.getvalue()},
        )["FunctionArn"]
        gateway = client("apigateway")
        api = gateway.create_rest_api(name="bench")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        resource = gateway.create_resource(restApiId=api, parentId=root, pathPart="users")["id"]
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        gateway.put_method(**method, authorizationType="NONE")
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
        gateway.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        gateway.create_deployment(restApiId=api, stageName="live")
        client("lambda").add_permission(
            FunctionName="bench",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*",
        )
        self.path = f"/_aws/execute-api/{api}/live/users"
        for _ in range(20):
            assert self.get(self.path) == 200, f"{self.name} does not answer"  # noqa: PLR2004 - OK

    def measure(self, requests: int) -> None:
        """One round: latency alone, then the rate of four callers at once."""
        for _ in range(requests):
            began = time.perf_counter()
            status = self.get(self.path)
            self.latencies.append((time.perf_counter() - began) * 1000)
            assert status == 200  # noqa: PLR2004 - OK
        began = time.perf_counter()
        callers = [threading.Thread(target=lambda: [self.get(self.path) for _ in range(requests)]) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        self.rates.append(4 * requests / (time.perf_counter() - began))


def main() -> int:
    """Run both, print the table; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        both = contenders(Path(folder))
        try:
            for _ in range(3):
                for contender in both:
                    contender.stop()
                    contender.start()
            for contender in both:
                contender.prepare()
            for _ in range(options.rounds):
                for contender in both:
                    contender.measure(options.requests)
            rows = _rows(*both)
        finally:
            for contender in both:
                contender.stop()
    print(f"{'':28}{'ministack':>12}{'penstock':>12}{'ratio':>9}   goal")
    missed = False
    for name, unit, plain, ours, bigger_is_better, goal in rows:
        ratio = plain / ours if bigger_is_better else ours / plain
        missed = missed or (goal is not None and ratio > goal)
        print(f"{name + ', ' + unit:28}{plain:12.2f}{ours:12.2f}{ratio:9.2f}   {'' if goal is None else f'<= {goal}'}")
    return int(missed)


def contenders(folder: Path) -> list[Contender]:
    """Plain ministack and the embedded AWS, each with its state below the folder; not started yet."""
    plain, ours = _free_port(), _free_port()
    bare = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return [
        Contender(
            name="ministack",
            command=[sys.executable, "-m", "ministack.app"],
            port=plain,
            environment={
                **bare,
                "AUTH": "true",
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(plain),
                "IOT_MTLS_ENABLED": "0",
                "LOG_LEVEL": "WARNING",
                "PERSIST_STATE": "1",
                "S3_DATA_DIR": str(folder / "plain" / "s3"),
                "S3_PERSIST": "1",
                "STATE_DIR": str(folder / "plain"),
            },
        ),
        Contender(
            name="penstock",
            command=[
                *(sys.executable, "-m", "penstock.localaws", "--port", str(ours), "--region", REGION),
                *("--state", str(folder / "ours")),
            ],
            port=ours,
            environment=bare,
        ),
    ]


def _rows(plain: Contender, ours: Contender) -> list[tuple[str, str, float, float, bool, float | None]]:
    middle = statistics.median
    return [
        ("start", "s", middle(plain.starts), middle(ours.starts), False, None),
        ("memory of the server", "MB", plain.memory(), ours.memory(), False, None),
        ("warm request p50", "ms", middle(plain.latencies), middle(ours.latencies), False, GOAL),
        ("warm requests, 4 callers", "1/s", middle(plain.rates), middle(ours.rates), True, GOAL),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
