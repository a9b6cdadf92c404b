"""Lambda's side of the runtime interface: one event in, one answer out.

Protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARN = "arn:aws:lambda:eu-west-1:111111111111:function:f"


def answer_of(
    python: Path, artifact: str, handler: str, event: object, into: Path, *, more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Unpack an artifact, start `awslambdaric` of that Python on it, and give it one event.

    The answer is `{"response": …}`, or `{"error": …}` with what the client reported. `more` are further
    environment variables.
    """
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(into)
    server = _Server(event)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        **(more or {}),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "LAMBDA_TASK_ROOT": str(into),
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PATH": os.environ["PATH"],
        "HOME": str(into),
    }
    # As Lambda does it: the function's own code comes before what the runtime supplies.
    env["PYTHONPATH"] = str(into)
    client = subprocess.Popen(
        [str(python), "-m", "awslambdaric", handler],
        cwd=into, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        if not server.answered.wait(30):
            client.kill()
            return {"error": f"no answer: {client.communicate()[0]}"}
        return server.answer
    finally:
        client.kill()
        client.communicate()
        server.shutdown()
        server.server_close()


class _Server(HTTPServer):
    def __init__(self, event: object) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.event = json.dumps(event).encode()
        self.given = False
        self.answer: dict[str, Any] = {}
        self.answered = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed while it waited is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.server.given:
            self.server.answered.wait(30)
            return
        self.server.given = True
        self.send_response(200)
        for name, value in (
            ("Lambda-Runtime-Aws-Request-Id", "1"),
            ("Lambda-Runtime-Deadline-Ms", "99999999999999"),
            ("Lambda-Runtime-Invoked-Function-Arn", ARN),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(self.server.event))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        text = json.loads(body or b"null")
        self.server.answer = {"response": text} if self.path.endswith("/response") else {"error": text}
        self.server.answered.set()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
