"""Lambda's side of the runtime interface: one event in, one answer out.

Protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import penstock

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOTSTRAP = Path(penstock.__file__).parent / "localaws/bootstrap/node_bootstrap.mjs"
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
    # As Lambda does it: the function's own code comes before what the runtime supplies.
    return _answer((str(python), "-m", "awslambdaric", handler), event, into, {"PYTHONPATH": str(into), **(more or {})})


def node_answer_of(client: Path, handler: str, event: object, root: Path) -> dict[str, Any]:
    """The same of `aws-lambda-ric`, the client of Lambda's Node.js, which lies in `client`, for code in `root`.

    Only what posts its answers is not its own: see rapid_client.cjs.
    """
    node = shutil.which("node")
    assert node is not None
    argv = (
        node,
        "--require",
        str(Path(__file__).with_name("rapid_client.cjs")),
        str(client / "bin/index.mjs"),
        handler,
    )
    return _answer(argv, event, root, {"AWS_LAMBDA_NODEJS_USE_ALTERNATIVE_CLIENT_1": "true"})


def bootstrap_answer_of(handler: str, event: object, root: Path) -> dict[str, Any]:
    """The same of the embedded AWS's own bootstrap for Node.js."""
    node = shutil.which("node")
    assert node is not None
    commands, ours = os.pipe()
    answers, theirs = os.pipe()
    argv = [node, str(BOOTSTRAP), str(commands), str(theirs)]
    runtime = subprocess.Popen(argv, cwd=root, pass_fds=(commands, theirs), stderr=subprocess.DEVNULL)
    os.close(commands)
    os.close(theirs)
    call = {"event": event, "request_id": "1", "arn": ARN, "deadline": 9e9, "trace_id": ""}
    with os.fdopen(ours, "w") as ask, os.fdopen(answers) as answer:
        print(json.dumps({"task_root": str(root), "handler": handler}), file=ask, flush=True)
        said = json.loads(answer.readline())
        if "ready" in said:
            print(json.dumps(call), file=ask, flush=True)
            said = json.loads(answer.readline())
    runtime.wait(30)
    return {"response": said["result"]} if "result" in said else {"error": said.get("init_error") or said["error"]}


def _answer(argv: tuple[str, ...], event: object, into: Path, more: Mapping[str, str]) -> dict[str, Any]:
    """Start a client on the code in `into` and give it one event."""
    server = _Server(event)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        **more,
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
    client = subprocess.Popen(
        argv, cwd=into, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        answered = server.answered.wait(30)
    finally:
        client.kill()
        said = client.communicate()[0]
        server.shutdown()
        server.server_close()
    return server.answer if answered else {"error": f"no answer: {said}"}


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
