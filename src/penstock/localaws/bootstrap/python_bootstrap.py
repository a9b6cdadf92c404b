"""The Python runtime of the embedded AWS: runs in the function's interpreter, imports nothing but the standard library.

Protocol: one JSON document a line, in and out on the two descriptors given. Standard output and error are the
function's log. The first one closed means that the server is gone: the process ends at once, whatever the handler does.
Must stay importable by every Python that Lambda offers (3.9 and later).
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

COMMANDS, ANSWERS = int(sys.argv[1]), int(sys.argv[2])


def main() -> None:
    """Import the handler, then answer one invocation after another."""
    commands: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers = os.fdopen(ANSWERS, "w", encoding="utf-8")

    def read() -> None:
        with os.fdopen(COMMANDS, encoding="utf-8") as lines:
            for line in lines:
                commands.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()

    def answer(message: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    start = json.loads(commands.get())
    sys.path[:] = [start["task_root"], *start["before"], *[p for p in sys.path if p not in ("", HERE)], *start["after"]]
    try:
        handler = load(start["handler"])
    except BaseException as error:  # noqa: BLE001 - whatever user code raises, SystemExit too, is an init error
        answer({"init_error": init_failure(start["handler"], error)})
        return
    answer({"ready": True})
    while True:
        call = json.loads(commands.get())
        os.environ["_X_AMZN_TRACE_ID"] = call["trace_id"]
        context = Context(call)
        try:
            result = handler(call["event"], context)
        except SystemExit as error:
            answer({"exit": error.code if isinstance(error.code, int) else 1})
            return
        except BaseException as error:  # noqa: BLE001 - becomes the function's error
            frames = error.__traceback__.tb_next if error.__traceback__ else None
            traceback.print_exception(type(error), error, frames)
            answer({"error": failure(error, frames)})
            continue
        try:
            payload = json.dumps(result, default=_decimal)
        except Exception as error:  # noqa: BLE001 - AWS's own word for it
            text = f"Unable to marshal response: {error}"
            print("[ERROR] Runtime.MarshalError: " + text)  # noqa: T201 - the function's log
            answer({"error": {"errorMessage": text, "errorType": "Runtime.MarshalError", "stackTrace": []}})
            continue
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write('{"result": ' + payload + "}\n")
        answers.flush()


def load(path: str) -> Any:
    """The handler ``module.sub.function`` or ``folder/module.function``."""
    module_name, _, name = path.rpartition(".")
    module = importlib.import_module(module_name.replace("/", "."))
    if not hasattr(module, name):
        raise HandlerMissingError(f"Handler '{name}' missing on module '{module_name}'")
    return getattr(module, name)


class HandlerMissingError(Exception):
    """The module is there, the function is not."""


def init_failure(path: str, error: BaseException) -> dict[str, Any]:
    """An init error as Lambda reports it."""
    module = path.rpartition(".")[0]
    if isinstance(error, HandlerMissingError):
        kind, text = "Runtime.HandlerNotFound", str(error)
    elif isinstance(error, ImportError):
        kind, text = "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
    elif isinstance(error, SyntaxError):
        kind, text = "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}"
    elif isinstance(error, SystemExit):
        kind, text = "Runtime.ExitError", f"Runtime exited with error: exit status {error.code or 0}"
    else:
        kind, text = type(error).__name__, str(error)
    print(f"[ERROR] {kind}: {text}")  # noqa: T201 - the function's log
    traceback.print_exception(type(error), error, error.__traceback__)
    return {"errorMessage": text, "errorType": kind, "stackTrace": []}


def failure(error: BaseException, frames: TracebackType | None) -> dict[str, Any]:
    """An exception as Lambda reports it."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_list(traceback.extract_tb(frames)),
    }


class Context:
    """Lambda's context object."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id = call["request_id"]
        self.client_context = None
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.identity = type("CognitoIdentity", (), {"cognito_identity_id": None, "cognito_identity_pool_id": None})()
        self.invoked_function_arn = call["arn"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self._deadline = call["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        """Write to the function's log."""
        sys.stdout.write(str(message))


def _decimal(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - compared with sys.path's strings

if __name__ == "__main__":
    main()
